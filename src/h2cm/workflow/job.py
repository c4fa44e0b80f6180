"""What the scripts of the workflow have in common: the log, plain error messages, the part of the configuration."""

from __future__ import annotations

import errno
import logging
import os
import signal
import socket
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager

from h2cm.config import Config, ConfigError, from_sections, parse
from h2cm.store import DataError

log = logging.getLogger(__name__)

SHOWN = "H2CM_SCREEN"
"""Environment variable that tells jobs that the run shows their errors and progress (`h2cm.workflow.screen`)."""

ASKED = "asked to end"
"""What a job says last that was ended on purpose."""


@contextmanager
def job(snakemake, progress: bool = False) -> Iterator[Config]:
    """Run a job of the workflow.

    Messages go to the rule's log file, warnings to the terminal too. Snakemake begins that file anew at each attempt; on Slurm those of
    all attempts are kept in one beside it (``….log.attempts``). An error ends the job with exit
    status 1: one about data or configuration is one plain message, any other is logged with its traceback.

    Parameters
    ----------
    snakemake
        The object of this name that Snakemake gives to a script.
    progress : bool
        Show all messages on the terminal: for jobs that take long.

    Yields
    ------
    Config
        With the keys that the rule declares in its ``params``, those that say how to compute (`h2cm.config.HOW`) where it has their
        section, and no others.
    """
    name = " ".join([snakemake.rule, *map(str, snakemake.wildcards)])
    formatter = logging.Formatter(f"{name}: %(message)s")
    number = os.environ.get("SLURM_JOB_ID")
    files = [
        logging.FileHandler(name) for name in (snakemake.log[0], *([f"{snakemake.log[0]}.attempts"] if number else []))
    ]
    terminal = logging.StreamHandler(sys.stderr)
    terminal.setLevel(logging.INFO if progress else logging.WARNING)
    if os.environ.get(SHOWN):
        terminal.addFilter(lambda record: record.levelno == logging.WARNING)
    for handler in (*files, terminal):
        handler.setFormatter(formatter)
    logging.basicConfig(level=logging.WARNING, handlers=[*files, terminal], force=True)
    logging.getLogger("h2cm").setLevel(logging.INFO)
    logging.captureWarnings(True)
    log.info(
        "starts on %s%s, %s", socket.gethostname(), f" (Slurm job {number})" if number else "", time.strftime("%F %T")
    )
    try:
        yield from_sections(snakemake.params.config, parse(snakemake.config))
    except (ConfigError, DataError) as error:
        log.error("%s", error)
        sys.exit(1)
    except OSError as error:
        if error.errno != errno.ENOSPC:
            log.exception("failed")
        else:
            log.error("%s: %s", error.filename, error.strerror)
        sys.exit(1)
    except Exception:
        log.exception("failed")
        sys.exit(1)
    except KeyboardInterrupt:
        log.info(ASKED)
        sys.exit(128 + signal.SIGINT)
