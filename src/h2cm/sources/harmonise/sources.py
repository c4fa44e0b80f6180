"""How each variable of the store is made from its products: one row each in `SOURCES`."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd
import xarray as xr

from h2cm.sources import catalogue, products
from h2cm.sources.harmonise import plausible
from h2cm.sources.harmonise.reduce import (
    LEAST_COVER,
    Target,
    complete,
    fill_from_neighbours,
    observed,
    to_cells,
)
from h2cm.sources.harmonise.statics import static_fields
from h2cm.sources.products.reading import Members
from h2cm.space import regrid
from h2cm.store import DataError
from h2cm.vocabulary import RATIOS

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Archive:
    """Where the files of the products are: below `folder`, in a folder of the product's name, or where the
    configuration says (``products.local``)."""

    target: Target
    folder: Path
    notes: dict[str, str] = field(default_factory=dict)
    """What is to be kept with the result: the members of an ensemble, and who is missing and why."""

    def files(self, product: str) -> list[Path]:
        """The files of a product that reach into the period, sorted; DataError if there are none."""
        config = self.target.config
        years = (config.period.start.year, config.period.end.year)
        if catalogue.condensed(config, product):
            return products.files(product, self.folder / "condensed", f"{product}_{{year}}.nc", years)
        local = config.products.local.get(product, {})
        return products.files(product, local.get("folder", self.folder / product), local.get("pattern"), years)

    def open(self, product: str, **options) -> xr.Dataset:
        """The standardised data set of a product; close it when done. `options` are those of its reader."""
        files = self.files(product)
        log.info("%s: reading %d files, the first %s", product, len(files), files[0])
        return products.read(product, files, **options)

    @property
    def min_members(self) -> int:
        """Members of an ensemble that must be readable."""
        return self.target.config.products.min_members


def check(values: np.ndarray, archive: Archive, product: str, name: str) -> np.ndarray:
    """Days or months (step, cell) that are plausible for the product (`h2cm.sources.harmonise.plausible`)."""
    target = archive.target
    plausible.check(
        values,
        target.days if len(values) == target.days.size else target.months,
        target.cells["lat"].values,
        target.whole,
        catalogue.product(product).expected.get(name),
        f"{product}: {name}",
    )
    return values


def _variable(data: xr.Dataset, name: str, product: str) -> xr.DataArray:
    if name not in data:
        raise DataError(f"{product}: expected the variable {name}, the files hold {', '.join(data.data_vars)}")
    return data[name].assign_attrs(product=product)


def _within_a_day(data: xr.Dataset, product: str) -> str:
    """The time step of forcing, which must not be longer than a day: a monthly mean is no day's weather."""
    step = data.attrs["step"]
    if step in ("month", "8 days"):
        raise DataError(f"{product}: expected steps of at most a day, as it is forcing, the files hold one each {step}")
    return step


def daily(archive: Archive, product: str, name: str) -> np.ndarray:
    """Daily means (day, cell) of a forcing variable, without gaps."""
    with archive.open(product) as data:
        values = to_cells(_variable(data, name, product), _within_a_day(data, product), archive.target, "time")
    return check(complete(values, archive.target, f"{product}: {name}"), archive, product, name)


def carbon_dioxide(archive: Archive) -> np.ndarray:
    """Daily CO2 (day, cell), ppm.

    A day before the first year of the reanalysis takes the value of the same day of that year, less the rise at Mauna Loa
    in between: the gradients and seasons of that year on the level of its own.
    """
    with archive.open("cams_co2") as data:
        values = to_cells(_variable(data, "co2", "cams_co2"), _within_a_day(data, "cams_co2"), archive.target, "time")
    days, begin = pd.DatetimeIndex(archive.target.days), catalogue.product("cams_co2").period[0]
    early = (days.year < begin) & np.isnan(values).all(1)
    if early.any():
        same = pd.DatetimeIndex([day + pd.DateOffset(years=begin - day.year) for day in days[early]])
        daily_record = products.module("mauna_loa").daily
        with archive.open("mauna_loa") as record:
            rise = daily_record(record, same) - daily_record(record, days[early])
        held = days.get_indexer(same)
        values[early] = np.where((held >= 0)[:, None], values[held] - rise[:, None], np.nan)
        log.warning(
            "cams_co2: %d days before %d are those of %d less the rise at Mauna Loa, %.1f ppm on the first day",
            early.sum(),
            begin,
            begin,
            rise[0],
        )
    return check(complete(values, archive.target, "cams_co2: co2"), archive, "cams_co2", "co2")


def monthly(archive: Archive, product: str, name: str, cover: float = 0.0) -> np.ndarray:
    """Monthly means (month, cell), NaN where there are too few values; in at least a share `cover` of the cells.

    Where the product holds ``land_fraction``, its values are per area of land, and so is their mean: its cells weigh with
    the land that they hold.
    """
    with archive.open(product) as data:
        field, step = _variable(data, name, product), data.attrs["step"]
        if "land_fraction" in data:
            land = data["land_fraction"].where(data["land_fraction"] > 0)
            total = to_cells(field * land, step, archive.target, "month")
            values = total / to_cells(land.where(field.notnull()).transpose(*field.dims), step, archive.target, "month")
        else:
            values = to_cells(field, step, archive.target, "month")
    return check(observed(values, archive.target, f"{product}: {name}", cover), archive, product, name)


def net_flux_less_fire(archive: Archive, product: str, fire: str = "gfed") -> np.ndarray:
    """Monthly net flux (month, cell) of an inversion less fire emissions, median over its members.

    Fire is aggregated to the months and the grid of the inversion and subtracted there, before regridding.
    """
    options = {"min_members": archive.min_members} if catalogue.product(product).members else {}
    with archive.open(product, **options) as data, archive.open(fire) as burnt:
        archive.notes.update({k: data.attrs[k] for k in ("members", "left_out") if k in data.attrs})
        flux = _variable(data, "nee_total", product)
        if "member" in flux.dims:
            flux = flux.transpose("time", "member", ...)
        months = archive.target.months
        held = burnt["time"].values.astype("datetime64[M]").astype("datetime64[ns]")
        there = np.isin(held, months)
        emitted = None
        if there.any():
            burning = burnt["fire"].isel(time=np.flatnonzero(there))
            emitted = regrid.regrid(burning, flux, engine=archive.target.config.grid.regridding).values
        place = {month: i for i, month in enumerate(held[there])}
        lacking = set()

        def subtract(values: np.ndarray, times: np.ndarray) -> np.ndarray:
            if values.ndim == 4:
                values = _median(values, 1)
            result = np.full(values.shape, np.nan)
            for i, month in enumerate(times.astype("datetime64[M]").astype("datetime64[ns]")):
                if month in place:
                    result[i] = values[i] - emitted[place[month]]
                else:
                    lacking.add(str(month)[:7])
            return result

        values = to_cells(flux, data.attrs["step"], archive.target, "month", subtract)
        check(to_cells(burnt["fire"], burnt.attrs["step"], archive.target, "month"), archive, fire, "fire")
    if lacking:
        span = f"{len(lacking)} months from {min(lacking)} to {max(lacking)}"
        log.warning(
            "%s: %s has no fire emissions in %s: no net flux without fire there",
            product,
            fire,
            span if len(lacking) > 1 else f"one month, {min(lacking)}",
        )
    values = observed(values, archive.target, f"{product} less {fire}", LEAST_COVER)
    return check(values, archive, product, "nee_total")


def _median(values: np.ndarray, axis: int) -> np.ndarray:
    """Median of what is there, NaN where nothing is."""
    present = np.isfinite(values).any(axis)
    filled = np.where(np.expand_dims(present, axis), values, 0.0)
    return np.where(present, np.nanmedian(filled, axis=axis), np.nan)


def trendy_models(archive: Archive, names: tuple[str, ...]) -> dict[str, dict[str, np.ndarray]]:
    """Monthly fluxes (month, cell) of each model that holds all of `names`; only their files are opened.

    A model that cannot be read is left out, with the reason.

    Raises
    ------
    DataError
        If fewer than ``products.min_members`` are left.
    """

    def fluxes(files: list[Path]) -> dict[str, np.ndarray]:
        with products.read("trendy", files) as data:
            lacking = [n for n in names if n not in data]
            if lacking:
                raise DataError(f"it has no {', '.join(lacking)}")
            found = {n: to_cells(data[n], "month", archive.target, "month") for n in names}
        return {n: check(values, archive, "trendy", n) for n, values in found.items()}

    with Members(catalogue.product("trendy"), archive.min_members) as members:
        for model, files in products.module("trendy").models(archive.files("trendy"), names).items():
            members.add(model, partial(fluxes, files))
        members.checked()
    archive.notes.update(members.attrs)
    return members.found


def carbon_use_efficiency(archive: Archive) -> np.ndarray:
    """Mean NPP over mean GPP (cell), median of the models; neutral (`RATIOS`) where a model's mean GPP is below the floor.

    A model whose efficiency lies outside 0 to 1 is left out there. Cells without any model are missing.
    """
    ratios, row = [], RATIOS["cue"]
    for model, fluxes in trendy_models(archive, ("gpp", "npp")).items():
        both = np.isfinite(fluxes["gpp"]) & np.isfinite(fluxes["npp"])
        months = both.sum(0)
        gpp, npp = (np.where(both, fluxes[n], 0).sum(0) / np.maximum(months, 1) for n in ("gpp", "npp"))
        ratio = np.where(gpp < row.floor, row.neutral, npp / np.maximum(gpp, row.floor))
        impossible = (months > 0) & ((ratio < 0) | (ratio > 1))
        if impossible.any():
            log.warning(
                "trendy: %s: a carbon-use efficiency outside 0 to 1 in %d cells is left out", model, impossible.sum()
            )
        ratios.append(np.where((months > 0) & ~impossible, ratio, np.nan))
    return _median(np.stack(ratios), 0)


def fluxcom_fluxes(archive: Archive) -> xr.Dataset:
    """GPP, NEE and TER (cell, month) of FLUXCOM-X-BASE."""
    fluxes = {name: monthly(archive, "fluxcom", name).T for name in ("gpp", "nee", "ter")}
    return xr.Dataset({name: (("cell", "month"), values) for name, values in fluxes.items()})


def trendy_fluxes(archive: Archive) -> xr.Dataset:
    """GPP, NEE and TER (model, cell, month): respiration Ra + Rh, and NEE = Ra + Rh - GPP, without fire and land use."""
    models = trendy_models(archive, ("gpp", "ra", "rh"))
    gpp = np.stack([m["gpp"].T for m in models.values()])
    ter = np.stack([(m["ra"] + m["rh"]).T for m in models.values()])
    dims = ("model", "cell", "month")
    return xr.Dataset({"gpp": (dims, gpp), "nee": (dims, ter - gpp), "ter": (dims, ter)}, {"model": list(models)})


def simulated_fluxes(archive: Archive) -> xr.Dataset:
    """The carbon fluxes (cell, month) that the files of the study's simulations hold."""
    with archive.open("simulations") as data:
        held = list(data.data_vars)
    fluxes = {name: monthly(archive, "simulations", name).T for name in held}
    return xr.Dataset({name: (("cell", "month"), values) for name, values in fluxes.items()})


LAND_REGIONS = range(1, 12)
"""The land regions of TransCom-3, by number."""


def transcom_regions(archive: Archive) -> xr.Dataset:
    """Number of the land region that holds most of each cell, ``region`` (cell); 0 where there is none."""
    with archive.open("transcom") as data:
        numbers = _variable(data, "region", "transcom")
        weights = regrid.weights(
            regrid.grid_of(numbers), regrid.target_of(archive.target.grid), archive.target.config.grid.regridding
        )
        shares = weights.apply(np.stack([numbers.values == k for k in LAND_REGIONS]).astype("f8"))
    shares = np.nan_to_num(shares[(slice(None), *archive.target.index)])
    largest = np.where(shares.max(0) > 0, np.array(LAND_REGIONS)[shares.argmax(0)], 0)
    return xr.Dataset({"region": ("cell", largest, {"units": "1", "long_name": "number of the TransCom-3 region"})})


def static(archive: Archive) -> tuple[np.ndarray, list[str]]:
    """Static attributes (cell, feature) and their names; see `h2cm.sources.harmonise.statics`."""
    values, names = static_fields(archive.open, archive.target)
    return fill_from_neighbours(values.T, archive.target, "static").T, names


@dataclass(frozen=True)
class Source:
    """Where a variable of the store, or a competitor, comes from.

    Attributes
    ----------
    products : tuple of str
    make : callable
        Of an `Archive`: values (day or month, cell), (cell,) or as the row's kind says.
    """

    products: tuple[str, ...]
    make: Callable


def _row(function: Callable, product: str, name: str, **checks) -> Source:
    return Source((product,), partial(function, product=product, name=name, **checks))


STATIC_PRODUCTS = ("soilgrids", "globeland30", "gtopo30", "tootchi")
SOURCES: dict[str, Source] = {
    "net_radiation": _row(daily, "ceres", "net_radiation"),
    "precipitation": _row(daily, "gpcp", "precipitation"),
    "air_temperature": _row(daily, "crujra", "air_temperature"),
    "vapour_pressure_deficit": _row(daily, "era5", "vapour_pressure_deficit"),
    "co2": Source(("cams_co2", "mauna_loa"), carbon_dioxide),
    "static": Source(STATIC_PRODUCTS, static),
    "tws": _row(monthly, "grace", "tws", cover=LEAST_COVER),
    "swe": _row(monthly, "globsnow", "swe"),
    "fapar": _row(monthly, "modis_fapar", "fapar", cover=LEAST_COVER),
    "et": _row(monthly, "fluxcom", "et", cover=LEAST_COVER),
    "gpp": _row(monthly, "fluxcom", "gpp", cover=LEAST_COVER),
    "runoff": _row(monthly, "grun", "runoff", cover=LEAST_COVER),
    "nee_oco2": Source(("oco2_mip", "gfed"), partial(net_flux_less_fire, product="oco2_mip")),
    "nee_carboscope": Source(("carboscope", "gfed"), partial(net_flux_less_fire, product="carboscope")),
    "cue": Source(("trendy",), carbon_use_efficiency),
}
COMPETITORS: dict[str, Source] = {
    "fluxcom": Source(("fluxcom",), fluxcom_fluxes),
    "trendy": Source(("trendy",), trendy_fluxes),
    "transcom": Source(("transcom",), transcom_regions),
    "simulations": Source(("simulations",), simulated_fluxes),
}
