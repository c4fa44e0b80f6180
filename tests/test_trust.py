"""The page of promises (docs/trust.md): every test that it names exists, and every promise names one."""

from __future__ import annotations

import re

from conftest import ROOT

PAGE = (ROOT / "docs" / "trust.md").read_text()
PROMISES = [row for row in PAGE.splitlines() if row.startswith("| ") and not row.startswith(("| promise |", "| --- |"))]
NAMED = re.compile(r"`(test_\w+\.py)(?:::(\w+))?`")


def test_every_promise_names_tests_that_exist():
    assert len(PROMISES) >= 13
    for row in PROMISES:
        named = NAMED.findall(row.split("|")[2])
        assert named, f"no test is named: {row}"
        for file, test in named:
            path = ROOT / "tests" / file
            assert path.is_file(), f"{file} is not there"
            assert re.search(rf"^def {test}\b" if test else "^def test_", path.read_text(), re.MULTILINE), (
                f"{file}: no {test}"
            )
