"""NetCDF files: errors that name the file and the variable, and a digest by which damage shows.

Every netCDF file that is written here is sealed: behind its end, where HDF5 does not look, stands the SHA-256 of all bytes
before. It is checked before the library opens the file, as HDF5 may read on forever in one that is damaged. The bytes are
read one after the other, and then lie in the memory of the system, from where the library takes them.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import lru_cache
from pathlib import Path
from typing import BinaryIO

import netCDF4
import xarray as xr
from xarray.backends import NetCDF4DataStore
from xarray.backends.netCDF4_ import NetCDF4ArrayWrapper
from xarray.core.indexing import LazilyIndexedArray

from h2cm.files import DataError, whole

MARK = b"\n# h2cm sha256 "
"""What stands before the digest, behind the end of a file."""

PIECE = 2**24
"""Bytes that are hashed at once."""

DAMAGE = (OSError, RuntimeError, ValueError, KeyError, IndexError, AttributeError, TypeError, OverflowError)
"""What netCDF4 and xarray raise for a damaged file."""

MEND = "it is damaged, or was changed by another program: delete it and start again, and it is made anew"


class _Values(NetCDF4ArrayWrapper):
    """The values of a variable, lazily; what cannot be read is an error that names the file and the variable."""

    __slots__ = ()

    def _getitem(self, key):
        try:
            return super()._getitem(key)
        except DAMAGE as error:
            where = f"{self.datastore.said}: {self.variable_name}"
            raise DataError(f"{where}: expected values that can be read, the file is damaged ({error})") from None


class _File(NetCDF4DataStore):
    """A file whose values are `_Values`."""

    said = ""

    def open_store_variable(self, name, var):
        made = super().open_store_variable(name, var)
        return xr.Variable(made.dims, LazilyIndexedArray(_Values(name, self)), made.attrs, made.encoding)


def open_named(path: str | Path, group: str | None = None, said: str | Path | None = None, **options) -> xr.Dataset:
    """Open a netCDF or HDF5 file lazily; close it when done.

    Parameters
    ----------
    path : path
    group : str, optional
    said : str or path, optional
        What messages call it, where that is not its path.
    **options
        Of ``xarray.open_dataset``.

    Raises
    ------
    DataError
        If it is no such file, or damaged; also when values are read that cannot be. The message names the file, and the
        variable.
    KeyError
        If it has no such group.
    """
    said = said or path
    try:
        file = _File.open(str(path), group=group)
    except OSError as error:
        if group is not None and "group not found" in str(error):
            raise KeyError(group) from None
        raise DataError(f"{said}: expected a netCDF file, which this is not, or it is damaged ({error})") from None
    except DAMAGE as error:
        raise DataError(f"{said}: expected a netCDF file, which this is not, or it is damaged ({error})") from None
    file.said = said
    try:
        return xr.open_dataset(file, **options)
    except DataError:
        file.close()
        raise
    except DAMAGE as error:
        file.close()
        raise DataError(f"{said}: expected a netCDF file, which this is not, or it is damaged ({error})") from None


def _digest(file: BinaryIO, size: int) -> bytes:
    """The SHA-256 of the first bytes of a file, as hexadecimal digits."""
    digest = hashlib.sha256()
    while size > 0 and (piece := file.read(min(size, PIECE))):
        digest.update(piece)
        size -= len(piece)
    return digest.hexdigest().encode()


def seal(path: str | Path) -> None:
    """Put the digest behind the end of a finished file."""
    with open(path, "r+b") as file:
        digest = _digest(file, Path(path).stat().st_size)
        file.write(MARK + digest)


@contextmanager
def written(path: str | Path) -> Iterator[Path]:
    """Write a file whole or not at all (`h2cm.files.whole`), and seal it."""
    with whole(path) as unfinished:
        yield unfinished
        seal(unfinished)


def verify(path: str | Path, own: bool = False) -> None:
    """Check that a file is as it was sealed; once in a process.

    `own`: a file that is not sealed, of another program, is taken too.

    Raises
    ------
    DataError
        If it is absent, damaged or not sealed; it says what to do.
    """
    if not Path(path).is_file():
        raise DataError(f"{path}: expected a file of this run, there is none")
    state = Path(path).stat()
    _verify(str(path), own, state.st_ino, state.st_size, state.st_mtime_ns)


@lru_cache(4096)
def _verify(path: str, own: bool, _inode: int, size: int, _changed: int) -> None:
    end = len(MARK) + hashlib.sha256().digest_size * 2
    with open(path, "rb") as file:
        file.seek(max(size - end, 0))
        tail = file.read()
        file.seek(0)
        if own and not tail.startswith(MARK):
            return
        if not tail.startswith(MARK) or _digest(file, size - end) != tail.removeprefix(MARK):
            raise DataError(
                f"{path}: expected the file as it was written, it is damaged, or was changed by another program: delete it and "
                "start again, and it is made anew"
            )


@contextmanager
def opened(path: str | Path) -> Iterator[netCDF4.Dataset]:
    """A sealed file, checked and opened; errors are those of `verify`."""
    verify(path)
    with netCDF4.Dataset(path) as file:
        yield file


def names(path: str | Path) -> list[str]:
    """The variables of a sealed file; errors are those of `verify`."""
    with opened(path) as file:
        return list(file.variables)


def load(path: str | Path, names: Sequence[str] | None = None, own: bool = False) -> xr.Dataset:
    """A sealed file, or some of its variables with their coordinates, checked, in memory.

    `own`: a file that is not sealed, of another program, is taken too.

    Raises
    ------
    DataError
        If the file is absent, not sealed or damaged, or a variable is not there; it says what to do.
    """
    verify(path, own)
    with open_named(path) as data:
        lacking = [name for name in names or () if name not in data.variables]
        if lacking:
            raise DataError(
                f"{path}: expected the variable {lacking[0]}, the file has {', '.join(map(str, data.variables))}"
            )
        return (data if names is None else data[list(names)]).load()
