"""Time to regrid daily 0.25° data of the globe to 1°, beside the time to read it and CDO's ``remapcon``.

    python benchmarks/regrid.py [--days 30] [--folder FOLDER]

Writes a compressed file of random float32 fields, missing over a random quarter, reads it, regrids it by `h2cm.space.regrid`
and by CDO where that is installed, and prints the seconds and the largest difference.
"""

from __future__ import annotations

import argparse
import shutil
import subprocess
import tempfile
import time
from pathlib import Path

import numpy as np
import xarray as xr

from h2cm.space.grid import Grid
from h2cm.space.regrid import grid_of, pieces, regrid, target_of, weights


def make(path: Path, days: int) -> None:
    """Daily fields with the grid of ERA5: latitude from north to south, longitude from 0, points on the poles."""
    rng = np.random.default_rng(0)
    lat, lon = np.linspace(90, -90, 721), np.arange(1440) * 0.25
    missing = rng.random((721, 1440)) < 0.25
    values = np.where(missing, np.nan, rng.normal(280, 10, (days, 721, 1440))).astype("f4")
    axes = {
        "time": np.arange(days),
        "lat": ("lat", lat, {"units": "degrees_north"}),
        "lon": ("lon", lon, {"units": "degrees_east"}),
    }
    data = xr.Dataset({"t": (("time", "lat", "lon"), values)}, axes)
    data.to_netcdf(path, encoding={"t": {"zlib": True, "complevel": 1, "chunksizes": (1, 721, 1440)}})


def timed(function):
    start = time.perf_counter()
    result = function()
    return result, time.perf_counter() - start


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--days", type=int, default=30)
    parser.add_argument("--folder", type=Path)
    chosen = parser.parse_args()
    grid = Grid(1.0)
    with tempfile.TemporaryDirectory(dir=chosen.folder) as folder:
        path = Path(folder) / "daily.nc"
        make(path, chosen.days)
        print(f"{chosen.days} days of 721 x 1440 values, {path.stat().st_size / 1e6:.0f} MB; built-in engine")
        with xr.open_dataset(path) as data:
            lazy = data["t"].isel(lat=slice(None, None, -1))
            reading = regridding = 0.0
            _, weighing = timed(lambda: weights(grid_of(lazy), target_of(grid)))
            parts = []
            for part in pieces(lazy):
                values, seconds = timed(lambda part=part: lazy[part].load())
                reading += seconds
                result, seconds = timed(lambda values=values: regrid(values, grid))
                regridding += seconds
                parts.append(result.values)
        print(f"weights    {weighing:8.2f} s, once for a pair of grids")
        print(f"reading    {reading:8.2f} s")
        print(f"regridding {regridding:8.2f} s, {regridding / reading:.0%} of the reading")
        if shutil.which("cdo") is None:
            print("cdo remapcon: not installed")
            return
        description = Path(folder) / "grid"
        description.write_text(
            "gridtype = lonlat\nxsize = 360\nysize = 180\nxfirst = -179.5\nxinc = 1\nyfirst = -89.5\nyinc = 1\n"
        )
        out = Path(folder) / "cdo.nc"
        command = ["cdo", "-s", "-P", "1", "-b", "F64", f"remapcon,{description}", str(path), str(out)]
        _, seconds = timed(lambda: subprocess.run(command, check=True))
        with xr.open_dataset(out) as other:
            found, expected = np.concatenate(parts), other["t"].values
            differ = np.nanmax(np.abs(found - expected)[np.isfinite(found)])
        print(
            f"cdo        {seconds:8.2f} s for all (reading, weights, regridding, writing); largest difference {differ:.1e}"
        )


if __name__ == "__main__":
    main()
