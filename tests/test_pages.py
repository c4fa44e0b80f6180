"""The documentation: what is made from the tables is up to date, the site builds with all its links, the notebook runs."""

from __future__ import annotations

import re
import subprocess
import sys

import pytest

from conftest import ROOT
from h2cm.workflow import pages


def test_what_is_made_from_the_tables_is_up_to_date():
    made = set()
    for page in pages.pages():
        text = page.read_text()
        made |= set(re.findall(r"<!-- made: (\w+) -->", text))
        assert pages.renewed(text) == text, f"{page.relative_to(ROOT)} is out of date: make docs"
    assert made == set(pages.PARTS), "every part stands on a page"


def test_a_page_that_is_out_of_date_is_seen():
    text = f"# A page\n\n<!-- made: ratios -->\nold\n{pages.END}\n\nrest\n"
    renewed = pages.renewed(text)
    assert "old" not in renewed and "`wue`" in renewed and renewed.endswith("\n\nrest\n")
    with pytest.raises(KeyError):
        pages.renewed(f"<!-- made: nothing -->\n{pages.END}")


def test_the_site_is_built_and_every_link_leads_somewhere(tmp_path):
    command = [sys.executable, "-m", "mkdocs", "build", "--site-dir", str(tmp_path / "site")]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-3000:]
    html = (tmp_path / "site" / "outputs" / "index.html").read_text()
    assert "heterotrophic_respiration" in html
    loaded = re.findall(r'<(?:script|link|img)[^>]+(?:src|href)="(https?://[^"]+)"', html)
    assert not loaded, f"pages load nothing from elsewhere: {loaded}"
