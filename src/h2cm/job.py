"""What the scripts of the workflow have in common: the log, plain error messages, the part of the configuration."""

from __future__ import annotations

import logging
import sys
from collections.abc import Iterator
from contextlib import contextmanager

from h2cm.config import Config, ConfigError, from_part
from h2cm.store import DataError

log = logging.getLogger(__name__)


@contextmanager
def job(snakemake) -> Iterator[Config]:
    """Run a job of the workflow.

    Messages go to the rule's log file and to the terminal. An error ends the job with exit status 1: one about data or
    configuration is one plain message, any other is logged with its traceback.

    Parameters
    ----------
    snakemake
        The object of this name that Snakemake gives to a script.

    Yields
    ------
    Config
        With the sections that the rule declares in its ``params`` and no others.
    """
    name = " ".join([snakemake.rule, *map(str, snakemake.wildcards)])
    formatter = logging.Formatter(f"{name}: %(message)s")
    handlers = [logging.FileHandler(snakemake.log[0], mode="w"), logging.StreamHandler(sys.stderr)]
    for handler in handlers:
        handler.setFormatter(formatter)
    logging.basicConfig(level=logging.INFO, handlers=handlers, force=True)
    logging.captureWarnings(True)
    try:
        yield from_part(snakemake.params.config)
    except (ConfigError, DataError) as error:
        log.error("%s", error)
        sys.exit(1)
    except Exception:
        log.exception("failed")
        sys.exit(1)
