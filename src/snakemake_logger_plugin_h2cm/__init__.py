"""The logger plugin ``h2cm`` of Snakemake, which finds it by the name of this package; see `h2cm.workflow.screen`."""

from h2cm.workflow.screen import LogHandler

__all__ = ["LogHandler"]
