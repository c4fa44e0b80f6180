"""Figures: one module each with ``draw(folder, config) -> Figure``, one row each in `h2cm.results.figures.registry`."""
