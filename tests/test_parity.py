"""Parity with the published model on its reference case, and the tool that prints it."""

from __future__ import annotations

import numpy as np

from h2cm.model.parity import LIMITS, OUTPUT_NAMES, compare, main, parameter_names


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
    from h2cm.model import H2CM, OUTPUTS

    assert set(parameter_names().values()) == {name for name, _ in H2CM().named_parameters()}
    assert set(OUTPUT_NAMES) == set(OUTPUTS) - {"rainfall"}  # the one output that the published code does not give
