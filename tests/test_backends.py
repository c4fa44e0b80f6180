"""The backends against the reference: outputs, states and gradients, on the reference case and on climates drawn anew."""

from __future__ import annotations

import copy
import warnings
from importlib import import_module

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from climates import climate, model_for
from h2cm.model import H2CM, OUTPUTS
from h2cm.model.backends import BACKENDS, choose, native
from h2cm.model.parity import build

KINDS = ("mixed", "frozen", "dry", "wet", "dark", "ties")
TOLERANCE = {torch.float64: 1e-10, torch.float32: 2e-5}
ILL_CONDITIONED = ("soil_recharge_fraction", "groundwater_recharge_fraction", "fast_runoff_fraction")
SMALL_WATER_INPUT = 1e-3  # mm: below it these fractions are ill-conditioned (README of the reference case)
TRAINED = ("tws", "swe", "fapar", "et", "runoff", "gpp", "nee", "npp")


@pytest.fixture(scope="module", params=[name for name in BACKENDS if name != "eager"])
def backend(request) -> str:
    """Every backend that can run here."""
    reason = import_module(f"h2cm.model.backends.{request.param}").unavailable(H2CM(3), torch.zeros(1, 1, 5))
    if reason:
        pytest.skip(f"backend {request.param}: {reason}")
    return request.param


def run(model, name, forcing, static, outputs=OUTPUTS, spin_up=True):
    """Outputs, final state and the gradients of a random linear functional, from one backend."""
    model.backend = name
    model.zero_grad()
    state = model.spin_up(forcing, static) if spin_up else None
    daily, end = model(forcing, static, state, outputs)
    generator = torch.Generator().manual_seed(1)
    total = forcing.new_zeros(())
    for output, series in daily.items():
        # of one sign in each output: a sum that cancels would compare rounding errors in float32
        weight = 0.5 + torch.rand(series.shape, generator=generator, dtype=torch.float64)
        weight = weight.to(series.dtype) * torch.randn((), generator=generator).to(series.dtype)
        if output in ILL_CONDITIONED and "water_input" in daily:
            weight = weight * (daily["water_input"].detach() > SMALL_WATER_INPUT)
        total = total + (series * weight).sum() / (series.detach().abs().mean() + 1e-3)
    if total.requires_grad:  # rain does not depend on any weight
        total.backward()
    gradients = {k: torch.zeros_like(p) if p.grad is None else p.grad for k, p in model.named_parameters()}
    return {k: v.detach() for k, v in daily.items()}, end, gradients


def assert_close(value, expected, tolerance, name):
    error, scale = (value - expected).abs().max().item(), expected.abs().max().item()
    assert error <= tolerance * scale, f"{name}: error {error:.3g} where the largest entry is {scale:.3g}"


def misses(ours, reference, dtype):
    """What of the outputs, states and gradients differs from a reference: by name, the error and the largest entry."""
    found = {}
    for name, value in flat(ours, ours).items():
        expected = flat(reference, ours)[name].to(dtype)
        assert value.shape == expected.shape and value.dtype == dtype, name
        error, scale = (value - expected).abs().max().item(), expected.abs().max().item()
        if not error <= TOLERANCE[dtype] * scale:
            found[name] = f"error {error:.3g} where the largest entry is {scale:.3g}"
    return found


def assert_same(ours, reference, dtype):
    assert not misses(ours, reference, dtype)


def rounded(model, generator):
    """The model with weights that differ from its own by what float32 does not tell apart."""
    other = copy.deepcopy(model)
    with torch.no_grad():
        for weight in other.parameters():
            weight.mul_(1 + 2e-7 * torch.randn(weight.shape, generator=generator, dtype=weight.dtype))
    return other


def flat(results, mask):
    """Outputs, states and gradients by name; ill-conditioned ratios are 0 where `mask` has next to no water."""
    daily, end, gradients = results
    if "water_input" in daily:
        wet = mask[0]["water_input"] > SMALL_WATER_INPUT
        daily = {k: v * wet if k in ILL_CONDITIONED else v for k, v in daily.items()}
    states = {f"state {k}": v.detach() for k, v in end._asdict().items()}
    return daily | states | {f"gradient of {k}": v for k, v in gradients.items()}


def invented(kind, cells, days, seed, dtype=torch.float64):
    """A model with random weights, forcing and static attributes."""
    rng = np.random.default_rng(seed)
    forcing, static = climate(kind, cells, days, rng), rng.normal(size=(cells, 3))
    model = model_for(forcing, static, seed).to(dtype)
    return model, torch.as_tensor(forcing, dtype=dtype), torch.as_tensor(static, dtype=dtype)


@pytest.mark.parametrize("dtype", TOLERANCE, ids=str)
def test_the_reference_case_is_that_of_the_equations(backend, shared, dtype):
    with np.load(shared / "reference" / "case_a.npz") as case:
        model = build(case).to(dtype)
        forcing, static = (torch.as_tensor(case[k]).to(dtype) for k in ("in/forcing", "in/static"))
    forcing = forcing[:, :365]
    ours = run(model, backend, forcing, static)
    assert_same(ours, run(model, "eager", forcing, static), dtype)


ANY_CASE = given(
    kind=st.sampled_from(KINDS), cells=st.integers(2, 40), days=st.integers(1, 40), seed=st.integers(0, 10_000)
)
SETTINGS = settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


@SETTINGS
@ANY_CASE
def test_climates_drawn_anew(backend, kind, cells, days, seed):
    case = invented(kind, cells, days, seed)
    assert_same(run(case[0], backend, *case[1:]), run(case[0], "eager", *case[1:]), torch.float64)


@SETTINGS
@ANY_CASE
def test_climates_in_float32(backend, kind, cells, days, seed):
    """Against the equations in float64. Where rounding puts the argument of a LeakyReLU or of a minimum on the other side
    of its kink, a gradient jumps, and no single reference is right: then each entry lies between what the equations give
    for weights that differ from these by as much as float32 rounds."""
    case, exact = invented(kind, cells, days, seed, torch.float32), invented(kind, cells, days, seed)
    ours = run(case[0], backend, *case[1:])
    off = misses(ours, run(exact[0], "eager", *exact[1:]), torch.float32)
    if not off:
        return
    generator = torch.Generator().manual_seed(seed)
    near = [flat(run(rounded(exact[0], generator), "eager", *exact[1:]), ours) for _ in range(24)]
    near += [flat(run(case[0], "eager", *case[1:]), ours)]
    for name in off:
        value = flat(ours, ours)[name]
        references = torch.stack([reference[name].to(torch.float32) for reference in near])
        slack = TOLERANCE[torch.float32] * references.abs().max()
        low, high = references.amin(0) - slack, references.amax(0) + slack
        assert ((low <= value) & (value <= high)).all(), f"{name}: {off[name]}"


@settings(max_examples=10, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(outputs=st.lists(st.sampled_from(OUTPUTS), min_size=1, max_size=8, unique=True), seed=st.integers(0, 10_000))
def test_any_subset_of_the_outputs(backend, outputs, seed):
    case = invented("mixed", 3, 20, seed)
    outputs = tuple(name for name in outputs if name not in ILL_CONDITIONED) or ("nee",)
    ours = run(case[0], backend, *case[1:], outputs)
    assert tuple(ours[0]) == outputs
    assert_same(ours, run(case[0], "eager", *case[1:], outputs), torch.float64)


def test_the_number_of_threads_changes_nothing(backend):
    model, forcing, static = invented("mixed", 70, 50, 5, torch.float32)
    before, results = torch.get_num_threads(), []
    try:
        for threads in (1, 2, 3):
            torch.set_num_threads(threads)
            model.backend = backend
            model.zero_grad()
            daily, end = model(forcing, static, model.spin_up(forcing, static), TRAINED)
            sum(series.mean() for series in daily.values()).backward()
            results.append([*daily.values(), *end, *(p.grad.clone() for p in model.parameters())])
    finally:
        torch.set_num_threads(before)
    for result in results[1:]:
        assert all(torch.equal(a, b) for a, b in zip(results[0], result, strict=True))


def test_a_cell_does_not_depend_on_its_neighbours(backend):
    model, forcing, static = invented("mixed", 45, 20, 6, torch.float32)
    model.backend = backend
    with torch.no_grad():
        daily, end = model(forcing, static)
        for cell in (0, 31, 44):
            alone, alone_end = model(forcing[cell : cell + 1], static[cell : cell + 1])
            for name in OUTPUTS:
                assert_close(alone[name][0], daily[name][cell], 2e-6, name)
            assert_close(alone_end.h[:, 0], end.h[:, cell], 2e-6, "h")


def test_steps_of_an_optimiser_stay_together(backend):
    """The gradients are those of the weights of that moment, also after they were changed in place."""
    losses = {}
    for name in ("eager", backend):
        model, forcing, static = invented("mixed", 4, 30, 7)
        model.backend = name
        optimiser = torch.optim.AdamW(model.parameters(), lr=0.005)
        for _ in range(3):
            daily, _ = model(forcing, static, model.spin_up(forcing, static), TRAINED)
            loss = sum((series**2).mean() for series in daily.values())
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
        losses[name] = loss.item()
    assert losses[backend] == pytest.approx(losses["eager"], rel=1e-9)


def test_days_without_outputs(backend):
    model, forcing, static = invented("mixed", 2, 5, 8)
    model.backend = backend
    daily, end = model(forcing, static, outputs=())
    assert daily == {}
    model.backend = "eager"
    for value, expected in zip(end, model(forcing, static, outputs=())[1], strict=True):
        torch.testing.assert_close(value, expected, rtol=1e-10, atol=1e-12)


def test_auto_takes_the_native_backend_unless_it_is_switched_off(monkeypatch):
    model, forcing = H2CM(3), torch.zeros(1, 1, 5)
    reason = native.unavailable(model, forcing)
    if reason:
        pytest.skip(reason)
    assert choose(model, forcing) is native
    monkeypatch.setenv("H2CM_NO_NATIVE", "1")
    assert choose(model, forcing).__name__.endswith("fused")
    model.backend = "native"
    with pytest.raises(ValueError, match="H2CM_NO_NATIVE"):
        choose(model, forcing)


def test_the_native_backend_says_what_it_cannot_do():
    model, forcing = H2CM(3), torch.zeros(1, 1, 5)
    assert "float16" in native.unavailable(model, forcing.half())
    assert "float64" in native.unavailable(model, forcing.double())
    assert "CPU" in native.unavailable(model, forcing.to("meta"))


def test_without_a_compiler_it_says_so_once(monkeypatch, tmp_path):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setenv("CXX", "no-such-compiler")
    native._operator.cache_clear()
    try:
        with pytest.warns(UserWarning, match="native backend is not available"):
            reason = native.unavailable(H2CM(3), torch.zeros(1, 1, 5))
            assert "no C++ compiler (no-such-compiler): install g++" in reason and "\n" not in reason
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            assert native.unavailable(H2CM(3), torch.zeros(1, 1, 5))
        assert choose(H2CM(3), torch.zeros(1, 1, 5)).__name__.endswith("fused")
    finally:
        native._operator.cache_clear()


def test_a_gradient_of_the_state_is_refused(backend):
    if backend != "native":
        pytest.skip("only the native backend has none")
    model, forcing, static = invented("mixed", 2, 3, 9)
    model.backend = backend
    state = model.initial_state(2)
    with pytest.raises(ValueError, match="no gradient with respect to"):
        model(forcing, static, state._replace(swe=state.swe.clone().requires_grad_()))
