"""Which data would tell the constants and what is hidden: ``python benchmarks/what_the_data_tell.py run`` and then ``... figure``.

What the constraints of the base identify: ``... profile``, which prints the table and draws the figure of the profiles.
Whether intervals hold at real towers: ``... towers``, from what ``benchmarks/towers.py run`` has kept (``--towers``).

Each row of `ROWS` is the small synthetic Earth of `BASE` with some keys changed: a constraint less or more, other noise, a longer record,
a steeper trend of CO2, another nature. On each the equations alone and H2CM are trained in one fold from several seeds, and
what they learned is held against the truth: the global constants, and fields that no constraint of the base shows, at cells that
were not trained on. Every training is kept as a CSV of its own (``--folder``), so an interrupted sweep goes on where it was.

``error`` is the distance from the truth: of a constant relative to it, of a field the root mean square error over cells and
months, by area, over the standard deviation of the truth (1: as good as its mean). ``spread`` is the standard deviation over the
seeds in the same unit. Errors are medians of the seeds.
"""

from __future__ import annotations

import argparse
import copy
import hashlib
import json
import logging
import tempfile
import time
from pathlib import Path

import numpy as np
import pandas as pd
import torch
import xarray as xr

from h2cm import store
from h2cm.config import Config, parse, profiles
from h2cm.files import whole
from h2cm.model import weights
from h2cm.model.prediction import predict
from h2cm.results.evaluate.intervals import COVERAGES, LEVELS, local_month, offsets
from h2cm.results.evaluate.profiles import collect
from h2cm.results.evaluate.series import monthly_means
from h2cm.results.figures.drawing import draw_figure
from h2cm.results.figures.registry import FIGURES
from h2cm.results.paths import path
from h2cm.results.tables import identified
from h2cm.sources import twin
from h2cm.sources.harmonise import harmonise
from h2cm.space.grid import land_cells
from h2cm.train import train
from h2cm.train.split import split
from h2cm.vocabulary import CONSTANTS, OUTPUTS, VARIABLES, reported, short

BASE: dict = {
    "run": "what_the_data_tell",
    "source": "twin",
    "period": {"start": "2015-01-01", "end": "2017-12-31"},
    "grid": {"resolution": 15},
    "constraints": {
        "tws": {"prediction": "tws", "compare": "monthly_centred"},
        "swe": {"prediction": "swe", "compare": "monthly"},
        "fapar": {"prediction": "fapar", "compare": "monthly"},
        "et": {"prediction": "et", "compare": "mean_seasonal_cycle"},
        "runoff": {"prediction": "runoff", "compare": "mean_seasonal_cycle"},
        "gpp": {"prediction": "gpp", "compare": "mean_seasonal_cycle"},
        "nee_oco2": {"prediction": "nee", "compare": "monthly"},
        "nee_carboscope": {"prediction": "nee", "compare": "spatial_mean_anomaly"},
        "cue": {"prediction": "cue", "compare": "mean_ratio"},
    },
    "split": {"folds": 4, "block_degrees": 15, "test_fraction": 0.0},
    "training": {"epochs": 60, "patience": 10, "decay_epochs": 10, "batch_cells": 8, "device": "cpu"},
}
ADDED = {
    "heterotrophic_respiration": {"prediction": "heterotrophic_respiration", "compare": "monthly"},
    "soil_moisture": {"prediction": "soil_moisture", "compare": "monthly_centred"},
}
"""Constraints that no product of the study gives: monthly means of the truth with the noise of the others."""


def years(number: int) -> dict:
    """A record of so many years that ends with that of the base."""
    return {"period.start": f"{2018 - number}-01-01"}


ROWS: dict[str, dict] = {
    "all": {},
    **{f"without {name}": {f"constraints.{name}": None} for name in BASE["constraints"]},
    "with Rh": {"constraints.heterotrophic_respiration": ADDED["heterotrophic_respiration"]},
    "with soil moisture": {"constraints.soil_moisture": ADDED["soil_moisture"]},
    "half the noise": {"twin.noise": 0.025},
    "twice the noise": {"twin.noise": 0.1},
    "5 years": years(5),
    "10 years": years(10),
    "19 years": years(19),
    "CO2 twice as steep": {"twin.co2_trend": 2.0},
    "another nature": {"twin.nature": "other"},
}
MODELS = {"process_only": "Equations alone", "h2cm": "H2CM"}
TRAINING = {"h2cm": {"epochs": 20, "learning_rate": 0.01, "decay_epochs": 5}}
"""What differs from the base in the training of a model: H2CM takes 20 times as long, so it is given fewer and longer steps."""

PROFILES = {
    "q10": [1.2, 1.5, 2.2, 3.0],
    "beta_co2": [5, 10, 35, 60],
    "beta_snow": [0.5, 0.7, 0.8, 0.99],
    "beta_baseflow": [0.0005, 0.0015, 0.01, 0.04],
    "cue": [0.6, 0.8, 1.25, 1.6],
    "basal_respiration": [0.5, 0.8, 1.25, 2],
    "alpha_transpiration": [0.5, 0.8, 1.25, 1.6],
}
"""Values at which a quantity is held: constants as they are reported, parameters as multiples of what was trained."""
FIELDS = ("heterotrophic_respiration", "npp", "transpiration", "soil_moisture", "groundwater", "gpp", "nee")
"""Monthly fields held against the truth; the last two are shown by constraints. Storages are compared less their mean over time."""


def configuration(row: str, model: str, seed: int) -> Config:
    """The base with the changes of a row; the Earth is that of seed 0, weights and batches are those of `seed`."""
    values = copy.deepcopy(BASE) | {"experiments": {"cv": {"model": model, "folds": [0]}}}
    for key, value in ROWS[row].items():
        *sections, last = key.split(".")
        place = values
        for section in sections:
            place = place.setdefault(section, {})
        if value is None:
            del place[last]
        else:
            place[last] = value
    values["training"] |= TRAINING.get(model, {})
    return parse(values | {"seed": seed})


def profile(model: str, quantities: list[str], ends: bool, folder: Path) -> None:
    """Train the base, let it go on with each quantity held, print the verdicts and draw the profiles.

    Parameters
    ----------
    ends : bool
        Only the least and the largest value of each quantity.
    """
    values = copy.deepcopy(BASE)
    held = {
        name: [v for v in PROFILES[name] if not ends or v in (PROFILES[name][0], PROFILES[name][-1])]
        for name in quantities
    }
    base = "cv" if model == "h2cm" else model  # figures take the first experiment for H2CM
    values["experiments"] = {"cv": {"folds": [0]}, base: {"model": model, "folds": [0], "profile": {"values": held}}}
    values["training"] |= TRAINING.get(model, {}) | {"members": 2}
    config = parse(values)
    dataset, true = earth(config, folder)
    place = folder / f"profile_{model}"
    table = split(dataset, config)
    for kind, data in (("truth", true), ("grid", dataset[["area"]])):
        store.save_netcdf(data, place / path(kind))
    store.save_csv(table, place / path("split"))
    for name in (base, *profiles(config)):
        begun = time.process_time()
        train(dataset, table, config, name, [0], place)
        print(f"{name}: {time.process_time() - begun:.0f} CPU-seconds", flush=True)
    store.save_csv(collect(place, config), place / path("profiles"), float_format="%.7g")
    print(identified.make(place, config).to_markdown(index=False, floatfmt=".3g"))
    drawing = draw_figure("profiles", place, config)
    drawing.figure.savefig(place / "profiles.png", dpi=150, metadata={"Software": None})
    print(FIGURES["profiles"].text(drawing.facts))


def earth(config: Config, folder: Path) -> tuple[xr.Dataset, xr.Dataset]:
    """The store of an Earth, with the added constraints, and its truth by months; kept for other rows that have the same."""
    config = config.model_copy(update={"seed": 0})
    decides = config.model_dump(mode="json", include={"period", "grid", "twin"})
    name = hashlib.sha256(json.dumps(decides, sort_keys=True).encode()).hexdigest()[:12]
    files = [folder / f"{kind}_{name}.nc" for kind in ("store", "truth")]
    if not all(file.exists() for file in files):
        cells = land_cells(config)
        with tempfile.TemporaryDirectory() as place:
            twin.generate(config, place)
            wanted = [n for n, v in VARIABLES.items() if v.role in ("forcing", "static") or n in BASE["constraints"]]
            parts = [cells]
            for variable in wanted:
                data = harmonise(variable, config, Path(place, "products"), cells)
                store.write(data, Path(place, f"{variable}.nc"), "synthetic Earth")
                parts.append(xr.load_dataset(Path(place, f"{variable}.nc")))
            dataset = xr.merge(parts, join="exact", compat="equals", combine_attrs="drop_conflicts")
            with xr.open_dataset(Path(place, "truth.nc")) as true:
                names = [n for n in FIELDS if n in true]
                monthly = xr.Dataset({n: monthly_means(true[n].load()) for n in names})
                monthly = monthly.assign(
                    {n: true[n].load() for n in (*CONSTANTS, "soil_moisture_capacity") if n in true}
                )
        rng = np.random.default_rng([0, 500])
        for added in ADDED:
            values = monthly[added].values
            values = values + config.twin.noise * values.std(1, keepdims=True) * rng.normal(size=values.shape)
            dataset[added] = (("cell", "month"), values.astype("f4"))
        for file, data in zip(files, (dataset, monthly), strict=True):
            store.save_netcdf(data.drop_encoding(), file)
    return xr.load_dataset(files[0]), xr.load_dataset(files[1])


def file_of(folder: Path, row: str, model: str, seed: int) -> Path:
    """Where what was learned in a training is kept."""
    name = "".join(c if c.isalnum() else "_" for c in row)
    return folder / name / f"{model}_seed_{seed}.csv"


def run(row: str, model: str, seed: int, folder: Path) -> None:
    """Train a row from a seed and keep how far what was learned is from the truth."""
    file = file_of(folder, row, model, seed)
    if file.exists():
        return
    config = configuration(row, model, seed)
    dataset, true = earth(config, folder)
    table = split(dataset, config.model_copy(update={"seed": 0}))
    begun = time.process_time()
    with tempfile.TemporaryDirectory() as place:
        train(dataset, table, config, "cv", [0], place)
        trained = weights.load(Path(place, path("weights", experiment="cv", fold=0)))
        losses = pd.read_csv(Path(place, path("losses", experiment="cv", fold=0)))
    seconds = time.process_time() - begun
    unseen = np.flatnonzero(table["fold_0"] != "train")
    found = predict(trained, dataset.isel(cell=unseen), FIELDS, config.model.spin_up_passes)
    rows = [
        {"quantity": name, "value": value, "truth": reported({name: float(true[name])})[name]}
        for name, value in reported({name: float(found[name]) for name in CONSTANTS}).items()
    ]
    for one in rows:
        one["error"] = abs(one["value"] / one["truth"] - 1)
    area = dataset["area"].values[unseen]
    for name in FIELDS:
        p, t = monthly_means(found[name].transpose("cell", "time")).values, true[name].values[unseen]
        if OUTPUTS[name].centred:
            p, t = (side - side.mean(1, keepdims=True) for side in (p, t))
        mean = float(np.average(t.mean(1), weights=area))
        scale = np.sqrt(np.average(((t - mean) ** 2).mean(1), weights=area))
        error = np.sqrt(np.average(((p - t) ** 2).mean(1), weights=area)) / scale
        level = (
            float(np.average(p.mean(1), weights=area)) / scale
            if name not in ("soil_moisture", "groundwater")
            else np.nan
        )
        rows.append({"quantity": name, "value": level, "truth": mean / scale, "error": error})
    total = losses.query("cells == 'validation' and constraint == 'total'")["loss"]
    more = {"cpu_seconds": seconds, "epochs": len(total), "loss": total.min()}
    file.parent.mkdir(parents=True, exist_ok=True)
    with whole(file) as part:
        pd.DataFrame(rows).assign(**more).to_csv(part, index=False, float_format="%.6g")
    print(
        f"{row}, {model}, seed {seed}: {seconds:.0f} CPU-seconds, {len(total)} epochs, loss {total.min():.3f}",
        flush=True,
    )


def collected(folder: Path) -> pd.DataFrame:
    """One row for each row, model and quantity: median value and error, spread, number of seeds, CPU-seconds of a training."""
    lines = []
    for row in ROWS:
        for model in MODELS:
            files = sorted((folder / file_of(folder, row, model, 0).parent.name).glob(f"{model}_seed_*.csv"))
            if not files:
                continue
            every = pd.concat([pd.read_csv(file).assign(seed=k) for k, file in enumerate(files)])
            for name, one in every.groupby("quantity", sort=False):
                scale = abs(one["truth"].iloc[0]) if name in CONSTANTS else 1.0
                spread = one["value"].std(ddof=1) / scale if len(one) > 1 else np.nan
                lines.append(
                    {
                        "row": row,
                        "model": model,
                        "quantity": name,
                        "value": one["value"].median(),
                        "truth": one["truth"].iloc[0],
                        "error": one["error"].median(),
                        "spread": spread,
                        "seeds": len(one),
                        "cpu_seconds": one["cpu_seconds"].mean(),
                        "loss": one["loss"].median(),
                    }
                )
    return pd.DataFrame(lines)


def draw(table: pd.DataFrame, file: Path) -> None:
    """Quantities (rows) against data (columns), of each model error and spread as colour."""
    from cmcrameri import cm
    from matplotlib import pyplot as plt
    from matplotlib.colors import LogNorm

    from h2cm.results.figures.style import DOUBLE, letters, use_style

    use_style()
    rows = [row for row in ROWS if row in set(table["row"])]
    models = [model for model in MODELS if model in set(table["model"])]
    quantities = [*CONSTANTS, *FIELDS]
    figure, axes = plt.subplots(
        2 * len(models), 1, figsize=(DOUBLE, 0.6 + 2.05 * 2 * len(models)), sharex=True, squeeze=False
    )
    for k, model in enumerate(models):
        for axis, what in zip(axes[2 * k : 2 * k + 2, 0], ("error", "spread"), strict=True):
            values = table[table["model"] == model].pivot(index="quantity", columns="row", values=what)
            values = values.reindex(index=quantities, columns=rows)
            mesh = axis.pcolormesh(values.clip(lower=0.01), cmap=cm.lipari_r, norm=LogNorm(0.01, 3))
            for (i, j), value in np.ndenumerate(values.values):
                if np.isfinite(value):
                    dark = value > 0.3
                    axis.text(
                        j + 0.5,
                        i + 0.5,
                        f"{value:.2f}" if value < 9.95 else f"{value:.0f}",
                        ha="center",
                        va="center",
                        fontsize=6,
                        color="white" if dark else "black",
                    )
            seeds = table[table["model"] == model]["seeds"]
            axis.set_title(f"{MODELS[model]}: {what} ({seeds.min()} to {seeds.max()} seeds)")
            axis.set_yticks(np.arange(len(quantities)) + 0.5, [short(name) for name in quantities])
            axis.invert_yaxis()
            axis.tick_params(length=0)
            figure.colorbar(mesh, ax=axis, extend="max", aspect=12, ticks=[0.01, 0.1, 1], format="%g")
    axes[-1, 0].set_xticks(np.arange(len(rows)) + 0.5, rows, rotation=40, ha="right", rotation_mode="anchor")
    letters(axes)
    figure.savefig(file, dpi=200, metadata={"Software": None})


def markdown(table: pd.DataFrame) -> str:
    """Constants by row and model: median of the seeds, and their error."""
    lines = [
        "| data | model | seeds | " + " | ".join(short(n).replace("$", "") for n in CONSTANTS) + " | Rh | T | NPP |"
    ]
    lines.append("| --- " * (len(CONSTANTS) + 6) + "|")
    for (row, model), one in table.groupby(["row", "model"], sort=False):
        by = one.set_index("quantity")
        cells = [
            f"{by.loc[n, 'value']:.3g}"
            + (f" ± {by.loc[n, 'spread'] * by.loc[n, 'truth']:.2g}" if by.loc[n, "seeds"] > 1 else "")
            for n in CONSTANTS
        ]
        cells += [f"{by.loc[n, 'error']:.2f}" for n in ("heterotrophic_respiration", "transpiration", "npp")]
        lines.append(f"| {row} | {MODELS[model]} | {int(one['seeds'].iloc[0])} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


def intervals_at_towers(folder: Path, row: str = "recipe") -> pd.DataFrame:
    """Coverage at the test towers of intervals calibrated at the validation towers of each fold (`h2cm.results.evaluate.intervals`).

    Parameters
    ----------
    folder : Path
        Of ``benchmarks/towers.py``: what members of folds predict for towers they have not seen, and the store that they were trained
        with. The prediction of a fold is the mean of its seeds, that of a test tower the median of the folds.

    Returns
    -------
    DataFrame
        One line a flux: numbers of towers, share of months of the test towers (each tower weighs the same) within the central intervals,
        within those of the folds as they are, and the mean width of the interval of 90 %.
    """
    files = sorted((folder / row).glob("seed_*_fold_*.csv"))
    every = pd.concat(
        [pd.read_csv(file, parse_dates=["month"]).assign(fold=int(file.stem.rpartition("_")[2])) for file in files]
    )
    mean = every.groupby(["role", "fold", "site", "month"])[["gpp", "nee", "et"]].mean()
    cells = xr.load_dataset(next(iter(sorted(folder.glob("store_*.nc")))))
    sites_of, months_of = cells["site"].values.astype(str), cells["month"].values
    observed = {
        flux: pd.DataFrame(cells[flux].transpose("cell", "month").values, sites_of, months_of)
        for flux in ("gpp", "nee", "et")
    }
    igbp = pd.Series(cells["igbp"].values.astype(str), sites_of)
    names = sorted(set(igbp))
    lines = []
    for flux in ("gpp", "nee", "et"):
        table = mean[flux].loc["validation"].groupby(["site", "month"]).mean().unstack("month")
        target = observed[flux].loc[table.index, table.columns].values
        sites = table.index
        months = local_month(table.columns.month.values, np.ones(len(sites)))
        number = igbp[sites].map(names.index).values
        found, _ = offsets(target - table.values, np.ones(len(sites)), number, months, len(names))
        held_out = mean[flux].loc["test"]
        folds = np.stack([held_out.loc[k].unstack("month").values for k in held_out.index.unique("fold")])
        tests = held_out.loc[held_out.index.unique("fold")[0]].unstack("month").index
        target = observed[flux].loc[tests, table.columns].values
        around = found[igbp[tests].map(names.index).values[:, None], months[:1].repeat(len(tests), 0)]
        error = target - np.median(folds, 0)
        there = np.isfinite(error)
        line = {
            "flux": flux,
            "calibrated at": int(np.isfinite(table.values).any(1).sum()),
            "tested at": int(there.any(1).sum()),
        }
        for cover in COVERAGES:
            low, high = (LEVELS.index(round(0.5 + side * cover / 2, 2)) for side in (-1, 1))
            inside = np.where(there, (error >= around[..., low]) & (error <= around[..., high]), np.nan)
            raw = np.quantile(folds, [LEVELS[low], LEVELS[high]], axis=0)
            within = np.where(there, (target >= raw[0]) & (target <= raw[1]), np.nan)
            line[f"within {cover:.0%}"] = np.nanmean(np.nanmean(inside[there.any(1)], 1))
            line[f"folds within {cover:.0%}"] = np.nanmean(np.nanmean(within[there.any(1)], 1))
            if cover == max(COVERAGES):
                line["width"] = float(np.mean((around[..., high] - around[..., low])[there]))
                each = dict(zip(tests, np.nanmean(np.where(there.any(1)[:, None], inside, 1.0), 1), strict=True))
                line["least"] = ", ".join(f"{s} {v:.2f}" for s, v in each.items() if v < 0.8)
        lines.append(line)
    return pd.DataFrame(lines)


def main() -> None:
    """See the description of the module."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("what", choices=("run", "figure", "profile", "towers"))
    parser.add_argument("--folder", type=Path, default=Path("results/benchmark_what_the_data_tell"))
    parser.add_argument("--rows", nargs="+", default=list(ROWS), choices=list(ROWS))
    parser.add_argument("--models", nargs="+", default=list(MODELS), choices=list(MODELS))
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--quantities", nargs="+", default=list(PROFILES), choices=list(PROFILES))
    parser.add_argument("--ends", action="store_true", help="of the values of a profile only the least and the largest")
    parser.add_argument("--towers", type=Path, default=Path("results/benchmark_towers"))
    parser.add_argument("--picture", type=Path, default=Path("docs/what-the-data-tell.png"))
    given = parser.parse_args()
    logging.basicConfig(level=logging.WARNING)
    torch.set_num_threads(1)
    if given.what == "towers":
        print(intervals_at_towers(given.towers).to_markdown(index=False, floatfmt=".2f"))
        return
    if given.what == "figure":
        table = collected(given.folder)
        table.to_csv(given.folder / "table.csv", index=False, float_format="%.4g")
        draw(table, given.picture)
        print(markdown(table))
        return
    given.folder.mkdir(parents=True, exist_ok=True)
    if given.what == "profile":
        for model in given.models:
            profile(model, given.quantities, given.ends, given.folder)
        return
    for seed in given.seeds:
        for model in given.models:
            for row in given.rows:
                run(row, model, seed, given.folder)


if __name__ == "__main__":
    main()
