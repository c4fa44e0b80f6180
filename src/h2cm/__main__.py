"""The command ``h2cm``: small tools beside the workflow, which is run with ``snakemake``."""

from __future__ import annotations

import sys

USAGE = """usage: h2cm inspect FILE [--map PNG]    what is this file, and what do the readers make of it?
       h2cm origin FILE                what made this result, and would it be made again?
The workflow itself is run with snakemake; see README.md."""


def main() -> int:
    """Run a tool by its name."""
    tool, arguments = sys.argv[1:2], sys.argv[2:]
    if tool == ["inspect"]:
        from h2cm.inspect import main as run
    elif tool == ["origin"]:
        from h2cm.origin import main as run
    else:
        print(USAGE, file=sys.stderr)
        return 2
    return run(arguments)


if __name__ == "__main__":
    sys.exit(main())
