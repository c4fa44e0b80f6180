"""The files of the data set as one Zarr store for each length of step."""

from __future__ import annotations

import os
import shutil
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path

import dask
import xarray as xr

from h2cm.netcdf import open_named, verify


def write_zarr(files: Sequence[str | Path], folder: Path) -> None:
    """Write all variables and years as one Zarr store, with the chunks and the precision of the files.

    Zarr format 2 with consolidated metadata, which old and new readers open. Memory is bounded by some chunks.

    Parameters
    ----------
    files : sequence of path
        Of one length of step, named as `h2cm.results.dataset.files.path_of` does.
    folder : Path
        The store; it appears whole or not at all.
    """
    by_variable = defaultdict(list)
    for file in sorted(map(Path, files)):
        by_variable[file.name.rsplit("_", 2)[0]].append(file)
    part = folder.with_name(folder.name + ".part")
    shutil.rmtree(part, ignore_errors=True)
    variables = []
    for paths in by_variable.values():
        for path in paths:
            verify(path)
        years = [open_named(path, chunks={}, decode_times=False, mask_and_scale=False) for path in paths]
        variables.append(
            xr.concat(years, "time", data_vars="minimal", coords="minimal", compat="override", join="override")
        )
    whole = xr.merge(variables, compat="override", join="exact", combine_attrs="override")
    for variable in whole.variables.values():
        chunks, variable.encoding = variable.encoding.get("chunksizes"), {}
        if "precision" in variable.attrs:
            variable.data = variable.data.rechunk(dict(enumerate(chunks)))
            variable.encoding = {"chunks": chunks}
        else:
            variable.load()  # coordinates and bounds: small
    with dask.config.set(scheduler="synchronous"):
        whole.to_zarr(part, mode="w", zarr_format=2, consolidated=True)
    for variable in variables:
        variable.close()
    shutil.rmtree(folder, ignore_errors=True)
    os.replace(part, folder)
