"""Variants of the model and ways of training beside the paper's: same numbers by all backends, resumable to the bit."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import torch

import h2cm.train
from climates import make_store
from h2cm.config import ConfigError, Training, parse
from h2cm.model import GUIDANCES, build_model, weights
from h2cm.model.backends import check, fused, native
from h2cm.model.members import Members
from h2cm.model.networks import ACTIVATIONS, GUIDANCE, INVERSES
from h2cm.model.prediction import predict
from h2cm.model.ranges import GLOBAL_VALUES
from h2cm.train import boosting, guard, loop, train
from h2cm.train.data import load, own_spread, statistics
from h2cm.train.loss import constraint_losses
from h2cm.train.sampling import DAYS, Records, Years
from h2cm.train.schedule import clip, optimiser_of, share_of_rate

TOWERS = {
    "sampling": "years",
    "steps": 5,
    "warm_up_steps": 2,
    "clip_norm": 1.0,
    "weight_decay": 0.3,
    "decay_biases": False,
    "averaging": 0.9,
    "members": 2,
}


def configuration(variant="open", constraints=("gpp", "et"), **training):
    return parse(
        {
            "run": "test",
            "source": "twin",
            "constraints": {name: {"prediction": name, "compare": "monthly"} for name in constraints},
            "model": {"variant": variant},
            "training": {"batch_cells": 4, "device": "cpu"} | training,
            "split": {"folds": 2},
        }
    )


@pytest.fixture(scope="module")
def store():
    return make_store(cells=6, years=3)


@pytest.fixture(scope="module")
def split():
    return pd.DataFrame({"cell": range(6), "fold_0": ["train"] * 3 + ["validation"] * 2 + ["test"]})


def trained_weights(folder):
    return weights.load(folder / "training" / "cv" / "fold_0" / "model.safetensors")


@pytest.fixture(scope="module")
def trained(store, split, tmp_path_factory):
    folder = tmp_path_factory.mktemp("trained")
    train(store, split, configuration(**TOWERS), "cv", [0], folder)
    return folder


@pytest.mark.parametrize("backend", [native, fused])
def test_every_backend_runs_the_open_variant_as_its_equations_say(backend):
    model = build_model("h2cm", 3, variant="open")
    assert backend.unavailable(model, torch.zeros(1, 1, 5)) is None
    assert check.differences(backend.simulate, GUIDANCES["open"]) == []


def test_published_is_the_table_of_the_paper_and_open_differs_where_it_says():
    assert GUIDANCES["published"] is GUIDANCE and not GUIDANCE.starts
    published, opened = GUIDANCE.rows, GUIDANCES["open"].rows
    assert published.keys() == opened.keys()
    more = {name: set(opened[name].inputs) - set(row.inputs) for name, row in published.items()}
    assert more == {
        "static_parameters": set(),
        "hydrology": {"air_temperature"},
        "coupling": {"air_temperature", "fapar", "npp"},
        "vegetation": set(),
        "surface": {"air_temperature"},
    }


def test_activations_have_their_inverse():
    assert set(INVERSES) == set(ACTIVATIONS)
    values = {"sigmoid": [0.01, 0.5, 0.99], "softplus": [0.01, 1.0, 30.0]}
    for name, inverse in INVERSES.items():
        value = torch.tensor(values.get(name, [10.0, 150.0, 1000.0]), dtype=torch.float64)
        torch.testing.assert_close(ACTIVATIONS[name](inverse(value)), value)


def test_outputs_of_the_open_variant_start_near_usual_values_those_of_the_paper_where_they_fall():
    torch.manual_seed(0)
    forcing = torch.tensor([80.0, 3.0, 285.0, 6.0, 390.0]).expand(20, 30, 5) * (1 + 0.2 * torch.rand(20, 30, 5))
    static = torch.randn(20, 8)
    opened = build_model("h2cm", 8, backend="eager", variant="open")
    for model in (opened, build_model("h2cm", 8, backend="eager")):
        model.set_normalisation(forcing.mean((0, 1)), forcing.std((0, 1)), static.mean(0), static.std(0))
    with torch.no_grad():
        series, _ = opened(forcing, static)
        found = {name: float(v.mean()) for name, v in series.items() if name in opened.guidance.parameters}
        found |= {name: float(v.mean()) for name, v in opened.static_parameters(static)[0].items()}
    assert set(found) == set(GLOBAL_VALUES)
    for name, value in found.items():
        assert value == pytest.approx(GLOBAL_VALUES[name].initial, rel=0.6), name


def test_weights_say_their_variant_and_members(trained, store):
    file = trained / "training" / "cv" / "fold_0" / "model.safetensors"
    assert weights.read_metadata(file)["model"] == {
        "kind": "h2cm",
        "learned": [],
        "variant": "open",
        "units": 100,
        "members": 2,
    }
    model = weights.load(file)
    assert isinstance(model, Members) and all(m.variant == "open" for m in model.members)
    assert not torch.equal(*(m.networks["coupling"].fc1.weight for m in model.members))
    together = predict(model, store, ("gpp", "et"))
    alone = [predict(member, store, ("gpp", "et")) for member in model.members]
    for name in ("gpp", "et", "soil_moisture_capacity", "q10"):
        mean = (alone[0][name] + alone[1][name]) / 2
        np.testing.assert_allclose(together[name], mean, rtol=1e-5, atol=1e-6)


def test_the_first_member_is_the_fold_without_others(trained, store, split, tmp_path):
    train(store, split, configuration(**TOWERS | {"members": 1}), "cv", [0], tmp_path)
    alone, first = trained_weights(tmp_path), trained_weights(trained).members[0]
    assert all(torch.equal(v, first.state_dict()[k]) for k, v in alone.state_dict().items())


def test_a_killed_training_goes_on_to_the_same_weights(trained, store, split, tmp_path, monkeypatch):
    run_epoch = loop.run_epoch

    def killed(folds, objective, after_batch):
        if folds[0].epoch == 1:
            raise KeyboardInterrupt
        run_epoch(folds, objective, after_batch)

    monkeypatch.setattr(h2cm.train, "run_epoch", killed)
    with pytest.raises(KeyboardInterrupt):
        train(store, split, configuration(**TOWERS), "cv", [0], tmp_path)
    monkeypatch.setattr(h2cm.train, "run_epoch", run_epoch)
    train(store, split, configuration(**TOWERS), "cv", [0], tmp_path)
    one, two = (trained_weights(folder).state_dict() for folder in (trained, tmp_path))
    assert one.keys() == two.keys() and all(torch.equal(one[k], two[k]) for k in one)


def test_a_training_stopped_within_its_last_epoch_goes_on_to_the_same_weights(
    trained, store, split, tmp_path, monkeypatch
):
    """Four of five steps: the epoch ends with the last one, wherever training was taken up."""
    after_batch, calls = guard.Guard.after_batch, []

    def stopped(self):
        calls.append(self)
        self.asked = self.asked or len(calls) == 5  # three batches, the end of the epoch, one batch
        after_batch(self)

    monkeypatch.setattr(guard.Guard, "after_batch", stopped)
    with pytest.raises(SystemExit):
        train(store, split, configuration(**TOWERS), "cv", [0], tmp_path)
    monkeypatch.setattr(guard.Guard, "after_batch", after_batch)
    train(store, split, configuration(**TOWERS), "cv", [0], tmp_path)
    one, two = (trained_weights(folder).state_dict() for folder in (trained, tmp_path))
    assert all(torch.equal(one[k], two[k]) for k in one)


def test_years_give_the_monthly_means_and_targets_of_the_record(store):
    config = configuration()
    data = load(store, config, config.experiments["cv"])
    years, records = Years(data), Records(data, 1)
    samples = years.samples(torch.tensor([4, 1]))
    assert samples.tolist() == [[4, 0], [4, 1], [4, 2], [1, 0], [1, 1], [1, 2]]
    part, whole = years.batch(samples), records.batch(torch.tensor([4, 1]))
    for column in range(5):  # the forcing as the daily series
        found = part.means(part.forcing[..., column]).reshape(2, 36)
        torch.testing.assert_close(found, whole.means(whole.forcing[..., column]), rtol=1e-5, atol=1e-4)
    for name, target in whole.targets.items():
        torch.testing.assert_close(part.targets[name].reshape(2, 36), target, equal_nan=True)
    day = int(data.days.shape[0]) - 365  # first of the last year
    torch.testing.assert_close(part.forcing[2, :365], data.forcing[4, day:])
    torch.testing.assert_close(part.warm_up[2], data.forcing[4, day - DAYS : day])
    torch.testing.assert_close(part.warm_up[0], part.forcing[0])  # nothing is before the first year


def test_leap_years_keep_their_last_day():
    store = make_store(cells=2, years=4)
    config = configuration()
    data = load(store, config, config.experiments["cv"])
    years, records = Years(data), Records(data, 1)
    leap = [k for k, year in enumerate(years.of_year.tolist()) if year % 4 == 0]
    assert leap
    part, whole = years.batch(torch.tensor([[1, leap[0]]])), records.batch(torch.tensor([1]))
    means = whole.means(whole.forcing[..., 2])[:, 12 * leap[0] : 12 * leap[0] + 12]
    torch.testing.assert_close(part.means(part.forcing[..., 2]), means)


def test_a_year_without_any_observation_is_not_drawn(store):
    config = configuration()
    holed = store.copy(deep=True)
    for name in ("gpp", "et"):
        holed[name][2, 12:24] = np.nan
    years = Years(load(holed, config, config.experiments["cv"]))
    assert years.samples(torch.tensor([2])).tolist() == [[2, 0], [2, 2]]


def test_training_ends_with_the_last_step_and_keeps_it(trained):
    losses = pd.read_csv(trained / "training" / "cv" / "fold_0" / "losses.csv")
    # 3 cells of 3 years are 3 batches: 5 steps end within the second epoch
    assert losses.groupby("member")["epoch"].max().tolist() == [2, 2]
    last = losses.query("member == 0 and epoch == 2 and constraint == 'constant:q10'")["loss"].item()
    kept = trained_weights(trained).members[0]
    assert float(kept.constants()["q10"]) == pytest.approx(last, rel=1e-6)


def test_the_learning_rate_rises_and_falls():
    shares = [share_of_rate(step, 50, 10) for step in range(51)]
    assert np.argmax(shares) == 10 and shares[10] == 1 and shares[50] == 0
    assert np.all(np.diff(shares[:11]) > 0) and np.all(np.diff(shares[10:]) < 0)


def test_only_matrices_decay_where_biases_are_spared():
    model = build_model("h2cm", 3)
    constants = {id(p) for p in model.undecayed()}
    for biases in (True, False):
        groups = optimiser_of(model, Training(decay_biases=biases)).param_groups
        decay = {id(p): group["weight_decay"] for group in groups for p in group["params"]}
        assert len(decay) == len(list(model.parameters()))
        for name, p in model.named_parameters():
            spared = id(p) in constants or (not biases and p.ndim == 1)
            assert decay[id(p)] == (0.0 if spared else 0.01), name


def test_the_norm_of_the_gradient_is_clipped_before_its_values():
    weight = torch.nn.Parameter(torch.zeros(2))
    weight.grad = torch.tensor([3.0, 4.0])
    clip([weight], Training(clip_norm=1.0, clip=0.7))
    torch.testing.assert_close(weight.grad, torch.tensor([0.6, 0.7]))


def test_the_weights_kept_are_the_running_mean(store):
    config = configuration(averaging=0.9, steps=4)
    data = load(store, config, config.experiments["cv"])
    fold = loop.build_fold(0, config, "cv", data, statistics(data, torch.arange(3)), np.arange(3), np.arange(3, 5))
    objective = loop.Objective(data, config, config.experiments["cv"])
    seen = []
    for _ in range(4):
        loop.train_step([fold], objective, [fold.training_cells])
        seen.append(fold.model.raw["q10"].detach().clone())
    mean = seen[0]
    for value in seen[1:]:
        mean = 0.9 * mean + 0.1 * value
    torch.testing.assert_close(fold.result.raw["q10"].detach(), mean)
    assert fold.result.guidance is fold.model.guidance


@pytest.mark.parametrize(
    ("training", "message"),
    [
        ({"sampling": "years"}, r"constraints.gpp.compare: expected monthly"),
        ({"warm_up_steps": 5}, r"warm_up_steps: expected fewer than training.steps"),
        ({"steps": 5, "warm_up_steps": 5}, r"warm_up_steps: expected fewer"),
        ({"averaging": 1.0}, r"averaging"),
    ],
)
def test_what_cannot_be_trained_is_refused(training, message):
    values = configuration().model_dump(mode="json")
    values["constraints"]["gpp"]["compare"] = "mean_seasonal_cycle"
    values["training"] |= training
    with pytest.raises(ConfigError, match=message):
        parse(values)


def test_the_table_of_networks_is_that_of_the_variant(tmp_path):
    from h2cm.results.tables import networks

    coupling = networks.make(tmp_path, configuration("open")).set_index("network").loc["coupling", "inputs"]
    assert coupling == ", ".join(GUIDANCES["open"].rows["coupling"].inputs)


def test_a_narrow_model_is_the_same_by_all_backends_and_comes_back_from_its_file(store, split, tmp_path):
    config = parse(
        configuration(**TOWERS | {"members": 1}).model_dump(mode="json") | {"model": {"variant": "open", "units": 24}}
    )
    train(store, split, config, "cv", [0], tmp_path)
    file = tmp_path / "training" / "cv" / "fold_0" / "model.safetensors"
    assert weights.read_metadata(file)["model"]["units"] == 24
    model = weights.load(file)
    assert model.networks["vegetation"].cell.hidden_size == 24 and model.networks["coupling"].fc1.out_features == 24
    expected = predict(weights.load(file, "eager"), store, ["gpp", "et"])
    for backend in ("native", "fused"):
        found = predict(weights.load(file, backend), store, ["gpp", "et"])
        for name in ("gpp", "et"):
            np.testing.assert_allclose(found[name], expected[name], rtol=1e-4, atol=1e-5)


def test_a_cell_in_its_own_units_weighs_as_much_as_one_that_varies_ten_times_as_much(store):
    config = parse(
        configuration().model_dump(mode="json")
        | {"constraints": {"gpp": {"prediction": "gpp", "compare": "monthly", "scale": "cell"}}}
    )
    data = load(store, config, config.experiments["cv"])
    target = data.targets["gpp"]
    generator = torch.Generator().manual_seed(0)
    target[:] = torch.randn(target.shape, generator=generator)
    target[0] *= 10
    target[1, 5:] = torch.nan  # too few to know its spread
    spread = own_spread(data, "gpp", 2.0)
    expected = [float(np.nanstd(row)) + 0.2 for row in target.numpy()]
    expected[1] = 2.2
    np.testing.assert_allclose(spread, expected, rtol=1e-5)
    objective = loop.Objective(data, config, config.experiments["cv"])
    part = objective.sampled.batch(torch.tensor([3, 0]))
    assert torch.equal(objective.scale("gpp", 2.0, part), spread[[3, 0]])
    wrong = {"gpp": part.targets["gpp"] + spread[[3, 0]][:, None]}
    scales = {"gpp": objective.scale("gpp", 2.0, part)}
    found = constraint_losses(wrong, part.targets, part.area, part.calendar, data.constraints, scales)
    assert float(found["gpp"]) == pytest.approx(1, rel=1e-4)  # an error of one spread in each


def test_years_know_their_cells(store):
    config = configuration()
    data = load(store, config, config.experiments["cv"])
    years = Years(data)
    samples = years.samples(torch.tensor([4, 2]))
    assert torch.equal(years.batch(samples).cells, samples[:, 0])


def test_only_series_of_single_cells_have_their_own_units():
    values = configuration().model_dump(mode="json")
    values["constraints"] = {"nee": {"prediction": "nee", "compare": "spatial_mean_anomaly", "scale": "cell"}}
    with pytest.raises(ConfigError, match="scale: cell: expected a comparison of the series of single cells"):
        parse(values)


def test_trees_weigh_cells_as_the_loss_does():
    target = np.array([[1.0, 3.0], [10.0, 30.0]])
    of_month, of_cell = np.zeros((2, 2, 1), "f4"), np.zeros((2, 1), "f4")
    _, _, same = boosting.samples(of_month, of_cell, target, False)
    assert same.tolist() == [0.5] * 4
    _, _, own = boosting.samples(of_month, of_cell, target, False, np.array([1.0, 10.0]))
    assert own.tolist() == pytest.approx([0.5, 0.5, 0.005, 0.005])
