"""The model against an independent float64 version of the paper's equations, and its physics."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from climates import climate, model_for
from h2cm import vocabulary
from h2cm.model import NETWORKS, OUTPUTS
from numpy_h2cm import run

KINDS = ("mixed", "frozen", "dry", "wet", "dark", "ties")


def simulate(model, forcing, static, passes=0):
    forcing, static = torch.as_tensor(forcing, dtype=torch.float64), torch.as_tensor(static, dtype=torch.float64)
    return model(forcing, static, model.spin_up(forcing, static, passes))


@settings(max_examples=12, deadline=None)
@given(kind=st.sampled_from(KINDS), seed=st.integers(0, 10_000), passes=st.integers(0, 2))
def test_every_output_equals_the_independent_version(kind, seed, passes):
    rng = np.random.default_rng(seed)
    forcing, static = climate(kind, 2, 15, rng), rng.normal(size=(2, 3))
    model = model_for(forcing, static, seed).double()
    daily, _ = simulate(model, forcing, static, passes)
    weights = {k: v.detach().numpy() for k, v in model.state_dict().items()}
    for cell in range(2):
        expected = run(weights, forcing[cell].astype(float), static[cell], passes)
        assert set(expected) == set(OUTPUTS)
        for name in OUTPUTS:
            np.testing.assert_allclose(daily[name][cell].detach(), expected[name], rtol=1e-9, atol=1e-12, err_msg=name)


@settings(max_examples=20, deadline=None)
@given(kind=st.sampled_from(KINDS), seed=st.integers(0, 10_000))
def test_the_water_balance_closes_every_day(kind, seed):
    rng = np.random.default_rng(seed)
    forcing, static = climate(kind, 4, 60, rng), rng.normal(size=(4, 3))
    model = model_for(forcing, static, seed).double()
    with torch.no_grad():
        daily, _ = simulate(model, forcing, static)
    change = torch.diff(daily["tws"], prepend=torch.zeros(4, 1))
    balance = daily["corrected_precipitation"] - daily["et"] - daily["runoff"] - change
    assert balance.abs().max() < 1e-10
    for name in ("swe", "soil_moisture", "groundwater", "et", "runoff", "gpp"):
        assert daily[name].min() >= -1e-12, name
    # against the precipitation as given, the correction of snowfall is what is missing
    given_precipitation = torch.as_tensor(forcing[..., 1]).double()
    frozen = torch.as_tensor(forcing[..., 2]).double() <= 273.15
    missing = given_precipitation - daily["corrected_precipitation"]
    expected = (1 - model.constants()["beta_snow"]) * given_precipitation * frozen
    torch.testing.assert_close(missing, expected.detach(), rtol=0, atol=1e-10)


def test_sizes_are_those_of_the_paper():
    assert sum(p.numel() for p in model_for(np.zeros((1, 2, 5)), np.zeros((1, 30))).parameters()) == 155_037
    assert [NETWORKS[k].input_size(30) for k in NETWORKS] == [30, 18, 15, 19, 16]
    assert len(OUTPUTS) == 38 and set(vocabulary.OUTPUTS) == set(OUTPUTS)


def test_the_initial_constants_are_those_of_the_paper():
    constants = model_for(np.zeros((1, 2, 5)), np.zeros((1, 3))).constants()
    expected = {"beta_snow": 0.952574, "beta_baseflow": 0.00247262, "q10": 1.42683, "beta_co2": 0.00150231}
    for name, value in expected.items():
        assert float(constants[name].detach()) == pytest.approx(value, rel=1e-5), name


def test_two_halves_of_a_record_are_the_whole():
    rng = np.random.default_rng(1)
    forcing, static = climate("mixed", 3, 40, rng), rng.normal(size=(3, 3)).astype("f4")
    model = model_for(forcing, static)
    forcing, static = torch.as_tensor(forcing), torch.as_tensor(static)
    whole, end = model(forcing, static)
    first, state = model(forcing[:, :17], static)
    second, end_of_second = model(forcing[:, 17:], static, state)
    for name in OUTPUTS:
        torch.testing.assert_close(torch.cat([first[name], second[name]], 1), whole[name], rtol=0, atol=0)
    torch.testing.assert_close(end_of_second, end, rtol=0, atol=0)


def test_more_spin_up_brings_groundwater_nearer_to_its_equilibrium():
    """One pass over a short record leaves most of the error of the initial groundwater (MODEL.md 6.10)."""
    rng = np.random.default_rng(2)
    forcing, static = climate("mixed", 2, 365, rng), rng.normal(size=(2, 3)).astype("f4")
    model = model_for(forcing, static)
    args = torch.as_tensor(forcing), torch.as_tensor(static)
    one, two, many = (model.spin_up(*args, passes).groundwater for passes in (1, 2, 8))
    assert ((two - many).abs() < 0.6 * (one - many).abs()).all()


def test_an_unknown_backend_is_an_error():
    model = model_for(np.zeros((1, 2, 5)), np.zeros((1, 3)), backend="abacus")
    with pytest.raises(ValueError, match=r"abacus"):
        model(torch.zeros(1, 2, 5), torch.zeros(1, 3))
