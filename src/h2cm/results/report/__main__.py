"""Write the report again from the files of a run: ``python -m h2cm.results.report results/<run>``."""

import sys
from pathlib import Path

from h2cm.config import ConfigError, load
from h2cm.results.report.page import write_report
from h2cm.store import DataError

if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit("usage: python -m h2cm.results.report results/<run>")
    folder = Path(sys.argv[1])
    try:
        write_report(folder, load(folder / "config.yaml"), folder / "report.html", folder / "report.zip")
    except (ConfigError, DataError) as error:
        sys.exit(str(error))
    print(folder / "report.html")
