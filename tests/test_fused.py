"""The fused backend: stacked folds, kept memory, and the way a stretch is recorded and replayed on a GPU."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from climates import PAPER_CONSTRAINTS, climate, make_store, model_for
from h2cm.config import parse
from h2cm.model import OUTPUTS
from h2cm.model.backends import capture, choose, fused, simulate_many
from h2cm.model.backends.stretch import backward, forward, step_day
from h2cm.train import loop
from h2cm.train.data import load, statistics

KINDS = ("mixed", "frozen", "dry", "wet", "dark", "ties")
TRAINED = ("tws", "swe", "fapar", "et", "runoff", "gpp", "nee", "npp")
DEVICES = ["cpu", pytest.param("cuda", marks=pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU"))]


def invented(kind, sizes, days, seed, dtype=torch.float64, backend="fused", device="cpu"):
    """For each fold a model with random weights, forcing, static attributes."""
    rng = np.random.default_rng(seed)
    models, forcing, static = [], [], []
    for k, cells in enumerate(sizes):
        f, s = climate(kind, cells, days, rng), rng.normal(size=(cells, 3))
        models.append(model_for(f, s, seed + k, backend).to(device, dtype))
        forcing.append(torch.as_tensor(f, dtype=dtype, device=device))
        static.append(torch.as_tensor(s, dtype=dtype, device=device))
    return models, forcing, static


def run(models, forcing, static, outputs=TRAINED, passes=1):
    """Outputs, final states and gradients of each model."""
    states = [m.initial_state(len(f)) for m, f in zip(models, forcing)]
    with torch.no_grad():
        for _ in range(passes):
            states = [s for _, s in simulate_many(models, forcing, static, states, ())]
    for model in models:
        model.zero_grad()
    found = simulate_many(models, forcing, static, states, outputs)
    weights = torch.linspace(0.5, 1.5, forcing[0].shape[1]).to(forcing[0])
    sum(((v * weights) ** 2).mean() / (v.detach() ** 2 + 1e-3).mean() for d, _ in found for v in d.values()).backward()
    return [
        [*(v.detach() for v in daily.values()), *(s.detach() for s in state), *(p.grad for p in model.parameters())]
        for model, (daily, state) in zip(models, found, strict=True)
    ]


def assert_close(found, expected, tolerance):
    for values, wanted in zip(found, expected, strict=True):
        for k, (value, reference) in enumerate(zip(values, wanted, strict=True)):
            assert value.shape == reference.shape
            error, scale = (value - reference).abs().max().item(), reference.abs().max().item()
            assert error <= tolerance * scale, f"tensor {k}: error {error:.3g}, largest entry {scale:.3g}"


def with_backend(name, models):
    for model in models:
        model.backend = name
    return models


@settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    kind=st.sampled_from(KINDS),
    sizes=st.lists(st.integers(1, 12), min_size=2, max_size=4),
    days=st.integers(1, 40),
    seed=st.integers(0, 10_000),
)
def test_stacked_folds_get_what_they_get_alone(kind, sizes, days, seed):
    models, forcing, static = invented(kind, sizes, days, seed)
    together = run(models, forcing, static)
    alone = [run([m], [f], [s])[0] for m, f, s in zip(models, forcing, static)]
    assert_close(together, alone, 1e-12)


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float64, 1e-10), (torch.float32, 2e-5)], ids=str)
@pytest.mark.parametrize("kind", KINDS)
def test_stacked_folds_are_those_of_the_equations(kind, dtype, tolerance, device):
    """Also on a GPU, where the day is compiled and the stretches are captured."""
    models, forcing, static = invented(kind, (5, 3), 37, 1, dtype, device=device)
    found = run(models, forcing, static)
    reference = [x.double() for x in forcing], [x.double() for x in static]
    expected = run(with_backend("eager", [m.double() for m in models]), *reference)
    assert_close([[x.double() for x in fold] for fold in found], expected, tolerance)


@pytest.mark.parametrize("days", [1, fused.STRETCH, fused.STRETCH + 1])
def test_gradients_reach_the_state(days):
    gradients = {}
    for name in ("eager", "fused"):
        (model,), (forcing,), (static,) = invented("mixed", [4], days, 3, backend=name)
        generator = torch.Generator().manual_seed(0)
        state = model.initial_state(4)
        state = type(state)(*(torch.rand(p.shape, generator=generator, dtype=p.dtype).requires_grad_() for p in state))
        daily, end = model(forcing, static, state, ("nee", "tws"))
        loss = sum((part**2).sum() for part in (*daily.values(), *end))
        gradients[name] = torch.autograd.grad(loss, [*state, *model.parameters()])
    assert_close([gradients["fused"]], [gradients["eager"]], 1e-10)


def test_a_gradient_of_the_forcing_is_refused():
    models, forcing, static = invented("mixed", [2], 3, 0)
    with pytest.raises(ValueError, match="no gradient with respect to the forcing"):
        models[0](forcing[0].requires_grad_(), static[0])


def test_outputs_that_depend_on_no_weight():
    models, forcing, static = invented("mixed", [2], 3, 0)
    daily, _ = models[0](forcing[0], static[0], None, ("rainfall",))
    daily["rainfall"].sum().backward()
    assert all(p.grad is None or (p.grad == 0).all() for p in models[0].parameters())


def kept_bytes(backend, days):
    """What the forward pass keeps for the backward pass."""
    models, forcing, static = invented("mixed", [8], days, 0, torch.float32, backend)
    kept = {}

    def keep(tensor):
        storage = tensor.untyped_storage()
        kept[storage.data_ptr()] = storage.nbytes()
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
        result = models[0](forcing[0], static[0], None, TRAINED)
    assert result
    return sum(kept.values())


def test_kept_memory_grows_with_the_stretches_not_the_days():
    stretches = 4
    more = kept_bytes("fused", 2 * stretches * fused.STRETCH) - kept_bytes("fused", stretches * fused.STRETCH)
    state = 8 * (5 + 2 * 3 * 100) * 4
    forcing = 8 * 5 * 4 * fused.STRETCH
    assert more <= stretches * (state + forcing)
    assert kept_bytes("eager", 2 * fused.STRETCH) - kept_bytes("eager", fused.STRETCH) > 10 * (state + forcing)


def train_steps(backend, folds, steps=2):
    """Losses and gradients of some steps, of folds side by side."""
    # three months have no anomalies from a mean seasonal cycle
    constraints = {name: row for name, row in PAPER_CONSTRAINTS.items() if name != "nee_carboscope"}
    values = {"run": "test", "source": "twin", "constraints": constraints, "split": {"folds": 3}}
    training = {"batch_cells": 3, "device": "cpu"}
    config = parse(values | {"experiments": {"cv": {}}, "training": training, "model": {"backend": backend}})
    store = make_store(cells=10, years=1)
    data = load(store.isel(time=slice(0, 90), month=slice(0, 3)), config, config.experiments["cv"])
    cells = {0: np.arange(5), 1: np.arange(2, 10), 2: np.arange(4, 8)}
    moments = statistics(data, torch.arange(10))
    running = [loop.build_fold(k, config, "cv", data, moments, cells[k], cells[k]) for k in folds]
    objective = loop.Objective(data, config, config.experiments["cv"])
    drawn = [loop.batches(fold, objective) for fold in running]
    losses = [loop.train_step(running, objective, [d[k % len(d)] for d in drawn]) for k in range(steps)]
    return pd.DataFrame([fold for step in losses for fold in step], index=[k for _ in range(steps) for k in folds])


def test_training_side_by_side_gives_the_losses_of_the_equations():
    together, expected = train_steps("fused", [0, 1, 2]), train_steps("eager", [0, 1, 2])
    np.testing.assert_allclose(together, expected, rtol=2e-5)
    for fold in (0, 1, 2):
        np.testing.assert_allclose(together.loc[[fold]], train_steps("fused", [fold]), rtol=2e-6)


def recorded(function):
    """Stands in for a CUDA graph: repeats the function in place on the tensors it was recorded with."""
    results = function()

    def replay():
        for result, value in zip(results, function(), strict=True):
            result.copy_(value)

    return replay, results


@pytest.fixture
def as_on_a_gpu(monkeypatch):
    """Record and replay on the CPU, without the compiler."""
    capture._kept.clear()
    monkeypatch.setattr(capture, "worthwhile", lambda device: True)
    monkeypatch.setattr(capture, "record_cuda_graph", recorded)
    monkeypatch.setenv("H2CM_NO_COMPILE", "1")
    yield monkeypatch
    capture._kept.clear()


def test_recorded_stretches_give_the_same(as_on_a_gpu):
    """Replays on other weights, states and days; cells are filled up to the multiple."""
    ours = invented("mixed", (4, 2), 2 * fused.STRETCH + 5, 6)
    theirs = invented("mixed", (4, 2), 2 * fused.STRETCH + 5, 6, backend="eager")
    for _ in range(2):
        assert_close(run(*ours), run(*theirs), 1e-10)
        for models in (ours[0], theirs[0]):
            with torch.no_grad():
                for model in models:
                    for p in model.parameters():
                        p.mul_(1.1)
    # without outputs, with them, and with gradient; a whole stretch and the rest
    assert len(capture._kept) == 6
    assert all(isinstance(way, capture.Captured) for way in capture._kept.values())


def test_only_so_many_recordings_are_kept(as_on_a_gpu):
    as_on_a_gpu.setattr(capture, "KEPT", 2)
    for days in (3, 4, 5):
        models, forcing, static = invented("mixed", [2], days, 0)
        with torch.no_grad():
            models[0](forcing[0], static[0], None, ("gpp",))
    assert [key[2][0][0] for key in capture._kept] == [4, 5]  # days of the stretch


@pytest.mark.parametrize(
    ("record", "reason"),
    [
        (lambda function: (lambda: None, [r * float("nan") for r in function()]), "its results differ"),
        (lambda function: (lambda: None, [r + 1 for r in function()]), "its results differ"),
        (lambda function: 1 / 0, "division by zero"),
    ],
)
def test_what_cannot_be_recorded_runs_as_it_is_with_a_warning(as_on_a_gpu, record, reason):
    as_on_a_gpu.setattr(capture, "record_cuda_graph", record)
    models, forcing, static = invented("mixed", (4, 2), 5, 6)
    with pytest.warns(UserWarning, match=f"cannot be captured here .{reason}"):
        found = run(models, forcing, static)
    assert_close(found, run(with_backend("eager", models), forcing, static), 1e-10)


def test_a_compiled_day_with_wrong_gradients_is_not_used(as_on_a_gpu):
    """The values are right; only the gradient tells."""

    def wrong(guidance, forcing, mean, std, state, common, outputs):
        constants = common.constants
        spoilt = common._replace(constants=constants + 0.4 * (constants - constants.detach()))
        return step_day(guidance, forcing, mean, std, state, spoilt, outputs)

    as_on_a_gpu.delenv("H2CM_NO_COMPILE")
    as_on_a_gpu.setattr(capture, "compiled_step", lambda: wrong)
    models, forcing, static = invented("mixed", (4, 2), 5, 6)
    with pytest.warns(UserWarning, match="cannot be compiled and captured here .its results differ"):
        found = run(models, forcing, static)
    assert_close(found, run(with_backend("eager", models), forcing, static), 1e-10)


def test_constant_tensors_are_copied_once_a_call():
    def function(varying, constant):
        return [varying[0] * constant[0]]

    one, call = torch.ones(2), object()
    captured = capture.Captured(function, [one], [one], recorded)
    first = captured([one * 3], [one * 5], call)
    second = captured([one * 7], [one * 11], call)  # the same call: the constants are known
    third = captured([one * 7], [one * 11], object())
    assert [float(r[0][0]) for r in (first, second, third)] == [15, 35, 77]


def test_on_a_cpu_nothing_is_compiled(monkeypatch):
    monkeypatch.setattr(capture, "prepare", None)
    models, forcing, static = invented("mixed", [2], 3, 0)
    assert set(models[0](forcing[0], static[0])[0]) == set(OUTPUTS)


def test_half_precision_rounds_the_products_and_nothing_else():
    """bf16 has 8 bits, so products are off by some 1e-3 and gradients follow; states and sums stay float32."""
    models, forcing, static = invented("mixed", (5, 3), 37, 1, torch.float32)
    expected = run(models, forcing, static)
    for model in models:
        model.precision = "bf16"
    found = run(models, forcing, static)
    for one, other in zip(found, expected, strict=True):
        assert all(x.dtype == torch.float32 for x in one)
        off = [float((x - y).norm() / y.norm().clamp_min(1e-30)) for x, y in zip(one, other, strict=True)]
        assert 1e-5 < np.median(off) < 2e-2 and max(off) < 0.2


def test_half_precision_is_recorded_apart(as_on_a_gpu):
    models, forcing, static = invented("mixed", (4, 2), 5, 6, torch.float32)
    exact = run(models, forcing, static)
    for model in models:
        model.precision = "bf16"
    rounded = run(models, forcing, static)
    assert len(capture._kept) == 6 and not torch.equal(exact[0][0], rounded[0][0])


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
def test_tf32_is_allowed_in_the_time_loop_only():
    models, forcing, static = invented("mixed", (64, 64), 37, 1, torch.float32, device="cuda")
    expected = run(models, forcing, static)
    for model in models:
        model.precision = "tf32"
    found = run(models, forcing, static)
    assert not torch.backends.cuda.matmul.allow_tf32 and not torch.equal(found[0][0], expected[0][0])
    assert_close(found, expected, 0.05)


def test_it_is_chosen_where_there_is_no_native_backend():
    (model,), (forcing,), _ = invented("mixed", [1], 1, 0, backend="auto")
    assert choose(model, forcing.to("meta")).__name__.endswith("fused")
    assert "float16" in fused.unavailable(model, forcing.half())
    for kind in (forward, backward):  # of which `capture` makes the key
        assert kind.__module__.endswith("stretch")
