"""Prediction with trained weights: daily series and monthly means for all cells, in memory or straight to disk."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path

import netCDF4
import numpy as np
import pandas as pd
import torch
import xarray as xr

from h2cm.inputs import by_cells
from h2cm.inputs import open as read
from h2cm.model.weights import Folds, load
from h2cm.models import MODELS
from h2cm.netcdf import written
from h2cm.results.dataset.attributes import STATISTICS
from h2cm.store import DataError
from h2cm.train.data import month_index, stack_forcing, stack_static
from h2cm.vocabulary import attributes
from h2cm.workflow.provenance import versions

_COMBINE = {"median": xr.Dataset.median, "minimum": xr.Dataset.min, "maximum": xr.Dataset.max}

CHUNK = 256
"""Cells predicted at once, on a GPU four times as many: what bounds the memory."""


def _check(model, dataset: xr.Dataset, outputs: Sequence[str]) -> None:
    unknown = [name for name in outputs if name not in model.outputs]
    if unknown:
        raise DataError(f"outputs: {', '.join(unknown)}: not known; the model gives {', '.join(model.outputs)}")
    features = tuple(str(f) for f in dataset["feature"].values)
    expected = getattr(model, "features", features)
    if features != expected:
        odd = sorted(set(features) ^ set(expected)) or "their order"
        raise DataError(f"store: static: the model was trained on other attributes; different are {odd}")
    if len(features) != model.n_static:
        raise DataError(f"store: static: the model takes {model.n_static} attributes, found {len(features)}")


def predicts_days(model) -> bool:
    """Whether a model gives daily series; else it gives monthly ones."""
    return MODELS[model.kind].daily


def possible(model, outputs: Sequence[str]) -> tuple[str, ...]:
    """Those of some outputs that a model without equations gives; one with equations is held to all of them."""
    return tuple(name for name in outputs if MODELS[model.kind].equations or name in model.outputs)


@torch.no_grad()
def chunks(
    model, dataset: xr.Dataset, outputs: Sequence[str], spin_up_passes: int
) -> Iterator[tuple[slice, dict[str, np.ndarray], dict[str, np.ndarray]]]:
    """Outputs and static parameters, some cells at a time.

    Yields
    ------
    cells : slice
    series : dict of array, shape (cell, day)
        (cell, month) of a model that knows no days.
    static_parameters : dict of array, shape (cell,)
    """
    daily = predicts_days(model)
    device = model.forcing_mean.device if daily else torch.device("cpu")
    size = CHUNK if device.type == "cpu" else 4 * CHUNK  # to keep a GPU busy
    for start in range(0, dataset.sizes["cell"], size):
        cells = slice(start, min(start + size, dataset.sizes["cell"]))
        part = dataset.isel(cell=cells)
        if not daily:
            series = model.monthly(stack_forcing(part), stack_static(part), *month_index(part))
            yield cells, _finite({name: series[name] for name in outputs}, part), {}
            continue
        forcing = torch.from_numpy(stack_forcing(part)).to(device)
        static = torch.from_numpy(stack_static(part)).to(device)
        state = model.spin_up(forcing, static, spin_up_passes)
        series, _ = model(forcing, static, state, tuple(outputs))
        parameters, _ = model.static_parameters(static)
        yield (
            cells,
            _finite({k: v.cpu().numpy() for k, v in series.items()}, part),
            _finite({k: v.cpu().numpy() for k, v in parameters.items()}, part),
        )


def _finite(values: dict[str, np.ndarray], dataset: xr.Dataset) -> dict[str, np.ndarray]:
    """Outputs (cell, ...) of the cells of `dataset`, all of them finite.

    Raises
    ------
    DataError
        If one is not, with its name and its cell.
    """
    for name, found in values.items():
        wrong = ~np.isfinite(found).reshape(len(found), -1).all(1)
        if wrong.any():
            cell = dataset.isel(cell=int(np.argmax(wrong)))
            place = ", ".join(f"{axis} {cell[axis].item():g}" for axis in ("lat", "lon") if axis in cell)
            raise DataError(
                f"prediction: {name}: expected finite values, found others in {wrong.sum()} cells, the first at {place}: "
                "the weights or the forcing are out of range"
            )
    return values


def _spin_up_passes(model, given: int | None) -> int:
    if given is not None:
        return given
    return getattr(model, "metadata", {}).get("config", {}).get("model", {}).get("spin_up_passes", 1)


def predict(
    model, dataset, outputs: str | Sequence[str] | None = None, spin_up_passes: int | None = None
) -> xr.Dataset:
    """Predict series: daily ones, or monthly ones by a model that knows no days.

    Parameters
    ----------
    model : DailyModel, Boosting, Folds or path
        From `h2cm.load`, or what that takes: the weights of a fold, or the folder of an experiment with all of its folds.
    dataset : Dataset or path
        From `h2cm.open`, or what that takes: the five forcing variables by day and ``static``, of cells, a map or a single place.
    outputs : str or sequence of str, optional
        Of the model's ``outputs``; all if not given.
    spin_up_passes : int, optional
        Runs through the record before the one that counts; as in training if not given.

    Returns
    -------
    Dataset
        Each output, (cell, time) or (cell, month), with its unit, the static parameters (cell) and the global constants. Of a map the
        axes are (time, lat, lon), of a single place (time). Of several folds the median, and beside it the least and the largest
        of the folds as ``<name>_min`` and ``<name>_max``.

    Raises
    ------
    DataError
        For an input in a unit that cannot be converted or with an impossible value, gaps in the forcing, other static attributes
        than in training, or an unknown output.
    """
    model = load(model) if isinstance(model, str | Path) else model
    cells, back = by_cells(read(dataset))
    names = (outputs,) if isinstance(outputs, str) else outputs
    if isinstance(model, Folds):
        return back(_over_folds([_predict(one, cells, names, spin_up_passes) for one in model.models.values()]))
    return back(_predict(model, cells, names, spin_up_passes))


def _predict(model, dataset: xr.Dataset, outputs: Sequence[str] | None, spin_up_passes: int | None) -> xr.Dataset:
    """What one model predicts of cells."""
    outputs = model.outputs if outputs is None else outputs
    _check(model, dataset, outputs)
    axis, values = ("time", dataset["time"].values) if predicts_days(model) else ("month", _month_starts(dataset))
    pieces = []
    for cells, series, static in chunks(model, dataset, outputs, _spin_up_passes(model, spin_up_passes)):
        piece = {k: (("cell", axis), v) for k, v in series.items()} | {k: ("cell", v) for k, v in static.items()}
        pieces.append(xr.Dataset(piece, coords=_coordinates(dataset, cells) | {axis: values}))
    return _describe(xr.concat(pieces, "cell"), model)


def _over_folds(found: Sequence[xr.Dataset]) -> xr.Dataset:
    """Median, least and largest of the predictions of folds, each with its name."""
    together = xr.concat(
        found, "fold", data_vars="all", coords="minimal", compat="override", combine_attrs="override", join="exact"
    )
    combined = {}
    for suffix, statistic in STATISTICS.items():
        for name, data in _COMBINE[statistic](together, "fold", keep_attrs=True).data_vars.items():
            long_name = f"{data.attrs.get('long_name', name)}, {statistic} of {len(found)} folds"
            combined[f"{name}{suffix}"] = data.assign_attrs(long_name=long_name)
    return xr.Dataset(combined)


def _month_starts(dataset: xr.Dataset) -> np.ndarray:
    """First day of each month of a store."""
    months, _ = month_index(dataset)
    return pd.PeriodIndex.from_fields(year=months[:, 0], month=months[:, 1], freq="M").to_timestamp().values


def _coordinates(dataset: xr.Dataset, cells: slice) -> dict:
    names = [n for n, c in dataset.coords.items() if c.dims == ("cell",)]
    names += [n for n in ("lat", "lon", "site", "area") if n in dataset.data_vars]
    return {name: ("cell", dataset[name].values[cells]) for name in names}


def _origin(model, provenance: dict | None) -> dict[str, str]:
    """Global attributes: conventions, and where the numbers come from, as JSON."""
    trained = getattr(model, "metadata", {})
    return {
        "Conventions": "CF-1.11",
        "title": f"{MODELS[model.kind].title}, experiment {trained.get('experiment', '-')}, fold {trained.get('fold', '-')}",
        "model": model.kind,
        "source": f"h2cm {versions()['h2cm']}",
        "history": "predicted by h2cm.model.prediction",
        "references": "Baghirov et al., doi:10.5194/egusphere-2025-3123",
        "training": json.dumps({k: trained[k] for k in ("config", "provenance", "best_epoch") if k in trained}),
        "provenance": json.dumps(provenance or {"versions": versions()}),
    }


def _describe(dataset: xr.Dataset, model) -> xr.Dataset:
    for name, value in model.constants().items():
        dataset[name] = ((), float(value.detach()))
    for name, variable in dataset.variables.items():
        variable.attrs.update(attributes(name))
    return dataset


def write(
    model,
    dataset: xr.Dataset,
    folder: str | Path,
    daily: Sequence[str],
    monthly: Sequence[str],
    spin_up_passes: int | None = None,
    provenance: dict | None = None,
) -> None:
    """Write ``daily.nc`` and ``monthly.nc``, chunk by chunk, so that memory is bounded whatever the store.

    Parameters
    ----------
    daily, monthly : sequence of str
        The outputs written daily and as monthly means. A model that knows no days gets no ``daily.nc``.
    spin_up_passes : int, optional
        As in training if not given.
    provenance : dict, optional
        Stored in the files, beside what the weights say of their own origin.
    """
    days_too = predicts_days(model)
    outputs = tuple(dict.fromkeys((*daily, *monthly) if days_too else monthly))
    _check(model, dataset, outputs)
    length = np.bincount(month_index(dataset)[1])
    axes = {"daily": ("time", dataset["time"].values, daily)} if days_too else {}
    axes["monthly"] = ("month", _month_starts(dataset), monthly)
    origin = _origin(model, provenance)
    with ExitStack() as stack:
        files = {}
        for kind, (axis, values, names) in axes.items():
            unfinished = stack.enter_context(written(Path(folder) / f"{kind}.nc"))
            frame = xr.Dataset(coords=_coordinates(dataset, slice(None)) | {axis: values}, attrs=origin)
            for name in model.static_outputs:
                frame[name] = ("cell", np.full(frame.sizes["cell"], np.nan, "f4"))
            _describe(frame, model).to_netcdf(unfinished)
            files[kind] = stack.enter_context(netCDF4.Dataset(unfinished, "a"))
            shape = (min(CHUNK, dataset.sizes["cell"]), len(values))
            for name in names:
                variable = files[kind].createVariable(
                    name, "f4", ("cell", axis), zlib=True, complevel=1, chunksizes=shape
                )
                variable.setncatts(attributes(name) | {"cell_methods": f"{axis}: mean", "coordinates": "lat lon"})
        for cells, series, static in chunks(model, dataset, outputs, _spin_up_passes(model, spin_up_passes)):
            for name in daily if days_too else ():
                files["daily"][name][cells] = series[name]
            for name in monthly:
                values = series[name]
                if days_too:
                    values = np.add.reduceat(values.astype(np.float64), np.r_[0, length.cumsum()[:-1]], axis=1) / length
                files["monthly"][name][cells] = values
            for file in files.values():
                for name, values in static.items():
                    file[name][cells] = values
