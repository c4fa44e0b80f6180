"""The loss: each comparison against plain NumPy, and the defects of the published loss one by one (MODEL.md 6)."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from climates import PAPER_CONSTRAINTS, climate, make_store, model_for
from h2cm.comparisons import COMPARISONS, Calendar
from h2cm.config import Constraint, Experiment, Prior, parse
from h2cm.store import DataError
from h2cm.train.data import load, statistics
from h2cm.train.loop import Objective, build_fold
from h2cm.train.loss import constraint_losses, prior_losses, ratio_of_means, required_outputs
from h2cm.vocabulary import RATIOS


def calendar(months: np.ndarray) -> Calendar:
    """For calendar months 0-11."""
    return Calendar(torch.eye(12, dtype=torch.float64)[months], torch.full((len(months),), 30.0, dtype=torch.float64))


def compare(kind, p, y, observed, area, months: Calendar):
    """The loss of a comparison, as training makes it of prediction and target."""
    row = COMPARISONS[kind]
    return row.loss(*row.compared(p - y, observed, months), area)


def referee(kind, p, y, area, months):
    """The comparison in plain loops over cells and months; NaN in `y` is not observed."""
    errors, weights, anomalies = [], [], np.full(p.shape, np.nan)
    for c in range(len(p)):
        seen = np.isfinite(y[c])
        if not seen.any():
            continue
        a, b = p[c, seen], y[c, seen]
        cycle = {m: (a[months[seen] == m].mean(), b[months[seen] == m].mean()) for m in set(months[seen])}
        anomalies[c, seen] = [(x - cycle[m][0]) - (z - cycle[m][1]) for x, z, m in zip(a, b, months[seen])]
        if kind == "monthly":
            errors.append(np.mean((a - b) ** 2))
        if kind == "monthly_centred":
            errors.append(np.mean(((a - a.mean()) - (b - b.mean())) ** 2))
        if kind == "mean_seasonal_cycle":
            errors.append(np.mean([(u - v) ** 2 for u, v in cycle.values()]))
        weights.append(area[c])
    if kind == "spatial_mean_anomaly":
        series = []
        for m in range(p.shape[1]):
            seen = np.isfinite(anomalies[:, m])
            if seen.any():
                series.append(np.average(anomalies[seen, m], weights=area[seen]) ** 2)
        return np.mean(series) if series else 0.0
    return np.mean(errors) if errors else 0.0


@settings(max_examples=60, deadline=None)
@given(
    kind=st.sampled_from([k for k in COMPARISONS if k != "mean_ratio"]),
    seed=st.integers(0, 100_000),
    n_months=st.integers(1, 40),
    gaps=st.sampled_from([0.0, 0.3, 0.9, 1.0]),
)
def test_comparisons_equal_plain_loops_whatever_the_gaps_and_the_length(kind, seed, n_months, gaps):
    """Any number of months, any first month, whole cells and whole data sets without a value."""
    rng = np.random.default_rng(seed)
    months = (np.arange(n_months) + rng.integers(12)) % 12
    p, y = rng.normal(size=(2, 5, n_months))
    y[rng.random(y.shape) < gaps] = np.nan
    area = rng.uniform(1, 3, 5)
    seen = np.isfinite(y)
    tensors = (torch.tensor(p, requires_grad=True), torch.tensor(np.where(seen, y, 0)), torch.tensor(seen).double())
    found = compare(kind, *tensors, torch.tensor(area), calendar(months))
    assert float(found.detach()) == pytest.approx(referee(kind, p, y, area, months), rel=1e-9, abs=1e-12)
    (gradient,) = torch.autograd.grad(found, tensors[0])
    assert torch.isfinite(gradient).all()
    assert (gradient[~torch.tensor(seen)] == 0).all()


def test_a_trend_and_a_missing_year_make_no_bias_in_the_cycle():
    """The published loss averages the prediction over all years and the target over the observed ones."""
    months = np.arange(36) % 12
    truth = np.cos(months * np.pi / 6) + np.arange(36) * 0.1
    target = np.tile(truth, (2, 1))
    target[:, 24:] = np.nan
    args = [
        torch.tensor(np.tile(truth, (2, 1))),
        torch.tensor(np.nan_to_num(target)),
        torch.tensor(np.isfinite(target)).double(),
    ]
    assert float(compare("mean_seasonal_cycle", *args, torch.ones(2).double(), calendar(months))) < 1e-24
    half_a_year_twice = np.r_[np.arange(6), np.arange(6)]
    cycle = torch.tensor(np.tile(np.r_[np.zeros(6), np.ones(6)], (1, 1)))
    same = compare(
        "mean_seasonal_cycle",
        cycle,
        torch.full((1, 12), 0.5).double(),
        torch.ones(1, 12).double(),
        torch.ones(1).double(),
        calendar(half_a_year_twice),
    )
    assert float(same) == 0  # January to June of two years, averaged over the two; not one year of twelve months


def test_missing_values_do_not_weigh_in_the_spatial_mean():
    months = np.arange(24) % 12
    rng = np.random.default_rng(0)
    p, y = rng.normal(size=(2, 3, 24))
    one = np.where(np.arange(3)[:, None] == 0, y, np.nan)
    args = lambda p, y: (torch.tensor(p), torch.tensor(np.nan_to_num(y)), torch.tensor(np.isfinite(y)).double())  # noqa: E731
    area = torch.tensor([1.0, 5.0, 9.0]).double()
    kind = "spatial_mean_anomaly"
    alone = compare(kind, *args(p[:1], y[:1]), area[:1], calendar(months))
    assert float(compare(kind, *args(p, one), area, calendar(months))) == pytest.approx(float(alone))
    assert float(compare(kind, *args(p, np.full_like(y, np.nan)), area, calendar(months))) == 0


def test_cells_without_photosynthesis_have_a_finite_gradient():
    """Mean GPP of exactly 0: the published ratio gives a finite loss and NaN gradients."""
    gpp = torch.tensor([[0.0, 0.0], [0.05, 0.1], [1.0, 3.0]], dtype=torch.float64, requires_grad=True)
    npp = (0.4 * gpp.detach()).requires_grad_()
    ratio = ratio_of_means(npp, gpp, calendar(np.array([0, 1])), RATIOS["cue"])
    np.testing.assert_allclose(ratio.detach(), [0.5, 0.5, 0.4])
    gradients = torch.autograd.grad(ratio.sum(), [gpp, npp])
    assert all(torch.isfinite(g).all() for g in gradients)
    assert all((g[:2] == 0).all() and (g[2] != 0).all() for g in gradients)


@pytest.mark.parametrize("kind", ["frozen", "dry", "dark"])
def test_climates_without_photosynthesis_train(kind):
    """All gradients of the whole model stay finite where GPP is 0 in every cell."""
    rng = np.random.default_rng(3)
    forcing, static = climate(kind, 3, 62, rng), rng.normal(size=(3, 4)).astype("f4")
    if kind == "frozen":
        forcing[..., 0] = -30
    model = model_for(forcing, static)
    daily, _ = model(torch.as_tensor(forcing), torch.as_tensor(static), outputs=("gpp", "npp", "nee", "tws"))
    assert float(daily["gpp"].detach().max()) == 0
    monthly = {k: v @ torch.eye(2).repeat_interleave(31, 0) / 31 for k, v in daily.items()}
    targets = {"cue": torch.tensor([0.4, 0.5, float("nan")]), "nee": torch.randn(3, 2), "tws": torch.randn(3, 2)}
    rows = {"cue": ("cue", "mean_ratio"), "nee": ("nee", "monthly"), "tws": ("tws", "monthly_centred")}
    rows = {k: Constraint(prediction=p, compare=c) for k, (p, c) in rows.items()}
    losses = constraint_losses(
        monthly,
        targets,
        torch.ones(3),
        Calendar(torch.eye(12)[:2], torch.full((2,), 31.0)),
        rows,
        dict.fromkeys(rows, 1.0),
    )
    sum(losses.values()).backward()
    for name, parameter in model.named_parameters():
        assert parameter.grad is None or torch.isfinite(parameter.grad).all(), name


def test_priors_are_those_of_appendix_e():
    constants = {"beta_co2": torch.tensor(0.0020), "q10": torch.tensor(1.2)}
    losses = prior_losses(constants, {"beta_co2": Prior(mean=15.0, std=5.0), "q10": Prior(mean=1.5, std=0.3)})
    assert {k: round(float(v), 5) for k, v in losses.items()} == {"prior_beta_co2": 1.0, "prior_q10": 1.0}


@pytest.fixture(scope="module")
def setup():
    store = make_store()
    config = parse({"run": "test", "source": "twin", "constraints": PAPER_CONSTRAINTS, "model": {"backend": "eager"}})
    return store, config


def losses_on(store, config, cells):
    data = load(store, config, Experiment())
    fold = build_fold(0, config, "cv", data, statistics(data, torch.arange(8)), np.arange(8), np.arange(8, 12))
    objective = Objective(data, config, Experiment())
    part = objective.sampled.batch(cells)
    (prediction,) = objective.monthly([fold.model], [part])
    return fold, objective.losses(fold, prediction, part)


def test_a_gap_changes_its_own_constraint_only_and_nothing_becomes_nan(setup):
    """One missing TWS month, an fAPAR cell without any value: the published loss of the whole batch is NaN."""
    store, config = setup
    cells = torch.arange(6)
    _, before = losses_on(store, config, cells)
    holed = store.copy(deep=True)
    holed["tws"][2, 5] = np.nan
    holed["fapar"][3] = np.nan
    holed["nee_oco2"][:6] = np.nan
    fold, after = losses_on(holed, config, cells)
    assert all(np.isfinite(float(v.detach())) for v in after.values())
    assert after["nee_oco2"].item() == 0
    for name in ("swe", "et", "runoff", "gpp", "nee_carboscope", "cue"):
        assert float(after[name].detach()) == pytest.approx(float(before[name].detach()), rel=1e-6)
    after["total"].backward()
    assert all(torch.isfinite(p.grad).all() for p in fold.model.parameters())


def test_no_cell_outside_training_touches_a_statistic(setup):
    store, config = setup
    training = torch.arange(8)
    changed = store.copy(deep=True)
    for name in changed.data_vars:
        if "cell" in changed[name].dims:
            changed[name][8:] = changed[name][8:] * 7 + 100
    one, two = (statistics(load(s, config, Experiment()), training) for s in (store, changed))
    for name in ("forcing_mean", "forcing_std", "static_mean", "static_std"):
        np.testing.assert_array_equal(getattr(one, name), getattr(two, name))
    assert one.targets == two.targets


def test_years_of_a_constraint_and_of_an_experiment_are_kept_to(setup):
    store, config = setup
    values = config.model_dump()
    values["constraints"]["gpp"]["years"] = (2002, 2002)
    later = parse(values)
    target = load(store, later, Experiment()).targets["gpp"]
    assert torch.isnan(target[:, :12]).all() and torch.isfinite(target[:, 12:]).any()
    first = load(store, config, Experiment(train_years=(2001, 2001)))
    assert first.forcing.shape[1] == 365 and len(first.months) == 12 and first.targets["gpp"].shape[1] == 12


def test_monthly_means_are_means_of_the_days(setup):
    store, config = setup
    data = load(store, config, Experiment())
    means = data.forcing[..., 2] @ data.averaging()
    expected = store["air_temperature"].resample(time="MS").mean()
    np.testing.assert_allclose(means, expected.transpose("cell", "time"), rtol=1e-6)


def test_any_ratio_is_scored_by_its_own_sides_floor_and_neutral_value():
    """GPP 4 gC m-2 day-1 of 1 mm day-1 transpired is a water-use efficiency of 4 gC kg-1, whatever NPP is."""
    months = calendar(np.array([0, 1]))
    predictions = {
        "gpp": torch.full((3, 2), 4.0).double(),
        "npp": torch.full((3, 2), 2.0).double(),
        "transpiration": torch.tensor([[1.0, 1.0], [2.0, 2.0], [0.01, 0.0]]).double(),
    }
    rows = {"wue": Constraint(prediction="wue", compare="mean_ratio")}
    assert set(required_outputs(rows)) == {"gpp", "transpiration"}

    def loss(*target):
        targets = {"wue": torch.tensor(target).double()}
        return float(constraint_losses(predictions, targets, torch.ones(3), months, rows, {"wue": 1.0})["wue"])

    assert loss(4.0, 2.0, RATIOS["wue"].neutral) == 0
    assert loss(0.5, 2.0, RATIOS["wue"].neutral) == pytest.approx(3.5**2 / 3)
    assert loss(float("nan"), 2.0, float("nan")) == 0


def compared_by_hand(kind: str, y: np.ndarray, months: np.ndarray) -> np.ndarray:
    """What a comparison compares, spread over the months of the series, NaN where not observed."""
    if y.ndim == 1:
        return y
    frame = pd.DataFrame(y.T)
    cycle = frame.groupby(months).transform("mean").where(frame.notna())
    made = {
        "monthly": frame,
        "monthly_centred": frame - frame.mean(),
        "mean_seasonal_cycle": cycle,
        "spatial_mean_anomaly": frame - cycle,
    }
    return made[kind].to_numpy().T


@pytest.mark.parametrize("name", PAPER_CONSTRAINTS)
def test_a_constraint_is_standardised_by_what_is_compared(setup, name):
    """Replacing the target by what is compared of it (its own anomaly, its own cycle) changes nothing in the loss.

    So a constraint weighs the same whether its source gives fluxes (products, synthetic Earth) or anomalies
    (published).
    """
    store, config = setup
    training = torch.arange(8)
    months = store["month"].dt.month.values
    other = store.copy(deep=True)
    other[name].values[:] = compared_by_hand(config.constraints[name].compare, store[name].values, months)
    if name == "nee_carboscope":  # the level and the cycle were of another size altogether
        assert store[name].values[:8][np.isfinite(store[name].values[:8])].std() > 1.02 * np.nanstd(other[name][:8])
    (_, one), (_, two) = (losses_on(s, config, torch.arange(8)) for s in (store, other))
    assert float(one[name].detach()) == pytest.approx(float(two[name].detach()), rel=2e-5)
    found = statistics(load(store, config, Experiment()), training).targets[name]
    values = compared_by_hand(config.constraints[name].compare, store[name].values[:8].astype(float), months)
    if config.constraints[name].compare == "mean_seasonal_cycle":  # 12 values a cell, however often each was observed
        values = np.stack([np.nanmean(values[:, months == m], 1) for m in range(1, 13)], 1)
    assert found == pytest.approx(np.nanstd(values), rel=1e-6)


def test_a_constraint_without_variation_is_refused_with_its_comparison(setup):
    store, config = setup
    flat = store.copy(deep=True)
    flat["nee_carboscope"].values[:] = 0.1 * np.sin(store["month"].dt.month.values)  # each year like the other
    with pytest.raises(DataError, match=r"nee_carboscope: .* for the comparison spatial_mean_anomaly"):
        statistics(load(flat, config, Experiment()), torch.arange(8))


def test_a_prediction_that_is_not_finite_is_not_taken_for_a_gap():
    rows = {"gpp": Constraint(prediction="gpp", compare="monthly")}
    predictions = {"gpp": torch.tensor([[float("nan"), 1.0]])}
    losses = constraint_losses(
        predictions, {"gpp": torch.ones(1, 2)}, torch.ones(1), calendar(np.array([0, 1])), rows, {"gpp": 1.0}
    )
    assert not torch.isfinite(losses["gpp"])
