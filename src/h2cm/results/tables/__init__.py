"""Tables: one module each with ``make(folder, config) -> DataFrame``, one row each in `h2cm.results.tables.registry`."""
