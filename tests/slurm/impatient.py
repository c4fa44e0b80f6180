"""Snakemake, whose executor looks every second how its jobs are: by itself it looks less and less often."""

import signal

from snakemake.cli import main
from snakemake_interface_executor_plugins.executors.remote import RemoteExecutor

signal.signal(signal.SIGINT, signal.default_int_handler)  # a process in the background is deaf to it
RemoteExecutor.next_seconds_between_status_checks = property(lambda self: 1, lambda self, seconds: None)
main()
