"""Which figures there are, of which source of data, and what they read. A figure is one module and one row here."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from functools import partial

from h2cm.config import Config, ConfigError, profiles, sweeps
from h2cm.results.evaluate.sweep import free_of_priors
from h2cm.results.paths import evaluated, files, folds, main_experiment
from h2cm.results.run import constraint_of, in_unseen_years, measured_days, series_constraints, shown
from h2cm.results.summaries.rain_response import has_days
from h2cm.results.summaries.registry import ANY, GRIDDED, summary_files
from h2cm.results.summaries.water_balance import has_balance
from h2cm.sources.catalogue import simulations
from h2cm.vocabulary import VARIABLES


def with_priors(config: Config) -> list[str]:
    """The experiments with priors that are predicted with and have one beside them that is the same without; none without a sweep."""
    found = [name for name in evaluated(config) if config.experiments[name].priors and free_of_priors(config, name)]
    return found if sweeps(config) else []


def several_folds(config: Config) -> tuple[int, ...]:
    """The folds of the first experiment, where there are at least two; else none."""
    found = folds(config, main_experiment(config))
    return found if len(found) > 1 else ()


def flux_references(config: Config) -> list[str]:
    """The constraints that show how large GPP and NEE are."""
    return [name for flux in ("gpp", "nee") if (name := constraint_of(config, flux, level=True))]


@dataclass(frozen=True)
class Figure:
    """One figure.

    Attributes
    ----------
    sources : tuple of str
        Sources of data of which it can be drawn.
    reads : tuple of str
        Kinds of small files (see `h2cm.results.paths.files`).
    caption : str
        What is shown, in a sentence or two.
    needs : callable, optional
        What it shows of the constraints of a run; a run of which that is nothing does not have the figure.
    summaries : tuple of str
        Of `h2cm.results.summaries.registry`: read for all for whom a run has them.
    detail : str
        What follows the caption in the text beside the figure: a template, whose names in braces `draw` gives as facts.
    module : str
        Module that draws it, if that has not the figure's name; several figures may have one.
    options : dict
        What that module's ``draw`` is told beside folder and configuration.
    """

    sources: tuple[str, ...]
    reads: tuple[str, ...]
    caption: str
    needs: Callable[[Config], Collection[str]] | None = None
    summaries: tuple[str, ...] = ()
    detail: str = ""
    module: str = ""
    options: Mapping[str, object] = field(default_factory=dict)

    def text(self, facts: Mapping[str, object]) -> str:
        """The whole caption; KeyError where the figure does not state a fact that it asks for."""
        return f"{self.caption} {self.detail.format_map(facts)}".strip()

    def fits(self, config: Config) -> bool:
        """Whether it can be drawn of a run."""
        return config.source in self.sources and (self.needs is None or bool(self.needs(config)))


_WHERE = "Period {period}."
_BAND = "Shading spans the {folds} folds, the line is their median"


def _constraints(config: Config, name: str) -> list[str]:
    return [name] if name in series_constraints(config) else []


FIGURES: dict[str, Figure] = {
    "carbon_cycle": Figure(
        ANY,
        (),
        "The carbon cycle of H2CM, drawn from its equations. Thick arrows are fluxes; beneath the name of each stands what its "
        "equation takes besides other fluxes. Below, the equations as they are computed; temperatures are in kelvin.",
        detail="{equations} equations, {learned} parameters learned by networks.",
    ),
    "architecture": Figure(
        ANY,
        (),
        "The architecture of H2CM, drawn from the tables of its networks, equations and constraints: which network sees what and "
        "learns what, what the equations give each day, and what of it is compared with data each month. Dashed arrows: the "
        "gradient, in training.",
        detail="{networks} networks, {equations} equations, {constraints} constraints.",
    ),
    "metrics_carbon": Figure(
        GRIDDED,
        ("split", "metrics"),
        "Performance for carbon fluxes, area-weighted mean over the test cells. Bars span the folds, lines are their mean.",
        partial(shown, groups=("carbon",)),
        detail="Folds: {numbers}. {test_cells} test cells, {period}. Dashed lines mark the perfect value.",
        module="metrics",
        options={"groups": ("carbon",)},
    ),
    "flux_maps": Figure(
        GRIDDED,
        ("grid", "split"),
        "Mean annual GPP and NEE: reference, H2CM and all others that predict them, each the median of its members.",
        flux_references,
        ("compared",),
        "Averages over {years}, in the months of the references ({references}). Members: {members}. {cells} land cells.",
    ),
    "efficiencies": Figure(
        GRIDDED,
        ("grid", "split"),
        "Precipitation-, water-, carbon- and light-use efficiency of H2CM, from mean annual values; median of the folds.",
        None,
        ("means",),
        "{folds} folds, {cells} land cells, {period}. APAR is fAPAR times photosynthetically active radiation, for which "
        "{par} times the net radiation stands where that is positive.",
    ),
    "seasonal_cycles": Figure(
        GRIDDED,
        ("split",),
        "Mean seasonal cycles of net ecosystem exchange, gross primary productivity and respiration, of all land and of "
        "TransCom regions. Shading spans folds or members, lines are their medians.",
        flux_references,
        ("cycles", "regions"),
        "Members: {members}. Compared in the months of the references: {years}; no reference: {without}. R² (squared Pearson "
        "correlation) and RMSE of the cycle against the reference: medians of the members. Regions: {regions_source}. The "
        "vertical scales differ.",
    ),
    "rain_response": Figure(
        GRIDDED,
        ("grid", "split"),
        "Carbon fluxes and the rain season: a) NEE of December less that of August; b) daily NEE, NPP, heterotrophic "
        "respiration and precipitation of the cell framed in red.",
        has_days,
        ("rain_response",),
        "Medians of {folds} folds, shading their range; a) mean of {period}; b) September to December {year}, cell of "
        "{resolution}° at {place}. Rain hangs from above.",
    ),
    "split_map": Figure(
        GRIDDED,
        ("grid", "split"),
        "Training, validation and test cells of each fold; the test set is the same for all folds.",
        detail="{folds_drawn} folds of {smallest} to {largest} validation cells, {test_cells} test cells, {cells} land cells.",
    ),
    **{
        f"series_{row.name}": Figure(
            GRIDDED,
            ("split",),
            f"{row.long_name.partition(',')[0].capitalize()}: area-weighted mean over the test cells, monthly, mean seasonal "
            "cycle and monthly anomaly.",
            partial(_constraints, name=row.name),
            ("series",),
            "{name}, {months}, {test_cells} test cells. " + _BAND + "; of all others the median.",
            module="series",
            options={"constraint": row.name},
        )
        for row in VARIABLES.values()
        if row.role == "constraint" and "month" in row.dims
    },
    "metrics_water": Figure(
        GRIDDED,
        ("split", "metrics"),
        "Performance for vegetation, water storages and fluxes, area-weighted mean over the test cells. Bars span the folds, "
        "lines are their mean.",
        partial(shown, groups=("water", "vegetation")),
        detail="Folds: {numbers}. {test_cells} test cells, {period}. Dashed lines mark the perfect value.",
        module="metrics",
        options={"groups": ("water", "vegetation")},
    ),
    "flux_differences": Figure(
        GRIDDED,
        ("grid", "split"),
        "Differences of mean annual GPP and NEE to the reference, of medians of the members.",
        flux_references,
        ("compared",),
        "Averages over {years}, in the months of the references ({references}). Members: {members}. {cells} land cells.",
    ),
    **{
        f"unseen_years_{name}": Figure(
            GRIDDED,
            ("split", "metrics"),
            "Performance in years that the spatio-temporal split leaves out of training, spatial against spatio-temporal "
            f"split: {what}.",
            partial(in_unseen_years, groups=groups),
            detail="{names} on the same {test_cells} test cells in {years}; the spatio-temporal split is trained on "
            "{train_years}. Boxes are quartiles, whiskers the range of {folds} folds. Dashed lines mark the perfect value.",
            module="unseen_years",
            options={"groups": groups},
        )
        for name, what, groups in (
            ("carbon", "carbon fluxes", ("carbon",)),
            ("water", "vegetation, water storages and fluxes", ("water", "vegetation")),
        )
    },
    "priors": Figure(
        GRIDDED,
        ("split", "prior_sweep"),
        "Global constants with and without prior (numbers are folds), and, against the width σ of the priors, the constants and "
        "the losses: medians of the folds, thin lines are single folds.",
        with_priors,
        ("constants",),
        "Widths swept: {multiples} times that of the experiment, with {swept}. The data win, which is that the constant is nearer "
        "to its value without prior than half of the way to the prior's mean: {won}. " + _WHERE,
    ),
    "profiles": Figure(
        ANY,
        ("split", "profiles"),
        "What the constraints say against each value at which a quantity is held: their loss at the validation cells after training on until "
        "it has converged again, less that with nothing held (diamond), in units of its spread over seeds. Lines: medians, dots: "
        "folds and members.",
        profiles,
        (),
        "{trained} folds, {members} members. Identified: the values below two spreads (shaded) end on both sides; weakly: on one; not: on "
        "none. {said}. " + _WHERE,
    ),
    "region_map": Figure(
        GRIDDED,
        ("grid",),
        "The land regions of TransCom-3 (Baker et al., 2006) that fluxes are averaged over.",
        None,
        ("regions",),
        "{cells} land cells, {outside} of them in no region. Map: {source}.",
    ),
    "rain_pulse": Figure(
        GRIDDED,
        ("grid", "split", "metrics"),
        "The first rain on dry soil: precipitation, heterotrophic respiration, NPP and NEE from 10 days before to 20 days after. "
        "Means over all first rains by area, median of the folds, shading their range.",
        has_days,
        ("rain_pulse",),
        "{rule} {events} first rains in {dry_cells} dry cells of {cells}, {folds} folds, {period}. {pulse} {verdict}",
    ),
    "fold_spread": Figure(
        GRIDDED,
        ("grid", "split"),
        "Uncertainty from training: standard deviation over the folds of the mean of each flux. Above each map its mean over the "
        "land by area, and that in per cent of the mean of the flux.",
        several_folds,
        ("means",),
        "{fluxes} fluxes, {folds} folds, {cells} land cells, {period}. The scales differ.",
    ),
    "water_balance": Figure(
        GRIDDED,
        ("grid", "split"),
        "Closure of the water balance: precipitation less evapotranspiration less runoff less the change of the storage, against "
        "the precipitation with corrected snowfall and against that of the forcing; maps are the median of the folds.",
        has_balance,
        ("water_balance",),
        "{folds} folds, {cells} land cells, {period}. Largest residual against corrected precipitation: {corrected} mm year⁻¹ summed "
        "in double, {single} mm year⁻¹ in single precision, {worst_day} mm on a single day (daily values are stored in single "
        "precision). Against the precipitation of the forcing {snow} mm year⁻¹ are left on average: the correction of snowfall.",
    ),
    "published_simulations": Figure(
        ("products", "published"),
        ("grid", "split"),
        "H2CM less the simulations that the study's authors published: means of the carbon fluxes over the months that both have.",
        simulations,
        ("published_simulations",),
        "Median of {folds} folds, {cells} land cells, {months}. Above each map the mean difference by area.",
    ),
    "constants": Figure(
        ANY,
        ("split",),
        "Learned global constants; each point is a fold.",
        summaries=("constants",),
        detail="Folds: {numbers}. " + _WHERE,
    ),
    "training_curves": Figure(
        ANY,
        ("split", "losses"),
        "Training and validation loss of each fold, in total and by constraint; circles mark the epoch whose weights are used.",
        detail="{folds} folds, at most {epochs} epochs.",
    ),
    "maps": Figure(
        GRIDDED,
        ("grid", "split"),
        "Mean of the target, of the prediction (median of the folds) and their difference, over the same months.",
        partial(shown, level=True),
        ("compared",),
        "{folds} folds, {cells} land cells. " + _WHERE,
    ),
    "recovery": Figure(
        ("twin",),
        ("grid", "split"),
        "Against the truth of the synthetic Earth: what no constraint shows, and efficiencies; maps (median of the folds) and "
        "test cells.",
        None,
        ("means",),
        "{folds} folds, {cells} land cells, {test_cells} of them test cells (right; bars are the range of the folds). "
        + _WHERE,
    ),
    "reliability": Figure(
        ANY,
        ("split",),
        "Whether the intervals hold where no model was trained or validated: above, the share of values of the test cells, by area, "
        "below each quantile, calibrated (lines) and as the folds have it (dotted); below, per cent within the interval of 90 %.",
        series_constraints,
        ("intervals",),
        "{folds} folds, {test_cells} test cells, {period}. Calibrated by what was observed at cells that the fold's model was not "
        "trained on, for each land cover and month with enough of them; of what nobody observes, the spread of the folds times the "
        "factor that the observed fluxes need. Fewer than 80 % are within: {failing}.",
    ),
    "applicability": Figure(
        ANY,
        ("grid", "split", "metrics"),
        "How unlike cells are, in attributes and climate, to those trained on (Meyer and Pebesma, 2021), and the errors of models that "
        "have not seen them. Crosses, and right of the dashed line: outside of the area of applicability.",
        series_constraints,
        ("applicability",),
        "{predictors} attributes and statistics of the forcing, which weigh the same; {outside} of {cells} cells are further than "
        "{limit} from all that is trained on. Error: RMSE of the months over its median of the cells, mean over the constraints; its median "
        "inside {inside_error}, outside {outside_error}.",
    ),
    "tower_map": Figure(
        ("towers",),
        ("grid", "split"),
        "The towers, their land-cover class (IGBP) and their role.",
        detail="{cells} towers, {test_cells} of them in the test set. Marks of neighbours are set apart, lines lead to their "
        "places.",
    ),
    "tower_series": Figure(
        ("towers",),
        ("grid", "split"),
        "Monthly fluxes at towers that the model did not see in training, one of each land-cover class.",
        partial(shown, fluxes=True),
        ("towers",),
        "{towers} of {cells} towers; the last years of each record. NSE of the whole record.",
    ),
    **{
        f"tower_cycles_{group}": Figure(
            ("towers",),
            ("grid", "split"),
            f"Mean seasonal cycles of {group} fluxes at all towers, predicted by models that did not see the tower in training.",
            partial(shown, groups=(group,), fluxes=True),
            ("towers",),
            "{towers} towers, in the observed months of {period}.",
            module="tower_cycles",
            options={"group": group},
        )
        for group in ("carbon", "water")
    },
    "tower_days": Figure(
        ("towers",),
        ("grid", "split"),
        "Daily fluxes at towers where days were measured, by models trained on monthly values that did not see the tower: a year, with "
        "the standard uncertainty of the measurement; the departure from the smoothed seasonal cycle around rain after dry days; and "
        "the correlation of these departures at each tower (asterisk: of the test set).",
        measured_days,
        ("tower_days",),
        "{towers} towers of {cells}. {rule} {rains} of them with enough measured days of {flux}.",
    ),
    "skill_by_land_cover": Figure(
        ("towers",),
        ("grid", "split", "metrics"),
        "Skill for monthly fluxes at left-out towers by land-cover class; lines are medians.",
        partial(shown, fluxes=True),
        detail="{towers} towers. The axis of NSE is that of 1 / (2 − NSE).",
    ),
}
"""In the order of the paper: its figures, those of its appendices, then others."""


def figure_names(config: Config) -> list[str]:
    """The figures of a run: those it lists, or all that can be drawn of its source of data and its constraints.

    Raises
    ------
    ConfigError
        Where a listed figure does not exist or cannot be drawn of this run.
    """
    for name in config.figures:
        if name not in FIGURES:
            raise ConfigError(f"figures: {name!r} is none of {', '.join(FIGURES)}")
        row = FIGURES[name]
        if config.source not in row.sources:
            raise ConfigError(f"figures: {name!r} is made of {' or '.join(row.sources)}, not of {config.source}")
        if not row.fits(config):
            raise ConfigError(f"figures: {name!r} shows none of the constraints {', '.join(config.constraints)}")
    return list(config.figures) or [name for name, row in FIGURES.items() if row.fits(config)]


def figure_inputs(name: str, config: Config) -> list[str]:
    """The files that a figure reads, relative to the folder of the run."""
    row = FIGURES[name]
    return files(row.reads, config) + summary_files(row.summaries, config)
