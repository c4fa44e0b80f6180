"""Retrieve the products of the catalogue into a folder, each part (a year, or the whole) on its own.

The files come to ``<folder>/<product>/``. A list of them, with sizes and SHA-256 sums, is kept in
``<folder>/.retrieved/<product>_<part>.csv`` and written last: where it is and the files agree with it, nothing is
requested again.
"""

from __future__ import annotations

import logging
import os
import shutil
import stat
import zipfile
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path, PurePosixPath

import pandas as pd
import pooch

from h2cm.config import Config
from h2cm.sources.catalogue import WHOLE, Product, needed, product
from h2cm.sources.retrieve import formats
from h2cm.sources.retrieve.archives import ARCHIVES, LOGIN
from h2cm.sources.retrieve.transfer import PER_HOST, Refused, Remote, fetch, partial_folder
from h2cm.store import DataError, save_csv

LOG = logging.getLogger(__name__)

MOST = 1000
"""How often its size a zip may grow at most; data shrink to a hundredth where they are nearly all zeros."""


def parts(config: Config, variable: str | None = None) -> list[tuple[str, str]]:
    """All (product, part) that a run needs; known without any request.

    Parameters
    ----------
    config : Config
        A product with files for each year has one part a year of the period, as far as the archive covers it.
    variable : str, optional
        A variable of the store, or a product: only the parts behind it.
    """
    first, last = config.period.start.year, config.period.end.year
    wanted = []
    for name in needed(config):
        if variable is None or variable == name or variable in product(name).feeds:
            own = config.products.local.get(name)
            if own is None:
                chosen = product(name).parts(first, last)
            else:
                chosen = [str(y) for y in range(first, last + 1)] if "{year}" in own["pattern"] else [WHOLE]
            wanted += [(name, part) for part in chosen]
    return wanted


def retrieve(name: str, part: str, folder: Path, own: dict[str, str] | None = None, **options) -> pd.DataFrame:
    """Bring one part of a product into a folder.

    Parameters
    ----------
    name : str
        Id in the catalogue.
    part : str
        A year, or `h2cm.sources.catalogue.WHOLE`.
    folder : Path
        The folder of all products.
    own : dict, optional
        ``folder`` and ``pattern`` of the user's own files, taken instead of the archive's.
    **options
        Of `transfer.Transfer`.

    Returns
    -------
    DataFrame
        The files: ``file`` (below `folder`, or where the user keeps it), ``bytes``, ``sha256``, ``address``.

    Raises
    ------
    DataError
        A file could not be had, or must be fetched by hand and is not there.
    """
    row, folder = product(name), Path(folder)
    record = folder / ".retrieved" / f"{name}_{part}.csv"
    if own is None and record.exists():
        known = pd.read_csv(record)
        if _agree(known, folder):
            LOG.info("%s (%s): all %d files are there and unchanged", name, part, len(known))
            return known
    if own is not None or row.access == "by hand":
        addresses = {path: "by hand" for path in local_files(name, part, folder, own)}
    else:
        addresses = _download(name, row, part, folder / name, options)
    files = pd.DataFrame(
        {
            "file": os.path.relpath(path, folder),
            "bytes": path.stat().st_size,
            "sha256": pooch.file_hash(str(path)),
            "address": address,
        }
        for path, address in sorted(addresses.items())
    )
    save_csv(files, record)
    return files


def _agree(known: pd.DataFrame, folder: Path) -> bool:
    """Whether all files of a list are there, with the sizes and sums of the list."""
    for row in known.itertuples():
        path = folder / row.file
        if not path.is_file() or path.stat().st_size != row.bytes or pooch.file_hash(str(path)) != row.sha256:
            LOG.warning("%s is not there, or has changed since it was retrieved", path)
            return False
    return True


def local_files(name: str, part: str, folder: Path, own: dict[str, str] | None = None) -> list[Path]:
    """The files of a part that a person has put there, checked.

    Raises
    ------
    DataError
        There is none; the message says how to get them.
    """
    row = product(name)
    where = Path(own["folder"]).expanduser() if own else folder / name
    patterns = [own["pattern"].replace("{year}", part)] if own else row.patterns(part)
    matches = [m for pattern in patterns for m in where.rglob(pattern)] if where.is_dir() else []
    found = sorted({f for m in matches for f in (m.rglob("*") if m.is_dir() else [m]) if f.is_file()})
    if not found:
        advice = f"correct products.local.{name} in the configuration" if own else by_hand(name, row, where)
        raise DataError(f"{name} ({part}): no file {' or '.join(patterns)} in {where}: {advice}")
    for path in found if row.format != "zarr" else []:
        formats.check(path, formats.of(path.name, row.format), str(path))
    return found


def by_hand(name: str, row: Product, folder: Path) -> str:
    """What a person does to get a product that no program may fetch."""
    return (
        f"{row.name} is fetched by hand. {row.instructions} Page: {' '.join(row.address)}. Put the files ({' or '.join(row.files)}) "
        f"into {folder}, or name a folder and a pattern of your own under products.local.{name} in the configuration."
    )


def _download(name: str, row: Product, part: str, folder: Path, options: dict) -> dict[Path, str]:
    """The files of a part by path, with the addresses they came from."""
    folder.mkdir(parents=True, exist_ok=True)
    there = {path.name for path in folder.iterdir() if path.is_file()}
    jobs: list[tuple[str, Future]] = []
    remotes = ARCHIVES[row.access](row, part, there)
    if isinstance(remotes, list):
        _require_space(f"{name} ({part})", folder, [r.size or 0 for r in remotes if r.name not in there])
    with ThreadPoolExecutor(PER_HOST) as pool:
        try:
            for remote in remotes:  # an archive may take long for each: fetch what it has named
                known = replace(remote, checksum=remote.checksum or row.checksums.get(remote.name))
                jobs.append((remote.address or row.address[0], pool.submit(_one, row, known, folder, options)))
            got = {path: address for address, job in jobs for path in job.result()}
        except BaseException:
            pool.shutdown(cancel_futures=True)
            raise
    if not got:
        raise DataError(f"{name} ({part}): {row.access} {' '.join(row.address)}: there is no file {row.pattern(part)}")
    LOG.info("%s (%s): %d files, %d of them were there", name, part, len(jobs), len(there & {p.name for p in got}))
    return got


def _require_space(what: str, folder: Path, sizes: list[int]) -> None:
    """Refuse early what the disk cannot hold, as far as the archive gives sizes."""
    needed, free = sum(sizes), shutil.disk_usage(folder).free
    if needed > free:
        raise DataError(
            f"{what}: {needed / 1e9:.1f} GB to be written into {folder}, which has {free / 1e9:.1f} GB left"
        )


def _one(row: Product, remote: Remote, folder: Path, options: dict) -> list[Path]:
    """Fetch one file; of an archive, also what is in it."""
    format = formats.of(remote.name, row.format)
    if not remote.address:  # made to order and fetched before
        formats.check(folder / remote.name, format, remote.name)
        return [folder / remote.name]
    try:
        path = fetch(remote, folder, format, **options)
    except Refused as error:
        raise DataError(f"{error}. {LOGIN[row.access]}") from None
    return [path, *unpack(path)] if format == "zip" and row.format != "zip" else [path]


def unpack(path: Path) -> list[Path]:
    """The files of a zip archive, unpacked into the folder of its name whole or not at all.

    Raises
    ------
    DataError
        For a member that is a link or lies outside the folder, and for more than the disk can hold or than a zip of honest
        data has; nothing is written then.
    """
    target = path.with_suffix("")
    if not target.exists():
        unfinished = partial_folder(path.parent) / target.name
        shutil.rmtree(unfinished, ignore_errors=True)
        with zipfile.ZipFile(path) as archive:
            _check_members(path, archive.infolist())
            archive.extractall(unfinished)
        os.replace(unfinished, target)
    return sorted(p for p in target.rglob("*") if p.is_file())


def _check_members(path: Path, members: list[zipfile.ZipInfo]) -> None:
    """Refuse an archive that would write elsewhere, or fill the disk."""
    for member in members:
        name = PurePosixPath(member.filename.replace("\\", "/"))
        if name.is_absolute() or ".." in name.parts or ":" in "".join(name.parts[:1]):
            raise DataError(
                f"{path}: expected members within the archive, found {member.filename!r}: nothing is unpacked"
            )
        if stat.S_ISLNK(member.external_attr >> 16):
            raise DataError(f"{path}: expected files, found the link {member.filename!r}: nothing is unpacked")
    size, packed = sum(member.file_size for member in members), path.stat().st_size
    if size > MOST * packed:
        raise DataError(f"{path}: expected at most {MOST} times its {packed} bytes, found {size}: nothing is unpacked")
    _require_space(f"{path}", path.parent, [size])
