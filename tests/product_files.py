"""Tiny files of every product in its own layout, written without the package's writers.

On a globe of 45° cells, the four cells of 0-90° N, 0-90° E hold 1 and 2 (south row) and 3 and 5 (north row) times a
unit, plus an offset; their area-weighted mean is `MEAN`, worked out by hand: the south row covers sin 45° of the
quarter's area, so MEAN = 1.5 sin 45° + 4 (1 - sin 45°). All other cells hold other values.
"""

from __future__ import annotations

import gzip
from pathlib import Path

import netCDF4
import numpy as np
import pandas as pd
import rasterio
from pyhdf.SD import SD, SDC

MEAN = 1.5 * 0.7071067811865476 + 4 * (1 - 0.7071067811865476)
LAT = np.array([-67.5, -22.5, 22.5, 67.5])
EAST = np.arange(22.5, 360, 45)  # 0 to 360
WEST = np.arange(-157.5, 180, 45)  # -180 to 180


def pattern(unit=1.0, offset=0.0, east=False, descending=False) -> np.ndarray:
    """The map (lat, lon) of the module's docstring; elsewhere 7 units."""
    values = np.full((4, 8), 7.0)
    column = 0 if east else 4
    values[2:, column : column + 2] = [[1, 2], [3, 5]]
    values = values * unit + offset
    return values[::-1] if descending else values


def netcdf(path: Path, axes: dict, variables: dict, attrs: dict | None = None) -> Path:
    """A netCDF file.

    `axes`: name to (values, attributes), or a length for a dimension without values. `variables`: name to (dimensions,
    values, attributes); ``_FillValue`` and ``dtype`` among the attributes.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    with netCDF4.Dataset(path, "w") as file:
        for name, axis in axes.items():
            size = axis if isinstance(axis, int) else len(axis[0])
            file.createDimension(name, size)
        rows = {n: ((n,), *a) for n, a in axes.items() if not isinstance(a, int)} | variables
        for name, (dims, values, given) in rows.items():
            given = dict(given)
            fill, dtype = given.pop("_FillValue", None), given.pop("dtype", "f8")
            variable = file.createVariable(name, dtype, dims, fill_value=fill)
            variable.set_auto_maskandscale(False)
            variable[:] = values
            variable.setncatts(given)
        file.setncatts(attrs or {})
    return path


def lat(descending=False):
    return LAT[::-1] if descending else LAT, {"units": "degrees_north"}


def lon(east=False):
    return EAST if east else WEST, {"units": "degrees_east"}


def days(values, since="2003-01-01", calendar="standard"):
    return np.asarray(values, "f8"), {"units": f"days since {since}", "calendar": calendar}


def gpcp(folder: Path, number=2, change=lambda day, values: values) -> list[Path]:
    """`number` days from 2003-01-01; day n rains n times the pattern."""
    files = []
    for n in range(number):
        date = pd.Timestamp("2003-01-01") + pd.Timedelta(days=n)
        precip = change(n, pattern(n + 1.0, east=True))
        files.append(
            netcdf(
                folder / "gpcp" / f"gpcp_v01r03_daily_d{date:%Y%m%d}_c20170530.nc",
                {"time": days([n]), "latitude": lat(), "longitude": lon(True)},
                {"precip": (("time", "latitude", "longitude"), precip[None], {"units": "mm/day", "dtype": "f4"})},
            )
        )
    return files


def ceres(folder: Path) -> None:
    """Two days; net radiation 30 plus 10 times the pattern."""
    dims = ("time", "lat", "lon")
    parts = {"sw_down": pattern(10, 100, True), "sw_up": 20, "lw_down": 300, "lw_up": 350}
    variables = {
        f"adj_atmos_{name}_all_surface_daily": (
            dims,
            np.broadcast_to(v, (2, 4, 8)),
            {"units": "W m-2", "_FillValue": -999.0},
        )
        for name, v in parts.items()
    }
    path = folder / "ceres" / "CERES_SYN1deg-Day_Terra-Aqua-MODIS_Ed4.1_Subset_200301-200301.nc"
    netcdf(path, {"time": days([0.5, 1.5]), "lat": lat(), "lon": lon(True)}, variables)


def crujra(folder: Path) -> None:
    """2004-02-28 (mean 271.5 plus pattern) and 2004-03-01 (mean 281.5 plus pattern), six-hourly, no 29 February, gzipped."""
    hours = np.array([58, 58.25, 58.5, 58.75, 59, 59.25, 59.5, 59.75])  # of a year of 365 days
    level = np.array([270.0, 271, 272, 273, 280, 281, 282, 283])
    values = level[:, None, None] + pattern()
    name = "crujra.v2.4.5d.tmp.2004.365d.noc.nc"
    tmp = (("time", "lat", "lon"), values, {"units": "K", "_FillValue": -999.0, "dtype": "f4"})
    path = netcdf(
        folder / name, {"time": days(hours, "2004-01-01", "noleap"), "lat": lat(), "lon": lon()}, {"tmp": tmp}
    )
    (folder / "crujra").mkdir(exist_ok=True)
    with gzip.open(folder / "crujra" / f"{name}.gz", "wb") as packed:
        packed.write(path.read_bytes())


def era5(folder: Path) -> None:
    """One day, hourly, packed as 16-bit integers: 300 K and a dew point of 290 K; grid points from pole to pole."""
    axes = {
        "valid_time": (np.arange(24), {"units": "hours since 2003-01-01", "calendar": "proleptic_gregorian"}),
        "latitude": (np.arange(90, -91, -45.0), {"units": "degrees_north"}),
        "longitude": (np.arange(0, 360, 45.0), {"units": "degrees_east"}),
    }
    dims, shape = tuple(axes), (24, 5, 8)
    packing = {"units": "K", "scale_factor": 0.01, "add_offset": 273.15, "_FillValue": -32767, "dtype": "i2"}
    variables = {"t2m": (dims, np.full(shape, 2685), packing), "d2m": (dims, np.full(shape, 1685), packing)}
    netcdf(folder / "era5" / "era5_200301.nc", axes, variables)


def cams_co2(folder: Path) -> None:
    """One day, three-hourly, two levels; at 1000 hPa 6.08e-4 kg kg-1, above 5e-4."""
    axes = {
        "valid_time": (np.arange(0, 24, 3) * 3600, {"units": "seconds since 2003-01-01"}),
        "pressure_level": (np.array([1000.0, 900.0]), {"units": "hPa"}),
        "latitude": (np.arange(90, -91, -45.0), {"units": "degrees_north"}),
        "longitude": (np.arange(0, 360, 45.0), {"units": "degrees_east"}),
    }
    values = np.full((8, 2, 5, 8), 6.08e-4)
    values[:, 1] = 5e-4
    co2 = {"co2": (tuple(axes), values, {"units": "kg kg**-1"})}
    netcdf(folder / "cams_co2" / "cams_co2_2003.nc", axes, co2)


def grace(folder: Path) -> None:
    """January 2003: 2 cm times the pattern; February missing; March twice: 1 and 3 cm; in April one cell is missing."""
    middle = [380.5, 425.0, 452.0, 470.5]  # days since 2002-01-01: 16 January, 1 March, 28 March, 16 April
    values = np.stack([pattern(2, 0, True), *(np.full((4, 8), v) for v in (1.0, 3.0, 4.0))])
    values[3, 2, 0] = -99999
    land = np.ones((4, 8))
    land[0, 0] = 0
    lwe = (("time", "lat", "lon"), values, {"units": "cm", "_FillValue": -99999.0})
    axes = {"time": (np.array(middle), {"units": "days since 2002-01-01T00:00:00Z"}), "lat": lat(), "lon": lon(True)}
    netcdf(
        folder / "grace" / "GRCTellus.JPL.200204_201706.GLO.RL06M.MSCNv01CRI.nc",
        axes,
        {"lwe_thickness": lwe, "land_mask": (("lat", "lon"), land, {})},
    )


def modis_fapar(folder: Path) -> None:
    """Composites of January 2003: 20, 20, 20 and (from the 25th) 90 %; one cell of the first is water."""
    values = np.full((4, 4, 8), 20, "u1")
    values[3] = 90
    values[0, :, 0] = 254
    dims = ("time", "lat", "lon")
    row = {
        "units": "m^2/m^2",
        "scale_factor": 0.01,
        "add_offset": 0.0,
        "valid_min": 0,
        "valid_max": 100,
        "_FillValue": 255,
        "dtype": "u1",
    }
    quality = np.zeros((4, 4, 8), "u1")
    axes = {"time": days([0, 8, 16, 24]), "lat": lat(True), "lon": lon()}
    variables = {"Fpar_500m": (dims, values, row), "FparLai_QC": (dims, quality, {"dtype": "u1"})}
    netcdf(folder / "modis_fapar" / "MOD15A2H.061_500m_aid0001.nc", axes, variables)


def modis_tile(
    folder: Path, day: int, horizontal: int, vertical: int, values: np.ndarray, produced=2020061162134, scale=0.01
):
    """A tile of MOD15A2H of a day of 2003, as the archive has it: HDF4, sinusoidal, `values` (row, column) of bytes."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"MOD15A2H.A2003{day:03d}.h{horizontal:02d}v{vertical:02d}.061.{produced}.hdf"
    side = 1111950.519667  # m, of a tile
    west, north = (horizontal - 18) * side, (9 - vertical) * side
    file = SD(str(path), SDC.WRITE | SDC.CREATE | SDC.TRUNC)
    file.attr("StructMetadata.0").set(
        SDC.CHAR,
        f'GROUP=GridStructure\n\tGROUP=GRID_1\n\t\tGridName="MOD_Grid_MOD15A2H"\n\t\tXDim={values.shape[1]}\n'
        f"\t\tYDim={values.shape[0]}\n\t\tUpperLeftPointMtrs=({west:.6f},{north:.6f})\n"
        f"\t\tLowerRightMtrs=({west + side:.6f},{north - side:.6f})\n\t\tProjection=GCTP_SNSOID\n"
        "\t\tProjParams=(6371007.181000,0,0,0,0,0,0,0,0,0,0,0,0)\n\t\tSphereCode=-1\n",
    )
    for name, content in {"Fpar_500m": values, "Lai_500m": values, "FparLai_QC": np.zeros_like(values)}.items():
        data = file.create(name, SDC.UINT8, values.shape)
        data.setcompress(SDC.COMP_DEFLATE, 1)
        data[:] = content
        data.setfillvalue(255)
        data.attr("scale_factor").set(SDC.FLOAT64, scale)
        data.attr("valid_range").set(SDC.UINT8, [0, 100])
        data.endaccess()
    file.end()
    return path


def globsnow(folder: Path) -> None:
    """January 2003 within 1000 km of the pole: 40 mm in the quarter of 0-90° E, 80 mm else; one cell is a mountain."""
    at = (np.arange(80) - 39.5) * 25067.525
    x, y = np.meshgrid(at, -at)
    values = np.where((x > 0) & (y < 0), 40.0, 80.0)
    values[0, 0] = -1
    axes = {"y": (-at, {"units": "m"}), "x": (at, {"units": "m"})}
    name = "200301_northern_hemisphere_monthly_biascorrected_swe_0.25grid.nc"
    netcdf(folder / "globsnow" / name, axes, {"swe": (("y", "x"), values, {"units": "mm", "dtype": "f4"})})


def fluxcom(folder: Path) -> None:
    """January 2003: GPP 1, NEE -0.5 gC m-2 d-1 and ET 0.1 mm h-1 times the pattern."""
    for name, unit, amount in (("GPP", "gC m-2 d-1", 1.0), ("NEE", "gC m-2 d-1", -0.5), ("ET", "mm hr-1", 0.1)):
        axes = {"time": days([14, 45]), "lat": lat(True), "lon": lon()}
        values = np.stack([pattern(amount, descending=True)] * 2)
        variable = (("time", "lat", "lon"), values, {"units": unit, "_FillValue": -9999.0, "dtype": "f4"})
        netcdf(folder / "fluxcom" / f"{name}_2003_050_monthly.nc", axes, {name: variable})


def grun(folder: Path) -> None:
    """January 2003: 0.5 mm/day times the pattern."""
    axes = {"time": days([36890], "1902-01-01"), "Y": lat(), "X": lon()}
    variable = (("time", "Y", "X"), pattern(0.5)[None], {"units": "mm/day", "_FillValue": -9999.0})
    netcdf(folder / "grun" / "GRUN_v1_GSWP3_WGS84_05_1902_2014.nc", axes, {"Runoff": variable})


def gfed(folder: Path) -> None:
    """January 2015: 31 g m-2 month-1 (1 a day) everywhere; February: 56 (2 a day)."""
    path = folder / "gfed" / "GFED4.1s_2015.hdf5"
    path.parent.mkdir(parents=True, exist_ok=True)
    rows, columns = np.meshgrid(LAT[::-1], WEST, indexing="ij")
    with netCDF4.Dataset(path, "w") as file:
        file.createDimension("y", 4)
        file.createDimension("x", 8)
        for name, values in (("lat", rows), ("lon", columns)):
            file.createVariable(name, "f4", ("y", "x"))[:] = values
        for month, amount in (("01", 31), ("02", 56)):
            variable = file.createVariable(f"emissions/{month}/C", "f4", ("y", "x"))
            variable.units = "g C m-2 month-1"
            variable[:] = amount


def oco2_mip(folder: Path) -> None:
    """January 2015: members 365.25, 730.5 and 3652.5 gC m-2 year-1 (1, 2 and 10 a day); the mean file is not read."""
    for member, amount in (("AMES", 365.25), ("CAMS", 730.5), ("CSU", 3652.5), ("EnsMean", 1e6), ("EnsStd", 1e6)):
        axes = {"time": 1, "six": 6, "latitude": lat(), "longitude": lon()}
        variables = {
            "land": (("time", "latitude", "longitude"), np.full((1, 4, 8), amount), {"units": "gC m-2 year-1"}),
            "start_date": (("time", "six"), [[2015, 1, 1, 0, 0, 0]], {"dtype": "i4"}),
        }
        netcdf(folder / "oco2_mip" / f"{member}_gridded_fluxes_LNLGIS.nc4", axes, variables)


def carboscope(folder: Path) -> None:
    """Daily, January 2015: 3 gC m-2 day-1 in the first ten days, else 1, as PgC/yr in cells of 1e13 m2."""
    flux = np.where(np.arange(31) < 10, 3.0, 1.0) * 365.25 * 1e13 / 1e15
    variables = {
        "co2flux_land": (("mtime", "lat", "lon"), flux[:, None, None] * np.ones((4, 8)), {"units": "PgC/yr"}),
        "dxyp": (("lat", "lon"), np.full((4, 8), 1e13), {"units": "m2"}),
    }
    seconds = (np.arange(31) * 86400 + 43200, {"units": "seconds since 2015-01-01 00:00:00"})
    name = "s10oc_v2022_daily.nc"
    path = netcdf(folder / name, {"mtime": seconds, "lat": lat(), "lon": lon()}, variables)
    (folder / "carboscope").mkdir(exist_ok=True)
    with gzip.open(folder / "carboscope" / f"{name}.gz", "wb") as packed:
        packed.write(path.read_bytes())


def trendy(folder: Path) -> None:
    """January 2003, gC m-2 day-1: model A 4 GPP, 2 NPP; B 4 and 1.2 (time in months); C 0.05 and 0.04; respiration of A: 2 and 1.5."""
    fluxes = {
        "A": {"gpp": 4.0, "npp": 2.0, "ra": 2.0, "rh": 1.5},
        "B": {"gpp": 4.0, "npp": 1.2},
        "C": {"gpp": 0.05, "npp": 0.04},
    }
    times = {
        "A": days([110610.0], "1700-01-01", "noleap"),  # 15 January 2003 of a calendar without leap years
        "B": (np.array([3636.5]), {"units": "months since 1700-01-01"}),
        "C": (np.array([15.0]), {"units": "days since 2003-01-01", "calendar": "360_day"}),
    }
    for model, variables in fluxes.items():
        for name, amount in variables.items():
            row = {"units": "kg m-2 s-1", "_FillValue": -99999.0}
            values = np.full((1, 4, 8), amount / 86400 / 1000)
            names = ("time", "lat", "lon") if model == "A" else ("time", "latitude", "longitude")
            axes = dict(zip(names, (times[model], lat(), lon(model == "B"))))
            netcdf(folder / "trendy" / f"{model}_S3_{name}.nc", axes, {name: (names, values, row)})


def geotiff(
    path: Path, values: np.ndarray, west: float, north: float, width: float, missing=None, crs="EPSG:4326"
) -> None:
    """A GeoTIFF of `values` (row from the north, column)."""
    path.parent.mkdir(parents=True, exist_ok=True)
    size = {"height": values.shape[0], "width": values.shape[1], "count": 1, "dtype": values.dtype}
    place = rasterio.Affine(width, 0.0, west, 0.0, -width, north)
    with rasterio.open(
        path, "w", driver="GTiff", transform=place, crs=crs, nodata=missing, compress="lzw", **size
    ) as file:
        file.write(values, 1)


def soilgrids(folder: Path) -> None:
    """Every property: mapped value 100 from 0 to 5 cm, 200 to 15 cm, 400 to 30 cm, so (500 + 2000 + 6000) / 30 = 283.33."""
    layers = {"_0-5cm_mean": 100, "_5-15cm_mean": 200, "_15-30cm_mean": 400}
    for name in ("sand", "silt", "clay", "bdod", "cfvo", "phh2o", "soc", "ocd", "nitrogen", "cec"):
        for layer, value in layers.items():
            values = np.full((4, 8), value, "i4")
            values[0, 0] = -32768
            geotiff(folder / "soilgrids" / f"{name}{layer}.tif", values, -180, 90, 45, -32768)
    geotiff(folder / "soilgrids" / "ocs_0-30cm_mean.tif", np.full((4, 8), 55, "i4"), -180, 90, 45, -32768)
    for name in ("AWCh1", "AWCtS"):
        for level, value in (("sl1", 10), ("sl2", 20), ("sl3", 40), ("sl4", 40)):  # at 0, 5, 15 and 30 cm
            geotiff(
                folder / "soilgrids" / f"{name}_M_{level}_1km_ll.tif", np.full((4, 8), value, "u1"), -180, 90, 45, 255
            )
    geotiff(folder / "soilgrids" / "BDTICM_M_1km_ll.tif", np.full((4, 8), 350, "i4"), -180, 90, 45, -99999)


def globeland30(folder: Path) -> None:
    """Two tiles of 90°, 2 x 2 pixels: the quarter of 0-90° N, 0-90° E is forest, forest, grassland (south row) and outside."""
    geotiff(folder / "globeland30" / "n00_00.tif", np.array([[30, 255], [20, 20]], "u1"), 0, 90, 45, 255)
    geotiff(folder / "globeland30" / "n00_90.tif", np.array([[90, 90], [90, 90]], "u1"), 90, 90, 45, 255)


def gtopo30(folder: Path) -> None:
    """2 x 4 pixels of 45°: in the quarter of 0-90° E 100, 300 (north) and 100, sea (south)."""
    path = folder / "gtopo30" / "E000N90.DEM"
    path.parent.mkdir(parents=True, exist_ok=True)
    np.array([[100, 300, 5, 5], [100, -9999, 5, 5]], ">i2").tofile(path)
    path.with_suffix(".HDR").write_text(
        "BYTEORDER      M\nLAYOUT       BIL\nNROWS         2\nNCOLS         4\nNBANDS        1\nNBITS         16\n"
        "BANDROWBYTES         8\nTOTALROWBYTES        8\nBANDGAPBYTES         0\nNODATA        -9999\n"
        "ULXMAP        22.5\nULYMAP        67.5\nXDIM          45.0\nYDIM          45.0\n"
    )


def tootchi(folder: Path) -> None:
    """One tile of 0-90° N, 0-90° E: lake, flooded (north), groundwater, none (south)."""
    geotiff(folder / "tootchi" / "CW_TCI.tif", np.array([[4, 2], [1, 0]], "u1"), 0, 90, 45)
