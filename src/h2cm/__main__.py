"""The command ``h2cm``: small tools beside the workflow, which is run with ``snakemake``."""

from __future__ import annotations

import sys

USAGE = """usage: h2cm inspect FILE [--map PNG]    what is this file, and what do the readers make of it?
The workflow itself is run with snakemake; see README.md."""


def main() -> int:
    """Run a tool by its name."""
    if sys.argv[1:2] != ["inspect"]:
        print(USAGE, file=sys.stderr)
        return 2
    from h2cm.inspect import main as inspect

    return inspect(sys.argv[2:])


if __name__ == "__main__":
    sys.exit(main())
