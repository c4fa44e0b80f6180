"""The report of a run: one HTML page that needs no network, made of the small files of ``results/<run>/``."""
