"""Mean seasonal cycles of carbon fluxes, of all land and of regions (Figure 6)."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import xarray as xr
from matplotlib import pyplot as plt
from matplotlib.lines import Line2D
from matplotlib.patches import Patch

from h2cm.config import Config
from h2cm.results.figures.drawing import Drawing, facts_of_run, read
from h2cm.results.figures.flux_maps import members_text, spans
from h2cm.results.figures.style import DOUBLE, MONTH_LETTERS, TARGET, band, letters, look, use_style
from h2cm.results.run import Run, constraint_of
from h2cm.results.summaries.cycles import FLUXES, GLOBAL
from h2cm.results.summaries.regions import NAMES
from h2cm.results.summaries.registry import OBSERVED
from h2cm.vocabulary import label, short

REGIONS = (7, 2, 3, 6)
"""Those of the study: Eurasian boreal, North American temperate, South American tropical, Southern Africa."""

TABLE = 9.5
"""Room to the right of the cycles for the table of metrics, months."""


def draw(folder: Path, config: Config) -> Drawing:
    """Draw the figure from the files in `folder`."""
    use_style()
    run = Run(folder, config)
    found = read(run, "cycles")
    observed = found.pop(OBSERVED)
    shown = [GLOBAL, *(r for r in REGIONS if r in observed["region"].values)]
    figure, axes = plt.subplots(len(shown), len(FLUXES), figsize=(DOUBLE, 1.45 * len(shown) + 0.75), squeeze=False)
    for axis_row, region in zip(axes, shown, strict=True):
        for axis, flux in zip(axis_row, FLUXES, strict=True):
            judged = [who for who, data in found.items() if f"{flux}_r2" in data]
            for who, data in reversed(found.items()):
                if flux in data:
                    band(axis, np.arange(1, 13), data[flux].sel(region=region).values, look(who, config).colour)
            if flux in observed:
                axis.plot(range(1, 13), observed[flux].sel(region=region).values, color=TARGET, linewidth=1.2, zorder=6)
            axis.set_title("Global" if region == GLOBAL else NAMES[region])
            axis.set_xticks(range(1, 13), MONTH_LETTERS)
            axis.set_xlim(0.5, 12.5 + (TABLE if judged else 0))
            axis.spines["bottom"].set_bounds(0.5, 12.5)
            axis.set_ylabel(label(flux))
            if judged:
                _table(axis, {who: found[who].sel(region=region) for who in judged}, flux, config)
    letters(axes)
    figure.align_ylabels()
    handles = [Line2D([], [], color=TARGET, linewidth=1.2, label="reference")]
    for who in found:
        row = look(who, config)
        handles.append((Patch(color=row.colour, alpha=0.3, linewidth=0), Line2D([], [], color=row.colour)))
    names = ["reference", *(look(who, config).name for who in found)]
    figure.legend(handles, names, loc="outside lower center", ncols=min(4, len(names)))
    fluxes = {flux: name for flux in FLUXES if (name := constraint_of(config, flux, level=True))}
    facts = {
        "years": spans(config, fluxes),
        "members": members_text({who: data.sizes["member"] for who, data in found.items()}, config),
        "regions_source": run.summary("regions", OBSERVED).attrs["source"],
        "without": ", ".join(short(flux) for flux in FLUXES if flux not in fluxes) or "none",
    }
    parts = {f"{flux}_observed": data for flux, data in observed.data_vars.items()}
    for who, data in found.items():
        parts |= {f"{n}_{who}": v.rename(member=f"member_{who}") for n, v in data.data_vars.items()}
    return Drawing(figure, xr.Dataset(parts).sel(region=shown), facts_of_run(run) | facts)


def _table(axis, found: dict[str, xr.Dataset], flux: str, config: Config) -> None:
    """R² and RMSE of each, in its colour, at the right of the panel; medians of the members."""
    lines = [("R²", "RMSE", "black")]
    for who, data in found.items():
        r2, rmse = (float(np.nanmedian(data[f"{flux}_{m}"])) for m in ("r2", "rmse"))
        lines.append((f"{r2:.2f}", f"{rmse:.2f}", look(who, config).colour))
    step = min(0.17, 0.95 / len(lines))
    left = 12.5 / (12 + TABLE)
    for k, (r2, rmse, colour) in enumerate(lines):
        for x, text in ((left + 0.15, r2), (0.99, rmse)):
            axis.text(
                x, 0.97 - k * step, text, color=colour, fontsize=7, ha="right", va="top", transform=axis.transAxes
            )
