"""Summaries: the small files that figures and tables read.

One module each with ``make(run, experiment) -> Dataset``, one row each in `h2cm.results.summaries.registry`.
"""
