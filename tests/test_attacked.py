"""What an archive, or a file from elsewhere, cannot do: write where it likes, run code, or leak a login."""

from __future__ import annotations

import ast
import os
import stat
import zipfile

import numpy as np
import pytest

from conftest import ROOT
from h2cm.sources.retrieve import unpack
from h2cm.sources.retrieve.transfer import Remote
from h2cm.store import DataError


@pytest.mark.parametrize(
    ("name", "kept"),
    [("../../x.nc", "x.nc"), ("/etc/x.nc", "x.nc"), ("a/b/x.nc", "x.nc"), ("..\\..\\x.nc", "x.nc"), ("x.nc", "x.nc")],
)
def test_a_name_is_reduced_to_its_last_part(name, kept):
    assert Remote(name, "https://example.org/x").name == kept


@pytest.mark.parametrize("name", ["", "..", "a/..", ".", "/", "a\nb", " "])
def test_a_name_that_is_none_is_refused(name):
    with pytest.raises(DataError, match=r"example\.org: expected the name of a file, found"):
        Remote(name, "https://example.org/x")


def test_a_login_in_an_address_is_refused_and_not_repeated():
    with pytest.raises(DataError, match=r"x\.nc: expected an address without a login.*example\.org") as raised:
        Remote("x.nc", "https://me:secret@example.org/x.nc")
    assert "secret" not in str(raised.value) and "me:" not in str(raised.value)


def archive(folder, *members, link=""):
    path = folder / "data" / "a.zip"
    path.parent.mkdir(exist_ok=True)
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as file:
        for name, content in members:
            file.writestr(name, content)
        if link:
            info = zipfile.ZipInfo("link")
            info.external_attr = (stat.S_IFLNK | 0o777) << 16
            file.writestr(info, link)
    return path


def everything(folder):
    return {str(path.relative_to(folder)) for path in folder.rglob("*")}


@pytest.mark.parametrize(
    ("members", "link", "message"),
    [
        ([("good.txt", "1"), ("../evil.txt", "1")], "", r"expected members within the archive, found '\.\./evil\.txt'"),
        ([("/evil.txt", "1")], "", "expected members within the archive"),
        ([("a/../../evil.txt", "1")], "", "expected members within the archive"),
        ([("C:/evil.txt", "1")], "", "expected members within the archive"),
        ([("good.txt", "1")], "/etc/passwd", "expected files, found the link 'link'"),
        ([("bomb", bytes(30_000_000))], "", r"expected at most 1000 times its \d+ bytes, found 30000000"),
    ],
)
def test_a_zip_that_would_write_elsewhere_writes_nothing(tmp_path, members, link, message):
    path = archive(tmp_path, *members, link=link)
    before = everything(tmp_path)
    with pytest.raises(DataError, match=message) as raised:
        unpack(path)
    assert str(path) in str(raised.value)
    assert everything(tmp_path) == before and not (tmp_path.parent / "evil.txt").exists()


def test_a_zip_that_the_disk_cannot_hold_writes_nothing(tmp_path, monkeypatch):
    path = archive(tmp_path, ("a.txt", np.random.default_rng(0).bytes(5000)))
    monkeypatch.setattr("shutil.disk_usage", lambda _: os.terminal_size((0, 0)) and type("", (), {"free": 4000}))
    with pytest.raises(DataError, match=r"a\.zip: 0\.0 GB to be written into"):
        unpack(path)
    assert not (tmp_path / "data" / "a").exists()


def test_an_honest_zip_is_unpacked(tmp_path):
    files = unpack(archive(tmp_path, ("a.txt", "1"), ("b/c.txt", "2")))
    assert [path.read_text() for path in files] == ["1", "2"]


SOURCES = sorted([*ROOT.glob("src/**/*.py"), *ROOT.glob("workflow/scripts/*.py"), *ROOT.glob("benchmarks/*.py")])
FORBIDDEN = {
    "eval",
    "exec",
    "os.system",
    "os.popen",
    "pickle.load",
    "pickle.loads",
    "yaml.unsafe_load",
    "yaml.full_load",
    "joblib.load",
    "dill.load",
}


def calls(tree):
    for node in ast.walk(tree):
        if isinstance(node, ast.Call):
            yield ast.unparse(node.func), {k.arg: ast.unparse(k.value) for k in node.keywords}, node


def faults(text: str) -> list[str]:
    """Calls of a module that would run what a file says, or a shell."""
    tree, found = ast.parse(text), []
    for name, options, node in calls(tree):
        if name in FORBIDDEN or options.get("shell") == "True" or options.get("allow_pickle") == "True":
            found.append(ast.unparse(node))
        if name == "torch.load" and options.get("weights_only") != "True":
            found.append(ast.unparse(node))
        if name == "yaml.load" and options.get("Loader") != "_Unique":  # a safe loader
            found.append(ast.unparse(node))
    imported = {a.name for node in ast.walk(tree) if isinstance(node, ast.Import | ast.ImportFrom) for a in node.names}
    return found + sorted(imported & {"pickle", "shelve", "marshal", "dill"})


def test_nothing_that_is_read_is_run():
    """No pickle, no YAML that makes objects, no shell."""
    assert len(SOURCES) > 100
    assert {path.name: found for path in SOURCES if (found := faults(path.read_text()))} == {}


@pytest.mark.parametrize(
    "text",
    [
        "import pickle",
        "torch.load(path)",
        "yaml.load(text, Loader=yaml.Loader)",
        "subprocess.run(command, shell=True)",
        "np.load(path, allow_pickle=True)",
        "os.system(command)",
    ],
)
def test_what_is_looked_for_is_found(text):
    assert faults(text)
