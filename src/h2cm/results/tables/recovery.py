"""How well the truth of the synthetic Earth is found again at the test cells, observed or not."""

from pathlib import Path

import pandas as pd

from h2cm.config import Config
from h2cm.model.h2cm import H2CM
from h2cm.results.evaluate.aggregate import over_folds
from h2cm.results.evaluate.recovered import constant_verdict, reason, verdict
from h2cm.results.run import Run
from h2cm.results.summaries.registry import TRUTH
from h2cm.vocabulary import reported

SHOWN = {
    "area_weighted_mean": ("monthly", "anomaly"),
    "spatial_pattern": ("mean",),
}
SPREAD = ("median", "minimum", "maximum")
METRICS = ("r", "nse", "sdr", "bias", "rmse")


def make(folder: Path, config: Config) -> pd.DataFrame:
    """Columns: experiment, variable, observed, quantity, median, minimum, maximum (over folds), truth (of constants), found, why.

    ``observed`` says whether a constraint of the experiment shows the variable. Rows of constants hold their values, all
    others a metric of the test cells against the truth. ``found`` is the verdict of `h2cm.results.evaluate.recovered` on
    constants and efficiencies, ``why`` what the data can say about it.
    """
    run = Run(folder, config)
    table = pd.concat([_constants(run), _metrics(run)], ignore_index=True)
    table["why"] = [reason(*row) for row in zip(table["variable"], table["observed"], strict=True)]
    return table[["experiment", "variable", "observed", "quantity", *SPREAD, "truth", "found", "why"]]


def _constants(run: Run) -> pd.DataFrame:
    true = {name: float(values[0]) for name, values in run.summary("constants", TRUTH).data_vars.items()}
    table = run.constants().melt(("experiment", "fold"), list(true), "variable", "value")
    spread = table.groupby(["experiment", "variable"], sort=False)["value"]
    spread = spread.agg(median="median", minimum="min", maximum="max").reset_index()
    spread.insert(2, "observed", False)
    spread.insert(3, "quantity", "value")
    spread["truth"] = spread["variable"].map(true)
    initial = reported({name: value.item() for name, value in H2CM().constants().items()})
    rows = zip(spread["variable"], spread["median"], spread["truth"], strict=True)
    spread["found"] = [constant_verdict(median, truth, initial[name]) for name, median, truth in rows]
    return spread


def _metrics(run: Run) -> pd.DataFrame:
    table = over_folds(run.metrics().query("reference == 'truth' and cells == 'test'"))
    chosen = [table[(table["scope"] == scope) & table["timescale"].isin(times)] for scope, times in SHOWN.items()]
    table = pd.concat(chosen)
    table = table[table["metric"].isin(METRICS)]
    table["quantity"] = (
        table["metric"]
        + " of the "
        + table["timescale"]
        + table["scope"].map({"area_weighted_mean": " area-weighted mean", "spatial_pattern": " in space"})
    )
    shown = {
        experiment: {run.config.constraints[c].prediction for c in row.constraints or run.config.constraints}
        for experiment, row in run.config.experiments.items()
    }
    table["observed"] = [v in shown[e] for e, v in zip(table["experiment"], table["variable"], strict=True)]
    efficient = table["metric"] == "nse"
    table["found"] = [verdict(m) if nse and m == m else "" for nse, m in zip(efficient, table["median"], strict=True)]
    return table[["experiment", "variable", "observed", "quantity", *SPREAD, "found"]]
