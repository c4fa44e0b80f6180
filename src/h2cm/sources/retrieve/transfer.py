"""One file over HTTP: resumed, retried with back-off, checked, and in place whole or not at all.

The transfer itself is curl's: of the well-kept clients it is the one that continues a partial file safely (it refuses
when the server does not answer with the missing range) and takes passwords from ``~/.netrc`` only for the host they
belong to. pooch moves the file into place and checks the hash. What was received of an interrupted file waits in the
folder ``.partial`` beside that of the product, and is used by the next attempt.
"""

from __future__ import annotations

import fcntl
import logging
import os
import random
import shutil
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from urllib.parse import urlsplit

import pooch
from filelock import FileLock, Timeout
from tqdm import tqdm

from h2cm.sources.retrieve import formats
from h2cm.store import DataError

LOG = logging.getLogger(__name__)
pooch.get_logger().setLevel("WARNING")  # we log sizes, rates and sums ourselves

PER_HOST = 4
"""Transfers at once from one host, by all jobs that share a folder of products."""

TRANSIENT = {408, 425, 429, 500, 502, 503, 504}
"""HTTP answers after which waiting helps."""

NETWORK = {5, 6, 7, 16, 18, 28, 35, 52, 55, 56, 92}
"""curl's exit codes of a network that failed: name, connection, partial file, stall, TLS, empty answer, HTTP/2."""

CANNOT_RESUME = {33, 36}
"""curl's exit codes of a server that did not answer with the missing range."""


class Refused(DataError):
    """The archive refused a file for want of a login or a permission."""


@dataclass(frozen=True)
class Remote:
    """A file of an archive.

    Attributes
    ----------
    name : str
        What it is called in our folder.
    address : str
    size : int, optional
        In bytes, where the archive gives it.
    checksum : str, optional
        ``algorithm:digest``.
    headers : tuple of str
        Sent with the request (a session's cookie); never logged.
    """

    name: str
    address: str
    size: int | None = None
    checksum: str | None = None
    headers: tuple[str, ...] = ()

    def __post_init__(self):
        """Reduce the name, which the archive gives, to its last part; refuse an address that holds a login.

        Raises
        ------
        DataError
            If nothing is left that can be a file's name, or the address holds a login.
        """
        name = PurePosixPath(self.name.replace("\\", "/")).name
        if not name.strip(". ") or any(ord(letter) < 32 for letter in name):
            raise DataError(f"{_host(self.address)}: expected the name of a file, found {self.name!r}")
        if "@" in urlsplit(self.address).netloc:
            raise DataError(
                f"{name}: expected an address without a login, that of {_host(self.address)} has one: it would be kept in lists "
                "and logs. Put the login into ~/.netrc"
            )
        object.__setattr__(self, "name", name)


@dataclass
class Transfer:
    """A pooch downloader that resumes and retries.

    Attributes
    ----------
    remote : Remote
    format : str
        What the file must be; see `formats.check`.
    partial : Path
        Folder for what was received so far.
    attempts : int
        In a row without a new byte, before giving up.
    wait : float
        Seconds before the second attempt; doubled (and blurred) each time, at most a minute.
    stall : int
        Seconds without a byte after which the connection is given up.
    """

    remote: Remote
    format: str
    partial: Path
    attempts: int = 6
    wait: float = 2.0
    stall: int = 60

    def __call__(self, url: str, output_file: str, pooch: object) -> None:
        """Bring `url` to `output_file`.

        Raises
        ------
        Refused
            401, 403 or 407.
        DataError
            Any other reason why there is no whole, sound file.
        """
        if shutil.which("curl") is None:
            raise DataError("curl is needed to download data, and is not installed")
        self.partial.mkdir(parents=True, exist_ok=True)
        unfinished = self.partial / self.remote.name
        with open(unfinished.with_name(unfinished.name + ".lock"), "w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)  # two writers would spoil the file; not FileLock, as curl must hold it too
            self._receive(url, unfinished, lock.fileno())
            try:
                size = _size(unfinished)
                if self.remote.size is not None and size != self.remote.size:
                    raise DataError(f"{self.remote.name}: expected {self.remote.size} bytes, got {size}")
                formats.check(unfinished, self.format, f"{self.remote.name} from {_host(url)}")
                os.replace(unfinished, output_file)
            finally:
                self._discard(unfinished)

    def _receive(self, url: str, unfinished: Path, lock: int) -> None:
        """Bring all bytes of `url` to `unfinished`, in as many attempts as it takes."""
        failures = 0
        while True:
            before = _size(unfinished)
            code, status, retry_after, message = self._curl(url, unfinished, lock)
            if code == 0:
                return
            if status in (401, 403, 407):
                raise Refused(
                    f"{self.remote.name}: {_host(url)} refused it (HTTP {status}): a login is missing or wrong"
                )
            if code in CANNOT_RESUME or status == 416:
                LOG.info("%s: cannot be resumed, starting again", self.remote.name)
                self._discard(unfinished)
            elif status not in TRANSIENT and code not in NETWORK:
                raise DataError(f"{self.remote.name}: {_host(url)}: {message}")
            failures = failures + 1 if _size(unfinished) <= before else 1
            if failures >= self.attempts:
                raise DataError(
                    f"{self.remote.name}: {_host(url)}: {message}; gave up after {failures} attempts. "
                    f"{_size(unfinished)} bytes are kept: the next run goes on from there"
                )
            pause = max(retry_after, min(self.wait * 2 ** (failures - 1), 60) * random.uniform(0.75, 1.25))
            LOG.warning("%s: %s; again in %.0f s", self.remote.name, message, pause)
            time.sleep(pause)

    def _discard(self, unfinished: Path) -> None:
        for ending in ("", ".etag", ".answered"):
            unfinished.with_name(unfinished.name + ending).unlink(missing_ok=True)

    def _curl(self, url: str, unfinished: Path, lock: int) -> tuple[int, int, float, str]:
        """One attempt: curl's exit code, the HTTP status, the pause the server asks for (s) and what happened.

        curl holds `lock` too, so that it is kept while a curl lives on whose parent was killed.
        """
        etag, answered = (
            unfinished.with_name(unfinished.name + ".etag"),
            unfinished.with_name(unfinished.name + ".answered"),
        )
        before = _size(unfinished)
        options = [
            ("url", url),
            ("output", str(unfinished)),
            ("continue-at", "-"),
            ("etag-save", str(answered)),
            ("connect-timeout", "30"),
            ("speed-limit", "1"),
            ("speed-time", str(self.stall)),
            ("max-redirs", "10"),
            ("proto", "=http,https"),
            ("cookie", ""),  # an empty jar in memory: logins set cookies on their way through redirects
            ("user-agent", "h2cm (https; resumes; at most 4 at once)"),
            ("write-out", "%{http_code}\t%header{retry-after}\t%header{content-range}\t%{errormsg}"),
            *(("header", header) for header in self.remote.headers),
        ]
        known = etag.read_text().strip() if etag.exists() and before else ""
        if known and not known.startswith("W/"):
            options.append(("header", f"If-Range: {known}"))  # a file that changed in between comes whole
        flags = ["fail", "location", "silent", "show-error", "netrc-optional"]
        text = "\n".join([*flags, *(f"{key} = {_quoted(value)}" for key, value in options)])
        # The options go through standard input: headers may hold a session's cookie, and others see the command line.
        process = subprocess.Popen(
            ["curl", "--disable", "--config", "-"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            pass_fds=(lock,),
        )
        try:
            process.stdin.write(text)
            process.stdin.close()
            self._show(process, unfinished)
        finally:
            if process.poll() is None:
                process.terminate()
            if answered.exists():  # the tag belongs to what was received, not to a later error
                answered.replace(etag) if not before and _size(unfinished) else answered.unlink()
        with process.stdout, process.stderr:
            answer, complaint = process.stdout.read(), process.stderr.read()
        status, retry_after, extent, message = [*answer.split("\t"), "", "", ""][:4]
        if status == "416" and extent == f"bytes */{before}":
            return 0, 416, 0.0, "complete already"
        error = message.strip() or complaint.strip() or f"curl ended with code {process.returncode}"
        pause = float(retry_after) if retry_after.isdigit() else 0.0
        return process.returncode, int(status or 0), min(pause, 600.0), error

    def _show(self, process: subprocess.Popen, unfinished: Path) -> None:
        """Show bytes and rate while curl runs."""
        bar = tqdm(
            total=self.remote.size,
            initial=_size(unfinished),
            desc=self.remote.name,
            unit="B",
            unit_scale=True,
            unit_divisor=1024,
            mininterval=1.0 if os.isatty(2) else 30.0,
            delay=1.0,
            leave=False,
        )
        with bar:
            pause = 0.02  # most files of some archives are small
            while process.poll() is None:
                time.sleep(pause)
                pause = min(pause * 1.5, 0.5)
                bar.update(max(_size(unfinished) - bar.n, 0))


def fetch(remote: Remote, folder: Path, format: str, **options) -> Path:
    """The file of an archive in `folder`; nothing is requested if it is there and sound.

    Parameters
    ----------
    remote : Remote
    folder : Path
    format : str
        See `formats.check`.
    **options
        Of `Transfer`.

    Raises
    ------
    DataError
        No whole and sound file could be had; nothing is left under its name.
    """
    folder.mkdir(parents=True, exist_ok=True)
    target = folder / remote.name
    if target.exists():
        if sound(target, remote, format):
            return target
        LOG.warning("%s is there, but is not what the archive has: fetched again", target)
        target.unlink()
    partial = partial_folder(folder)
    transfer = Transfer(remote, format, partial, **options)
    started = time.monotonic()
    with slot(partial.parent, _host(remote.address)):
        try:
            whole = pooch.retrieve(
                remote.address, remote.checksum, remote.name + ".whole", partial, downloader=transfer
            )
        except ValueError as error:
            if isinstance(error, DataError):
                raise
            raise DataError(f"{remote.name}: wrong checksum: {error}") from None
        os.replace(whole, target)
    size, seconds = target.stat().st_size, max(time.monotonic() - started, 1e-3)
    LOG.info("%s: %.1f MB in %.0f s (%.2f MB/s)", remote.name, size / 1e6, seconds, size / 1e6 / seconds)
    return target


def partial_folder(folder: Path) -> Path:
    """Where files of `folder` wait until they are whole: outside it, where no reader looks for files."""
    return folder.parent / ".partial" / folder.name


def sound(target: Path, remote: Remote, format: str) -> bool:
    """Whether a file that is there is the one the archive has, as far as can be told without a request."""
    try:
        formats.check(target, format, target.name)
    except DataError as error:
        LOG.warning("%s", error)
        return False
    if remote.size is not None and target.stat().st_size != remote.size:
        return False
    if remote.checksum is None:
        return True
    algorithm, digest = remote.checksum.split(":")
    return pooch.file_hash(str(target), alg=algorithm) == digest.lower()


@contextmanager
def slot(folder: Path, host: str) -> Iterator[None]:
    """Wait for one of the `PER_HOST` places of a host; jobs that share `folder` share the places."""
    folder.mkdir(parents=True, exist_ok=True)
    locks = [FileLock(folder / f".{host.replace(':', '_')}.{i}.lock") for i in range(PER_HOST)]
    while True:
        for lock in locks:
            try:
                lock.acquire(timeout=0)
            except Timeout:
                continue
            try:
                yield
            finally:
                lock.release()
            return
        time.sleep(0.2)


def _quoted(value: str) -> str:
    """A value in curl's configuration format."""
    return '"' + value.replace("\\", "\\\\").replace('"', '\\"') + '"'


def _size(path: Path) -> int:
    return path.stat().st_size if path.exists() else 0


def _host(url: str) -> str:
    return urlsplit(url).netloc.rpartition("@")[2]
