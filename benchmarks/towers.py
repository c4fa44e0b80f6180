"""What each part of the towers' recipe is worth: ``python benchmarks/towers.py run`` and then ``... table``.

Each row of `ROWS` is the configuration given with some keys changed. A row is trained for every fold and seed, and what it
predicts for the towers that it has not seen is kept as a CSV of its own (``--folder``), so an interrupted sweep goes on
where it was; several processes may share the work. ``table`` averages the seeds and scores the towers left out, month by
month: towers of the validation folds, by which choices may be made, and apart from them the fixed test towers, by which not.
``days`` scores the days that were measured, where ``--daily-fluxes`` names the folder of their files in ``run`` and here.
"""

from __future__ import annotations

import argparse
import copy
import logging
import tempfile
import time
from collections.abc import Iterable
from pathlib import Path

import numpy as np
import pandas as pd
import torch
import xarray as xr
import yaml
from filelock import FileLock, Timeout

from h2cm.config import Config, parse
from h2cm.files import whole
from h2cm.model import networks, weights
from h2cm.model.prediction import predict
from h2cm.results.evaluate.days import answers, changes, rains
from h2cm.results.evaluate.days import skill as day_skill
from h2cm.results.evaluate.metrics import scores
from h2cm.results.evaluate.series import decompose
from h2cm.results.paths import path
from h2cm.sources import towers
from h2cm.sources.towers.daily import find
from h2cm.sources.towers.daily import read as read_days
from h2cm.store import save_summary
from h2cm.train import train
from h2cm.train.split import split

VARIABLES = ("gpp", "nee", "et")
MONTHS = 24
"""Least number of observed months of a tower that is scored."""

DRAWS = 10000
"""Of the bootstrap over towers."""

OPEN = networks.GUIDANCES["open"]
GUIDANCES = {  # the open variant with one part as published
    "open": OPEN,
    "capacity": networks.changed(OPEN, OPEN.starts, static_parameters={"outputs": networks.GUIDANCE.static.outputs}),
    "inputs": networks.changed(
        OPEN,
        OPEN.starts,
        **{n: {"inputs": networks.GUIDANCE.rows[n].inputs} for n in ("hydrology", "coupling", "surface")},
    ),
    "starts": networks.changed(OPEN, {}),
    "coupling_lstm": networks.changed(OPEN, OPEN.starts, coupling={"kind": "lstm"}),
}
OF_THE_PAPER = {
    "sampling": "records",
    "steps": None,
    "warm_up_steps": 0,
    "averaging": 0.0,
    "clip_norm": None,
    "weight_decay": 0.01,
    "decay_biases": True,
    "learning_rate": 0.005,
}
COMPETITOR = {"constraints": ["gpp", "nee", "et"]}

PLACE = {"towers.attributes": ["land_cover", "koeppen", "place"]}
SCALES = {f"constraints.{name}.scale": "all" for name in ("gpp", "nee", "et")}

ROWS: dict[str, dict] = {
    "recipe": {},
    "without: free soil capacity": {"guidance": "capacity"},
    "without: temperature and memory in the coupling": {"guidance": "inputs"},
    "without: outputs that start at usual values": {"guidance": "starts"},
    "without: light fAPAR constraint": {"constraints.fapar.weight": 1.0},
    "without: towers in their own units": SCALES,
    "towers in their own units for NEE only": {k: v for k, v in SCALES.items() if "nee" not in k},
    "without: narrow networks": {"model.units": 100},
    "without: single years (records, a tenth of the steps)": {
        "training": {"sampling": "records", "steps": 60, "warm_up_steps": 3, "averaging": 0.85}
    },
    "without: schedule in steps (epochs, early stopping)": {"training": OF_THE_PAPER | {"sampling": "years"}},
    "without: 600 steps (250)": {"training": {"steps": 250}},
    "without: mean of the weights": {"training": {"averaging": 0.0}},
    "without: decay of the weights": {"training": {"weight_decay": 0.01, "decay_biases": True}},
    "without: daytime net radiation": {"towers.net_radiation": "daily"},
    "without: climate instead of Koeppen and place": PLACE,
    "coupling network with an LSTM": {"guidance": "coupling_lstm"},
    "published": {
        "model.variant": "published",
        "model.units": 100,
        "constraints.fapar.weight": 1.0,
        "training": OF_THE_PAPER,
        "towers.net_radiation": "daily",
        **PLACE,
        **SCALES,
    },
    "gradient boosting": {"experiments": {"cv": {"model": "gradient_boosting"} | COMPETITOR}},
    "LSTM": {"experiments": {"cv": {"model": "lstm"} | COMPETITOR}},
    "process only": {"experiments": {"cv": {"model": "process_only"}}},
    "gradient boosting, all towers in one unit": {"experiments": {"cv": {"model": "gradient_boosting"} | COMPETITOR}}
    | SCALES,
    "LSTM, all towers in one unit": {"experiments": {"cv": {"model": "lstm"} | COMPETITOR}} | SCALES,
    "process only, all towers in one unit": {"experiments": {"cv": {"model": "process_only"}}} | SCALES,
}
SEEDLESS = ("gradient boosting", "gradient boosting, all towers in one unit")


def configuration(values: dict, row: str, seed: int) -> tuple[Config, str]:
    """The configuration of a row, one member, and the networks it uses."""
    values, guidance = copy.deepcopy(values), "open"
    for key, value in ROWS[row].items():
        if key == "guidance":
            guidance = value
            continue
        *sections, last = key.split(".")
        place = values
        for section in sections:
            place = place.setdefault(section, {})
        if isinstance(value, dict) and isinstance(place.get(last), dict) and last == "training":
            value = place[last] | value
        place[last] = value
    values["seed"] = seed
    values["training"]["members"] = 1
    return parse(values), guidance


def store(config: Config, folder: Path) -> xr.Dataset:
    """The towers as this configuration reads them, kept for the other rows."""
    kind = f"{config.towers.net_radiation}_{'_'.join(config.towers.attributes)}"
    file = folder / f"store_{kind}.nc"
    folder.mkdir(parents=True, exist_ok=True)
    with FileLock(file.with_suffix(".lock")):
        if not file.exists():
            read = towers.read(config)
            dataset = read[0] if isinstance(read, tuple) else read
            with whole(file) as part:
                dataset.to_netcdf(part)
    return xr.load_dataset(file)


def file_of(folder: Path, row: str, seed: int, fold: int) -> Path:
    """Where a run's predictions of the towers that it has not seen are kept."""
    name = "".join(c if c.isalnum() else "_" for c in row)
    return folder / name / f"seed_{seed}_fold_{fold}.csv"


def days_of(file: Path) -> Path:
    """Where the days of the towers with measured days are kept that belong to a run's predictions."""
    return file.with_name(f"{file.stem}_days.nc")


def run(values: dict, row: str, seed: int, fold: int, folder: Path) -> None:
    """Train one member of one fold of a row and keep what it predicts for towers that it has not seen."""
    file = file_of(folder, row, seed, fold)
    file.parent.mkdir(parents=True, exist_ok=True)
    try:
        lock = FileLock(file.with_suffix(".lock"), timeout=0)
        lock.acquire()
    except Timeout:
        return
    try:
        if file.exists():
            return
        config, guidance = configuration(values, row, seed)
        networks.GUIDANCES["open"] = GUIDANCES[guidance]
        dataset = store(config, folder)
        table = split(dataset, config.model_copy(update={"seed": values.get("seed", 0)}))
        start = time.process_time()
        with tempfile.TemporaryDirectory() as place:
            train(dataset, table, config, "cv", [fold], place)
            model = weights.load(Path(place, path("weights", experiment="cv", fold=fold)), config.model.backend)
        seconds = time.process_time() - start
        unseen = np.flatnonzero(table[f"fold_{fold}"] != "train")
        found = daily = predict(model, dataset.isel(cell=unseen), VARIABLES, config.model.spin_up_passes)
        if "time" in found.dims:
            found = found[list(VARIABLES)].resample(time="MS").mean().rename(time="month")
        frame = xr.Dataset(
            {name: (("site", "month"), found[name].transpose("cell", "month").values) for name in VARIABLES},
            coords={"site": dataset["site"].values[unseen].astype(str), "month": found["month"].values},
        ).to_dataframe()
        frame["role"] = frame.index.get_level_values("site").map(table.set_index("site")[f"fold_{fold}"])
        if config.towers.daily_fluxes and "time" in daily.dims:
            measured = np.isin(dataset["site"].values[unseen].astype(str), list(find(config.towers.daily_fluxes)))
            days = daily[["nee", "et"]].isel(cell=np.flatnonzero(measured)).reset_coords(drop=True)
            days = days.assign_coords(site=("cell", dataset["site"].values[unseen][measured].astype(str)))
            save_summary(days.assign_attrs({}), days_of(file))
        with whole(file) as part:
            frame.assign(cpu_seconds=seconds).to_csv(part, float_format="%.6g")
        print(f"{row}, seed {seed}, fold {fold}: {seconds:.0f} CPU-seconds", flush=True)
    finally:
        lock.release()


def observed(dataset: xr.Dataset) -> pd.DataFrame:
    """The constraints, by site and month."""
    sites = dataset["site"].values.astype(str)
    targets = {name: (("site", "month"), dataset[name].transpose("cell", "month").values) for name in VARIABLES}
    return xr.Dataset(targets, coords={"site": sites, "month": dataset["month"].values}).to_dataframe()


def ensemble(folder: Path, row: str, folds: int, seeds: Iterable[int]) -> tuple[dict[str, pd.DataFrame], int, float]:
    """Mean prediction of the seeds for the towers of each role, the number of seeds, CPU-seconds of a member of a fold."""
    complete = [s for s in seeds if all(file_of(folder, row, s, k).exists() for k in range(folds))]
    if not complete:
        return {}, 0, np.nan
    frames = [pd.read_csv(file_of(folder, row, s, k), parse_dates=["month"]) for s in complete for k in range(folds)]
    every = pd.concat(frames)
    means = {role: part.groupby(["site", "month"])[list(VARIABLES)].mean() for role, part in every.groupby("role")}
    return means, len(complete), float(np.mean([frame["cpu_seconds"].iloc[0] for frame in frames]))


def skill(prediction: pd.DataFrame, target: pd.DataFrame) -> pd.DataFrame:
    """NSE of the months and r of their anomalies of each tower with enough months; index site, columns (metric, variable)."""
    columns = {}
    for name in VARIABLES:
        p, o = (frame[name].unstack("month") for frame in (prediction, target))
        o = o.reindex(index=p.index, columns=p.columns)
        p = p.where(o.notna())
        enough = (o.notna().sum(axis=1) >= MONTHS).to_numpy()
        calendar_month = p.columns.month.to_numpy()
        parts = decompose(p.to_numpy("f8"), o.to_numpy("f8"), calendar_month)
        for metric, timescale in (("nse", "monthly"), ("r", "anomaly")):
            values = scores(*parts[timescale])[0][metric]
            columns[metric, name] = pd.Series(np.where(enough, values, np.nan), p.index)
    return pd.DataFrame(columns)


def days(folder: Path, values: dict, seeds: Iterable[int]) -> pd.DataFrame:
    """Skill for measured days of every row that is complete: one line a row, tower and flux, and the median of the towers."""
    config, _ = configuration(values, "recipe", 0)
    forcing = store(config, folder)
    measured = {site: read_days(file, site) for site, file in find(config.towers.daily_fluxes).items()}
    lines = []
    for row in ROWS:
        found = [days_of(file_of(folder, row, s, k)) for s in seeds for k in range(config.split.folds)]
        predicted: dict[str, list[xr.Dataset]] = {}
        for file in found:
            if file.exists():
                data = xr.load_dataset(file)
                for k, site in enumerate(data["site"].values.astype(str)):
                    predicted.setdefault(site, []).append(data.isel(cell=k))
        for site, members in predicted.items():
            cell = int(np.flatnonzero(forcing["site"].values.astype(str) == site)[0])
            own = forcing.isel(cell=cell)
            rain = rains(own["precipitation"].values, own["air_temperature"].values)
            time = members[0]["time"].values
            for flux in ("nee", "et"):
                seen = measured[site].reindex(pd.DatetimeIndex(time))
                pair = np.mean([one[flux].values for one in members], 0), seen[f"{flux}_daily"].to_numpy()
                line = {"row": row, "site": site, "flux": flux, "models": len(members)}
                line |= day_skill(*pair, seen[f"{flux}_daily_uncertainty"].to_numpy(), time)
                sides = [changes(side) for side in answers(*pair, time, rain)]
                means = [float(np.mean(side)) if side.size else np.nan for side in sides]
                lines.append(line | {"rains": sides[0].size, "change_predicted": means[0], "change_measured": means[1]})
    table = pd.DataFrame(lines)
    medians = table.groupby(["row", "flux"], sort=False).median(numeric_only=True).reset_index().assign(site="median")
    return pd.concat([table, medians], ignore_index=True)[list(table)]


SUMMARIES = {
    "median NSE": ("nse", lambda v: np.nanmedian(v, -1)),
    "mean of max(NSE, -1)": ("nse", lambda v: np.nanmean(np.maximum(v, -1), -1)),
    "median r of anomalies": ("r", lambda v: np.nanmedian(v, -1)),
}


def table(folder: Path, values: dict, seeds: Iterable[int], against: str, role: str) -> pd.DataFrame:
    """The summaries of every row that is complete, and its difference from `against` with as many seeds (90 % interval)."""
    config, _ = configuration(values, "recipe", 0)
    target = observed(store(config, folder))

    def of(row: str, chosen: Iterable[int]) -> tuple[pd.DataFrame | None, int, float]:
        means, n, seconds = ensemble(folder, row, config.split.folds, chosen)
        return (skill(means[role], target) if n else None), n, seconds

    lines = []
    for row in ROWS:
        own, n, seconds = of(row, seeds)
        complete = [s for s in seeds if row in SEEDLESS or of(row, [s])[1]]
        other, _, _ = of(against, complete)
        if own is None or other is None:
            continue
        own = own.reindex(other.index)
        drawn = np.random.default_rng(0).integers(0, len(own), (DRAWS, len(own)))
        for name in VARIABLES:
            for summary, (metric, reduce) in SUMMARIES.items():
                mine, theirs = (frame[metric, name].to_numpy() for frame in (own, other))
                line = {"row": row, "seeds": n, "cpu_seconds": seconds, "variable": name, "summary": summary}
                line |= {"towers": int(np.isfinite(mine).sum()), "value": float(reduce(mine))}
                difference = reduce(mine[drawn]) - reduce(theirs[drawn])
                line |= {"difference": line["value"] - float(reduce(theirs))}
                lines.append(line | dict(zip(("low", "high"), np.nanquantile(difference, (0.05, 0.95)), strict=True)))
    return pd.DataFrame(lines)


def markdown(found: pd.DataFrame, against: str) -> str:
    """A line a row; in bold a difference from `against` whose 90 % interval excludes 0."""
    text = [["configuration", "seeds", *(f"{v.upper()} {s}" for s in SUMMARIES for v in VARIABLES)]]
    for row, part in found.groupby("row", sort=False):
        cells = [row, str(part["seeds"].iloc[0])]
        for summary in SUMMARIES:
            for name in VARIABLES:
                one = part[(part["summary"] == summary) & (part["variable"] == name)].iloc[0]
                apart = row != against and (one["low"] > 0 or one["high"] < 0)
                cells.append(f"**{one['value']:.2f}**" if apart else f"{one['value']:.2f}")
        text.append(cells)
    lines = ["| " + " | ".join(cells) + " |" for cells in text]
    return "\n".join([lines[0], "| --- " * len(text[0]) + "|", *lines[1:]])


def main() -> None:
    """See the description of the module."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("what", choices=("run", "table", "days"))
    parser.add_argument("--config", type=Path, default=Path("config/towers_icos.yaml"))
    parser.add_argument("--archives", type=Path, help="folder of the towers' archives, instead of the configured")
    parser.add_argument("--daily-fluxes", type=Path, help="folder of CalLMIP's files, instead of the configured")
    parser.add_argument("--folder", type=Path, default=Path("results/benchmark_towers"))
    parser.add_argument("--rows", nargs="+", default=list(ROWS), choices=list(ROWS))
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2, 3, 4])
    parser.add_argument("--against", default="recipe", choices=list(ROWS))
    parser.add_argument("--role", default="validation", choices=("validation", "test"))
    given = parser.parse_args()
    logging.basicConfig(level=logging.WARNING)
    torch.set_num_threads(1)
    values = yaml.safe_load(given.config.read_text())
    if given.archives:
        values["towers"]["folders"] = [str(given.archives)]
    if given.daily_fluxes:
        values["towers"]["daily_fluxes"] = str(given.daily_fluxes)
    if given.what == "days":
        found = days(given.folder, values, given.seeds)
        found.to_csv(given.folder / "table_days.csv", index=False, float_format="%.4f")
        print(found[found["site"] == "median"].to_string(index=False))
        return
    if given.what == "table":
        found = table(given.folder, values, given.seeds, given.against, given.role)
        found.to_csv(given.folder / f"table_{given.role}.csv", index=False, float_format="%.4f")
        print(markdown(found, given.against))
        return
    folds = parse(values).split.folds
    for seed in given.seeds:
        for row in given.rows:
            for fold in range(folds):
                if row not in SEEDLESS or seed == given.seeds[0]:
                    run(values, row, seed, fold, given.folder)


if __name__ == "__main__":
    main()
