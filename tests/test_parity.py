"""Parity with the published model on its reference case, and the tool that prints it."""

from __future__ import annotations

from importlib import import_module
from pathlib import Path

import numpy as np
import pytest
import torch

from h2cm.model import H2CM
from h2cm.model.backends import BACKENDS
from h2cm.model.parity import LIMITS, OUTPUT_NAMES, compare, cut, main, parameter_names

CUT = Path(__file__).parent / "data" / "published_case.npz"
DAYS = 90


@pytest.mark.parametrize("backend", BACKENDS)
def test_the_first_days_of_the_published_run(backend, capsys):
    """All daily outputs of the published code in 16 climates, from its own state after its spin-up."""
    if reason := import_module(f"h2cm.model.backends.{backend}").unavailable(H2CM(3), torch.zeros(1, 1, 5)):
        pytest.skip(reason)
    assert main([str(CUT), "--backend", backend]) == 0
    assert "43 compared" in capsys.readouterr().out
    with np.load(CUT) as case:
        assert case["in/forcing"].shape == (16, DAYS, 5)
        assert max(compare(case, backend)["outputs"].values()) < 1e-11
        spoilt = dict(case) | {"spinup/SM_t": case["spinup/SM_t"] * (1 + 1e-6)}
    assert compare(spoilt, backend)["outputs"]["soil_moisture"] > LIMITS["outputs"]


def test_the_cut_case_is_that_of_the_reference(shared, tmp_path):
    whole = shared / "reference" / "case_a.npz"
    assert main([str(whole), "--cut", str(DAYS), str(tmp_path / "cut.npz")]) == 0
    with np.load(CUT) as ours, np.load(tmp_path / "cut.npz") as again, np.load(whole) as reference:
        assert set(ours) == set(again) == set(cut(reference, DAYS))
        for name in ours:
            assert ours[name].dtype == again[name].dtype
            np.testing.assert_array_equal(ours[name], again[name])


def test_reference_case(shared, capsys):
    assert main([str(shared / "reference" / "case_a.npz")]) == 0
    printed = capsys.readouterr().out
    assert all(kind in printed for kind in LIMITS)


def test_arrays_that_do_not_fit_are_named(shared, tmp_path, capsys):
    case = dict(np.load(shared / "reference" / "case_a.npz"))
    case["in/static"] = case["in/static"][:3]
    path = tmp_path / "case.npz"
    np.savez(path, **case)
    assert main([str(path)]) == 1
    assert "do not fit" in capsys.readouterr().err


def test_a_small_error_of_a_weight_shows(shared):
    case = dict(np.load(shared / "reference" / "case_a.npz"))
    days = 60
    case["in/forcing"], case["in/months"] = case["in/forcing"][:4, :days], case["in/months"][:days]
    for name in ("in/static", "in/grid_area"):
        case[name] = case[name][:4]
    for name in [k for k in case if k.startswith("target/")]:
        case[name] = case[name][:4]
    for name in [k for k in case if k.startswith(("pred_nn", "pred_hybrid"))]:
        case[name] = case[name][:4, :days]
    for name in [k for k in case if k.startswith(("pred_static", "spinup", "final"))]:
        case[name] = case[name][:4]
    # first run of a shortened record: only the static outputs still are those of the file
    good = compare(case)["outputs"]["soil_moisture_capacity"]
    case["weight/fc_static.fc3.bias"] = case["weight/fc_static.fc3.bias"] + 1e-5
    assert good < 1e-12 < 1e-9 < compare(case)["outputs"]["soil_moisture_capacity"]


def test_a_file_without_the_layout_is_named(tmp_path, capsys):
    path = tmp_path / "case.npz"
    np.savez(path, x=np.zeros(3))
    assert main([str(path)]) == 1
    assert "in/static" in capsys.readouterr().err
    assert main([str(tmp_path / "none.npz")]) == 1


def test_every_parameter_and_output_has_its_published_name():
    from h2cm.model import OUTPUTS

    assert set(parameter_names().values()) == {name for name, _ in H2CM().named_parameters()}
    assert set(OUTPUT_NAMES) == set(OUTPUTS) - {"rainfall"}  # the one output that the published code does not give
