"""Files appear whole or not at all."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from types import SimpleNamespace

import pytest

from h2cm.files import UNFINISHED, whole


def test_a_file_gets_its_name_when_it_is_complete(tmp_path):
    path = tmp_path / "deep" / "table.csv"
    with whole(path) as file:
        file.write_text("new")
        assert not path.exists()
    assert path.read_text() == "new" and os.listdir(path.parent) == ["table.csv"]


def test_an_error_leaves_what_was_there(tmp_path):
    path = tmp_path / "table.csv"
    path.write_text("old")
    with pytest.raises(RuntimeError), whole(path) as file:
        file.write_text("half")
        raise RuntimeError
    assert path.read_text() == "old" and os.listdir(tmp_path) == ["table.csv"]
    with pytest.raises(FileNotFoundError), whole(path):
        pass  # nothing was written
    assert path.read_text() == "old"


def test_what_a_killed_process_left_is_removed_by_the_next(tmp_path):
    """Of this machine and dead; not what a living process, or one of another machine, is writing."""
    code = f"import os\nfrom h2cm.files import whole\nwith whole({str(tmp_path / 'a.nc')!r}) as f:\n f.touch()\n os._exit(9)"
    subprocess.run([sys.executable, "-c", code], check=False)
    (left,) = os.listdir(tmp_path)
    assert left.startswith(".a.nc.") and left.endswith(UNFINISHED)
    others = {f".a.nc.{socket.gethostname()}.{os.getppid()}{UNFINISHED}", f".a.nc.elsewhere.1{UNFINISHED}"}
    for name in others:
        (tmp_path / name).touch()
    with whole(tmp_path / "a.nc") as file:
        file.touch()
    assert set(os.listdir(tmp_path)) == {"a.nc", *others}


def test_a_full_disk_leaves_the_old_file(tmp_path):
    """``/dev/full`` refuses every byte, as a full disk does."""
    path = tmp_path / "table.csv"
    path.write_text("old")
    with pytest.raises(OSError, match=r"the disk is full .*table\.csv"), whole(path) as file:
        file.symlink_to("/dev/full")
        file.write_text("new")
    assert path.read_text() == "old" and os.listdir(tmp_path) == ["table.csv"]


def test_a_library_that_says_otherwise_when_the_disk_is_full(tmp_path, monkeypatch):
    monkeypatch.setattr("shutil.disk_usage", lambda _: SimpleNamespace(free=1000))
    with (
        pytest.raises(OSError, match=r"the disk is full \(0 MB left\): free some space") as raised,
        whole(tmp_path / "a.nc"),
    ):
        raise RuntimeError("NetCDF: HDF error")
    assert raised.value.filename == str(tmp_path / "a.nc") and not os.listdir(tmp_path)
