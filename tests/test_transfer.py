"""Transfers against a real server with faults: each ends in the right file or the right message, and leaves no debris."""

import gzip
import hashlib
import os
import shutil
import signal
import subprocess
import sys
import time
import zipfile
from concurrent.futures import ThreadPoolExecutor
from threading import Lock

import netCDF4
import numpy as np
import pytest

import product_files
from h2cm.sources.retrieve import formats, transfer
from h2cm.sources.retrieve.transfer import Refused, Remote, Transfer, fetch
from h2cm.store import DataError
from loopback import serve

pytestmark = pytest.mark.skipif(shutil.which("curl") is None, reason="curl is not installed")

QUICK = {"wait": 0.02, "stall": 1}


@pytest.fixture
def archive(monkeypatch, tmp_path):
    monkeypatch.setenv("HOME", str(tmp_path / "home"))  # no login of the user's reaches a test
    (tmp_path / "home").mkdir()
    with serve() as archive:
        yield archive


def netcdf(path, seed=0, format="NETCDF4"):
    """Bytes of a netCDF file of some 100 kB."""
    with netCDF4.Dataset(path, "w", format=format) as data:
        data.createDimension("x", 12000)
        data.createVariable("v", "f8", ("x",))[:] = np.random.default_rng(seed).random(12000)
    return path.read_bytes()


@pytest.fixture
def content(tmp_path):
    return netcdf(tmp_path / "source.nc")


def names(folder):
    """All files below a folder, and those that wait to become whole beside it, but the lock files."""
    both = (*folder.rglob("*"), *folder.parent.joinpath(".partial").rglob("*"))
    return {p.name for p in both if p.is_file() and p.suffix != ".lock"}


def remote(archive, content, *faults, **known):
    return Remote("a.nc", archive.add("a.nc", content, *faults), **known)


def test_good(archive, content, tmp_path):
    target = fetch(remote(archive, content), tmp_path / "data", "netcdf", **QUICK)
    assert target.read_bytes() == content
    assert names(tmp_path / "data") == {"a.nc"}


@pytest.mark.parametrize("status", ["503", "500", "429"])
def test_busy_then_good(archive, content, tmp_path, status):
    target = fetch(remote(archive, content, status, status), tmp_path / "data", "netcdf", **QUICK)
    assert target.read_bytes() == content
    assert len(archive.requests) == 3


def test_back_off_grows(archive, content, tmp_path, monkeypatch):
    pauses = []
    monkeypatch.setattr(transfer.time, "sleep", lambda s: pauses.append(s) if s >= 0.6 else None)
    fetch(remote(archive, content, "503", "503", "503"), tmp_path / "data", "netcdf", wait=1.0)
    assert len(pauses) == 3
    assert all(0.75 * 2**i <= pause <= 1.25 * 2**i for i, pause in enumerate(pauses))


def test_always_busy_gives_up_with_a_message(archive, content, tmp_path):
    with pytest.raises(DataError, match=r"503.*gave up after 3 attempts"):
        fetch(remote(archive, content, *["503"] * 9), tmp_path / "data", "netcdf", attempts=3, **QUICK)
    assert len(archive.requests) == 3
    assert names(tmp_path / "data") == set()


@pytest.mark.parametrize("faults", [["drop", "drop"], ["drop", "503"], ["stall"]])
def test_lost_connection_is_resumed(archive, content, tmp_path, faults):
    target = fetch(remote(archive, content, *faults), tmp_path / "data", "netcdf", **QUICK)
    assert target.read_bytes() == content
    half = len(content) // 2
    assert [r for _, r in archive.requests][:2] == [None, f"bytes={half}-"]
    assert archive.sent == len(content)  # only the rest was fetched
    assert names(tmp_path / "data") == {"a.nc"}


def test_next_run_goes_on_where_the_last_one_ended(archive, content, tmp_path):
    file = remote(archive, content, "drop")
    with pytest.raises(DataError, match=f"{len(content) // 2} bytes are kept"):
        fetch(file, tmp_path / "data", "netcdf", attempts=1, **QUICK)
    assert not (tmp_path / "data" / "a.nc").exists()
    assert fetch(file, tmp_path / "data", "netcdf", **QUICK).read_bytes() == content
    assert archive.requests[-1][1] == f"bytes={len(content) // 2}-"
    assert archive.sent == len(content)


@pytest.mark.parametrize("all_processes", [True, False])  # or curl lives on, and writes
def test_killed_run_leaves_nothing_under_the_name_and_is_resumed(archive, content, tmp_path, all_processes):
    file = remote(archive, content, "slow")
    code = (
        "import sys; from pathlib import Path; from h2cm.sources.retrieve.transfer import Remote, fetch;"
        "fetch(Remote('a.nc', sys.argv[1]), Path(sys.argv[2]), 'netcdf')"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", code, file.address, str(tmp_path / "data")], start_new_session=True
    )
    part = tmp_path / ".partial" / "data" / "a.nc"
    deadline = time.monotonic() + 60
    while not (part.exists() and part.stat().st_size) and time.monotonic() < deadline:
        time.sleep(0.01)
    os.killpg(process.pid, signal.SIGKILL) if all_processes else process.kill()
    process.wait()
    assert not (tmp_path / "data" / "a.nc").exists()
    kept = part.stat().st_size
    assert 0 < kept < len(content)
    assert fetch(file, tmp_path / "data", "netcdf", **QUICK).read_bytes() == content
    assert archive.requests[-1][1] == f"bytes={kept if all_processes else len(content)}-"
    assert len(archive.requests) == 2


def test_file_that_changed_in_between_is_not_mixed(archive, content, tmp_path):
    file = remote(archive, content, "drop")
    with pytest.raises(DataError):
        fetch(file, tmp_path / "data", "netcdf", attempts=1, **QUICK)
    other = netcdf(tmp_path / "other.nc", seed=1)
    archive.add("a.nc", other)
    assert fetch(file, tmp_path / "data", "netcdf", **QUICK).read_bytes() == other


def test_server_without_ranges(archive, content, tmp_path):
    file = remote(archive, content, "drop", "no ranges")
    assert fetch(file, tmp_path / "data", "netcdf", **QUICK).read_bytes() == content


def test_slow(archive, content, tmp_path):
    assert fetch(remote(archive, content, "slow"), tmp_path / "data", "netcdf", **QUICK).read_bytes() == content
    assert len(archive.requests) == 1


@pytest.mark.parametrize(
    ("fault", "known", "message"),
    [
        ("truncated", {}, "damaged or truncated"),
        ("truncated", {"size": 97000}, "expected 97000 bytes"),
        ("html", {}, "page or message.*Please log in"),
        ("", {"checksum": "sha256:" + "0" * 64}, "wrong checksum"),
        ("", {"checksum": "md5:" + "0" * 32}, "wrong checksum"),
        ("404", {}, "404"),
    ],
)
def test_wrong_content_is_refused_and_nothing_stays(archive, content, tmp_path, fault, known, message):
    with pytest.raises(DataError, match=message):
        fetch(remote(archive, content, *([fault] if fault else []), **known), tmp_path / "data", "netcdf", **QUICK)
    assert len(archive.requests) == 1
    assert names(tmp_path / "data") == set()


def test_login_missing(archive, content, tmp_path):
    archive.login = "me:secret"
    with pytest.raises(Refused, match=r"127\.0\.0\.1:\d+ refused it .HTTP 401.: a login is missing or wrong"):
        fetch(remote(archive, content), tmp_path / "data", "netcdf", **QUICK)
    assert len(archive.requests) == 1
    assert names(tmp_path / "data") == set()


def test_login_comes_from_netrc(archive, content, tmp_path):
    archive.login = "me:secret"
    netrc = tmp_path / "home" / ".netrc"
    netrc.write_text("machine 127.0.0.1 login me password secret\n")
    netrc.chmod(0o600)
    assert fetch(remote(archive, content), tmp_path / "data", "netcdf", **QUICK).read_bytes() == content


def test_checksum_that_fits(archive, content, tmp_path):
    known = {"size": len(content), "checksum": "sha256:" + hashlib.sha256(content).hexdigest()}
    assert fetch(remote(archive, content, **known), tmp_path / "data", "netcdf", **QUICK).read_bytes() == content


def test_sound_file_is_not_requested_again(archive, content, tmp_path):
    known = {"size": len(content), "checksum": "md5:" + hashlib.md5(content).hexdigest()}
    for file in (remote(archive, content), remote(archive, content, **known)):
        fetch(file, tmp_path / "data", "netcdf", **QUICK)
    assert len(archive.requests) == 1


@pytest.mark.parametrize("damage", [lambda c: c[:5000], lambda c: c + b"x" * 100, lambda c: b"<html>"])
def test_damaged_file_is_fetched_again(archive, content, tmp_path, damage):
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "a.nc").write_bytes(damage(content))
    file = remote(archive, content, size=len(content))
    assert fetch(file, tmp_path / "data", "netcdf", **QUICK).read_bytes() == content


def test_at_most_so_many_at_once(archive, content, tmp_path, monkeypatch):
    files = [Remote(f"{i}.nc", archive.add(f"{i}.nc", content)) for i in range(3 * transfer.PER_HOST)]
    running, counts, lock = set(), [], Lock()
    call = Transfer.__call__

    def counted(self, *arguments):
        with lock:
            running.add(self.remote.name)
            counts.append(len(running))
        time.sleep(0.1)
        call(self, *arguments)
        with lock:
            running.remove(self.remote.name)

    monkeypatch.setattr(Transfer, "__call__", counted)
    with ThreadPoolExecutor(len(files)) as pool:
        list(pool.map(lambda file: fetch(file, tmp_path / "data", "netcdf", **QUICK), files))
    assert max(counts) == transfer.PER_HOST
    assert names(tmp_path / "data") == {file.name for file in files}


def test_unreachable(tmp_path):
    with pytest.raises(DataError, match=r"127\.0\.0\.1:9.*gave up after 2 attempts"):
        fetch(Remote("a.nc", "http://127.0.0.1:9/a.nc"), tmp_path, "netcdf", attempts=2, **QUICK)


def test_curl_missing(tmp_path, monkeypatch):
    monkeypatch.setattr(transfer.shutil, "which", lambda name: None)
    with pytest.raises(DataError, match=r"curl is needed"):
        fetch(Remote("a.nc", "http://127.0.0.1:9/a.nc"), tmp_path, "netcdf")


def test_session_cookie_is_sent_and_not_on_the_command_line(archive, content, tmp_path, monkeypatch):
    seen = []
    popen = subprocess.Popen
    monkeypatch.setattr(transfer.subprocess, "Popen", lambda command, **k: seen.append(command) or popen(command, **k))
    file = Remote("a.nc", archive.add("a.nc", content), headers=("Cookie: token=secret\"'",))
    fetch(file, tmp_path / "data", "netcdf", **QUICK)
    assert "secret" not in str(seen)


def zipped(tmp_path):
    path = tmp_path / "a.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("a.txt", np.random.default_rng(0).bytes(20000))
    return path.read_bytes()


def geotiff(tmp_path):
    values = np.random.default_rng(0).integers(0, 255, (100, 200)).astype("u1")
    product_files.geotiff(tmp_path / "a.tif", values, 0, 50, 0.1)
    return (tmp_path / "a.tif").read_bytes()


def hdf4(tmp_path):
    values = np.random.default_rng(0).integers(0, 255, (100, 200)).astype("u1")
    return product_files.modis_tile(tmp_path, 1, 18, 4, values).read_bytes()


FILES = {
    "geotiff": ("geotiff", geotiff),
    "hdf4": ("hdf4", hdf4),
    "netcdf4": ("netcdf", lambda tmp: netcdf(tmp / "s.nc")),
    "netcdf3": ("netcdf", lambda tmp: netcdf(tmp / "s.nc", format="NETCDF3_64BIT_OFFSET")),
    "hdf5": ("hdf5", lambda tmp: netcdf(tmp / "s.nc")),
    "zip": ("zip", zipped),
    "gzip": ("gzip", lambda tmp: gzip.compress(np.random.default_rng(0).bytes(20000))),
}


@pytest.mark.parametrize("kind", FILES)
@pytest.mark.parametrize("share", [1.0, 0.99, 0.5, 0.01])
def test_truncation_is_seen_in_every_format(tmp_path, kind, share):
    format, make = FILES[kind]
    content = make(tmp_path)
    path = tmp_path / "file"
    path.write_bytes(content[: int(len(content) * share)])
    if share == 1:
        formats.check(path, format, "x")
    else:
        with pytest.raises(DataError, match=r"truncated|starts with"):
            formats.check(path, format, "x")


@pytest.mark.parametrize("format", ["netcdf", "hdf5", "hdf4", "geotiff", "zip", "gzip", "raw"])
@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "empty"),
        (b"\n <!DOCTYPE html><title>Oops\n here</title>", "'Oops here'"),
        (b'<?xml version="1.0"?><Error><Code>AccessDenied</Code></Error>', "AccessDenied"),
        (b'{"error": "quota"}', "quota"),
    ],
)
def test_pages_and_messages_are_seen_in_every_format(tmp_path, format, content, message):
    path = tmp_path / "file"
    path.write_bytes(content)
    with pytest.raises(DataError, match=message):
        formats.check(path, format, "x")
