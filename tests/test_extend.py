"""The model is said once: small patches of a copy of the package, which all backends then run.

What is generated is compiled with little optimisation here, to save time; the code is the same.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys

import pytest
import torch
from torch.nn.functional import softplus

from conftest import ROOT
from h2cm.model import H2CM, process
from h2cm.model.backends import check, choose, eager, elementwise, fused, native
from h2cm.model.networks import ACTIVATIONS, GUIDANCE, Guidance, Network

QUICK = "-O1"
PROCESS, NETWORKS, NAMES = "model/process.py", "model/networks.py", "vocabulary.py"
BLOCK = re.compile(r"^```(diff|python) src/h2cm/(\S+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)

COMPARE = """
import json, warnings
import torch
warnings.simplefilter("error")
from h2cm.model import FORCING, H2CM, OUTPUTS
from h2cm.model.backends import check, choose, fused, native
from h2cm.model.networks import GUIDANCE
from h2cm import vocabulary
chosen = choose(H2CM(3), torch.zeros(1, 1, len(FORCING))).__name__
off = {backend.__name__: check.differences(backend.simulate, GUIDANCE) for backend in (native, fused)}
torch.manual_seed(0)
model = H2CM(3)
daily, _ = model(torch.tensor([120.0, 9.0, 290.0, 8.0, 400.0]).repeat(4, 30, 1), torch.randn(4, 3))
means = {name: float(values.detach().mean()) for name, values in daily.items()}
print(json.dumps({"chosen": chosen, "off": off, "means": means, "named": sorted(vocabulary.OUTPUTS)}))
"""

A_ROW = '    _water("rainfall", "rainfall", "rainfall_rate", "Rainfall"),\n'
PATCHES = {
    "reference_temperature": [(PROCESS, "REFERENCE_TEMPERATURE = 15.0", "REFERENCE_TEMPERATURE = 25.0")],
    "output": [
        (
            PROCESS,
            "    day.rainfall =",
            "    day.sublimation = 0.1 * torch.minimum(before.swe, torch.exp(-torch.abs(celsius)))\n    day.rainfall =",
        ),
        (NAMES, A_ROW, A_ROW + '    _water("sublimation", "sublimation"),\n'),
    ],
    "learned_parameter": [
        (
            NETWORKS,
            '            "alpha_groundwater_recharge": "sigmoid",\n',
            '            "alpha_groundwater_recharge": "sigmoid",\n            "alpha_baseflow": "softplus",\n',
        ),
        (
            PROCESS,
            "before.groundwater * day.beta_baseflow",
            "before.groundwater * torch.clamp(day.beta_baseflow * day.alpha_baseflow, max=1.0)",
        ),
        (NAMES, A_ROW, A_ROW + '    _parameter("alpha_baseflow", SHARE, "baseflow, relative"),\n'),
    ],
    "inputs": [
        (
            NETWORKS,
            '("net_radiation", "vapour_pressure_deficit", "soil_moisture", "static_code")',
            '("static_code", "npp", "net_radiation", "vapour_pressure_deficit", "air_temperature", "fapar")',
        )
    ],
}


def page_patch():
    """The changes that docs/extend.md describes."""
    found = []
    for kind, file, body in BLOCK.findall((ROOT / "docs" / "extend.md").read_text()):
        lines = body.splitlines(keepends=True)
        if kind == "python":
            found.append((file, None, body))
        else:
            old, new = ("".join(line[1:] for line in lines if line[0] in marks) for marks in (" -", " +"))
            found.append((file, old, new))
    return found


def patched(folder, changes) -> dict[str, str]:
    """A copy of the package with some texts replaced; returns the environment in which it is imported."""
    shutil.copytree(ROOT / "src" / "h2cm", folder / "h2cm", ignore=shutil.ignore_patterns("__pycache__"))
    for file, old, new in changes:
        path = folder / "h2cm" / file
        text = "" if old is None else path.read_text()
        assert old is None or text.count(old) == 1, f"{file}: expected once: {old}"
        path.write_text(new if old is None else text.replace(old, new))
    path = os.pathsep.join([str(folder), str(ROOT / "tests")])
    return os.environ | {"PYTHONPATH": path, "H2CM_NATIVE_FLAGS": QUICK, "OMP_NUM_THREADS": "1"}


def script(code: str, environment) -> subprocess.CompletedProcess:
    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-3000:]
    return done


@pytest.fixture(scope="module")
def unchanged():
    torch.manual_seed(0)
    model = H2CM(3, "eager")
    forcing = torch.tensor([120.0, 9.0, 290.0, 8.0, 400.0]).repeat(4, 30, 1)
    with torch.no_grad():
        daily, _ = model(forcing, torch.randn(4, 3))
    return {name: float(values.mean()) for name, values in daily.items()}


@pytest.mark.parametrize("name", [*PATCHES, "page"])
def test_a_change_of_the_model_is_a_change_of_every_backend(name, tmp_path, unchanged):
    changes = page_patch() if name == "page" else PATCHES[name]
    assert not any("csrc" in file or "backends" in file for file, *_ in changes)
    found = json.loads(script(COMPARE, patched(tmp_path, changes)).stdout.splitlines()[-1])
    assert found["chosen"].endswith("native") and not any(found["off"].values()), found
    assert found["named"] == sorted(found["means"])
    new = {
        "reference_temperature": set(),
        "output": {"sublimation"},
        "learned_parameter": {"alpha_baseflow"},
        "inputs": set(),
        "page": {"canopy_evaporation", "canopy_water"},
    }
    assert set(found["means"]) - set(unchanged) == new[name]
    moved = {k for k in unchanged if abs(found["means"][k] - unchanged[k]) > 1e-3 * abs(unchanged[k])}
    if name == "reference_temperature":
        ratio = found["means"]["heterotrophic_respiration"] / unchanged["heterotrophic_respiration"]
        assert ratio == pytest.approx(float(H2CM(3).constants()["q10"]) ** -1, rel=1e-3)
    assert {"reference_temperature": "ter", "inputs": "gpp", "learned_parameter": "runoff", "page": "et"}.get(
        name, "sublimation"
    ) in moved | new[name]


DRAW = """
import sys
from pathlib import Path
import numpy as np
import torch
from climates import make_store
from fake_results import fake_config, fake_results
from h2cm.model import H2CM, process
from h2cm.model.prediction import write
from h2cm.results.figures.canopy_water import draw
from h2cm.results.figures.registry import FIGURES
from h2cm.results.run import Run
from h2cm.results.summaries.means import make
from h2cm.store import save_summary
folder = Path(sys.argv[1]) if len(sys.argv) > 1 else Path(FOLDER)
config, store = fake_config(folds=2, years=2), make_store(cells=12, years=2)
alone = config.experiments["cv"].model_copy(update={"folds": (0,)})
config = config.model_copy(update={"experiments": {"cv": alone}})
fake_results(folder, config, n_cells=12)
torch.manual_seed(0)
model = H2CM(4)
write(model, store, folder / "predictions/cv/fold_0", ["canopy_water"], ["canopy_water", "tws", "et"])
save_summary(make(Run(folder, config), "cv"), folder / "summaries/cv/means.nc")
drawing = draw(folder, config)
drawing.figure.savefig(folder / "canopy_water.png")
assert "1 folds" in FIGURES["canopy_water"].text(drawing.facts)
shown = drawing.figure.axes[0].lines[-1].get_ydata()
assert len(shown) > 1 and np.isfinite(shown).all() and shown.max() > 0, shown
assert FIGURES["canopy_water"].fits(config)
"""


def test_the_page_leads_to_a_figure_and_a_closed_balance(tmp_path):
    shutil.copytree(ROOT / "config", tmp_path / "config")
    environment = patched(tmp_path / "src", page_patch())
    script(DRAW.replace("FOLDER", repr(str(tmp_path / "run"))), environment | {"H2CM_NO_NATIVE": "1"})
    assert (tmp_path / "run" / "canopy_water.png").stat().st_size > 1000
    balance = """
import torch
from h2cm.model import H2CM, process
from h2cm.model.backends import check
generator = torch.Generator().manual_seed(0)
model, forcing = H2CM(3, "eager").double(), check._forcing(generator)
with torch.no_grad():
    daily, _ = model(forcing, torch.randn(len(forcing), 3, generator=generator, dtype=torch.float64))
change = torch.diff(daily["tws"], prepend=torch.zeros(len(forcing), 1))
off = daily["corrected_precipitation"] - daily["et"] - daily["runoff"] - change
assert off.abs().max() < 1e-10 and daily["canopy_water"].min() >= 0 and daily["canopy_water"].max() > 0
"""
    script(balance, environment)


def test_what_cannot_be_generated_runs_as_it_is_and_says_so(tmp_path):
    change = (PROCESS, "    day.rainfall =", "    frozen = frozen.roll(0)\n    day.rainfall =")
    code = COMPARE.replace('warnings.simplefilter("error")', "").replace("(native, fused)", "(fused,)")
    done = script(code, patched(tmp_path, [change]))
    found = json.loads(done.stdout.splitlines()[-1])
    assert found["chosen"].endswith("fused") and not any(found["off"].values())
    assert done.stderr.count("native backend is not available") == 1
    assert "the operation roll" in done.stderr and "four to five times" in done.stderr


@pytest.fixture
def quick(monkeypatch):
    monkeypatch.setenv("H2CM_NATIVE_FLAGS", QUICK)
    native._operator.cache_clear()
    yield monkeypatch
    native._operator.cache_clear()


def rows(**changes) -> Guidance:
    """The networks of the paper with some changed: a kind, or a whole row."""
    return Guidance(*(changes.get(name, row) for name, row in GUIDANCE.rows.items()))


def test_other_numbers_of_networks_and_other_activations(quick):
    """Instances beside the networks of the paper: no fully connected one, and two; an activation of its own."""
    quick.setitem(ACTIVATIONS, "steep", lambda x: 0.1 + 0.2 * torch.exp(0.5 * x))
    quick.setitem(ACTIVATIONS, "exponential", lambda x: 1 + 150 * torch.exp(x))
    coupling, surface = GUIDANCE.rows["coupling"], GUIDANCE.rows["surface"]
    static = Network(
        "static_parameters", "fcnn", ("static",), dict.fromkeys(GUIDANCE.static_parameters, "exponential"), ""
    )
    recurrent = Network(
        "coupling", "lstm", ("npp", "static_code"), {"alpha_wue": "steep", "alpha_transpiration": "sigmoid"}, ""
    )
    connected = Network("surface", "fcnn", surface.inputs[:-1], surface.outputs, "")  # without the static code
    for guidance in (rows(static_parameters=static, coupling=recurrent), rows(surface=connected)):
        model = H2CM(3, guidance=guidance)
        assert native.unavailable(model, torch.zeros(1, 1, 5)) is None
        assert check.differences(native.simulate, guidance) == []
        assert check.differences(fused.simulate, guidance) == []
    assert coupling.kind == "fcnn" and choose(H2CM(3), torch.zeros(1, 1, 5)) is native


def test_wrong_code_is_refused(quick, tmp_path):
    """All values are right; only one gradient is not. The verdict is remembered."""
    quick.setenv("XDG_CACHE_HOME", str(tmp_path))
    right = native.header(GUIDANCE)
    wrong = right.replace("grad_constants[2] +=", "grad_constants[2] -=")
    assert wrong != right
    quick.setattr(native, "header", lambda guidance: wrong)
    model, forcing = H2CM(3), torch.zeros(1, 1, 5)
    for _ in range(2):
        with pytest.warns(UserWarning, match="not what the equations give: gradient raw.q10 by 2"):
            assert choose(model, forcing) is fused
        native._operator.cache_clear()
        quick.setattr(check, "differences", lambda *arguments: pytest.fail("compared a second time"))
    model.backend = "native"
    with (
        pytest.warns(UserWarning),
        pytest.raises(ValueError, match="native cannot run here: what it gives is not what the equations give"),
    ):
        choose(model, forcing)


def test_the_comparison_sees_what_it_is_for():
    """A backend whose one output, state or gradient is off by little."""

    def spoilt(model, forcing, static, state, outputs):
        daily, end = eager.simulate(model, forcing, static, state, outputs)
        return daily | {"npp": daily["npp"] * (1 + 1e-9)}, end._replace(swe=end.swe + 1e-6)

    assert check.differences(eager.simulate, GUIDANCE) == []
    assert {text.split(" by")[0] for text in check.differences(spoilt, GUIDANCE)} == {"state swe", "output npp"}


RULES = {
    "add": lambda x, y: x + y - 2 * x,
    "mul": lambda x, y: x * y / (1 + y * y),
    "extremes": lambda x, y: torch.minimum(x, y) + torch.maximum(x, torch.zeros_like(y)) * 3,
    "clamp": lambda x, y: torch.clamp(x, -1, 1) + y.clamp(min=0),
    "where": lambda x, y: torch.where((x > 0) & ~(y <= 0), torch.log(x), torch.sqrt(torch.abs(y) + 1)),
    "functions": lambda x, y: torch.exp(x) + torch.tanh(y) - torch.sigmoid(x * y) + softplus(y) ** 2,
    "power": lambda x, y: torch.abs(x) ** y + (y * y) ** 0.5 + torch.pow(2.0, x) + torch.square(x) * torch.relu(y),
}


@pytest.mark.parametrize("name", RULES)
def test_the_rules_of_the_gradient_are_those_of_pytorch(name):
    """Evaluated in Python, at numbers with ties, zeros and bounds, and what is not a number elsewhere."""
    numbers = torch.tensor([-2.0, -1.0, -0.5, 0.0, 0.5, 1.0, 3.0], dtype=torch.float64)
    x, y = (v.flatten().requires_grad_() for v in torch.meshgrid(numbers, numbers, indexing="ij"))
    result = RULES[name](x, y)
    grad = torch.linspace(0.5, 2, len(result), dtype=torch.float64)
    expected = torch.autograd.grad(result, (x, y), grad)
    program = elementwise.Program()
    given = {"x": program.input("in", 0, "x"), "y": program.input("in", 1, "y")}
    found = elementwise.record(program, lambda v: {"r": RULES[name](v["x"], v["y"])}, given)["r"]
    gradients = elementwise.differentiate(program, [(found, program.input("grad", 0, "g"))], list(given.values()))
    values = evaluate(program, {("in", 0): x.detach(), ("in", 1): y.detach(), ("grad", 0): grad})
    torch.testing.assert_close(values[found.index], result.detach(), rtol=1e-12, atol=0, equal_nan=True)
    for gradient, reference in zip(gradients, expected, strict=True):
        torch.testing.assert_close(values[gradient.index], reference, rtol=1e-12, atol=1e-14, equal_nan=True)


def evaluate(program, given):
    """All results of a program, by PyTorch's functions of the same names."""
    functions = {
        "at_least": torch.maximum,
        "at_most": torch.minimum,
        "power": torch.pow,
        "softplus": softplus,
        "and": torch.logical_and,
        "or": torch.logical_or,
        "not": torch.logical_not,
    }
    values = []
    for name, *arguments in program.operations:
        if name == "number":
            values.append(torch.full_like(given["in", 0], arguments[0]))
        elif name == "input":
            values.append(given[tuple(arguments[:2])])
        else:
            values.append(functions.get(name, getattr(torch, name, None))(*(values[a.index] for a in arguments)))
    return values


@pytest.mark.parametrize(
    ("function", "reason"),
    [
        (lambda x: torch.cumsum(x, 0), "the operation cumsum"),
        (lambda x: x.mean(), "the operation mean"),
        (lambda x: x if x > 0 else -x, "cannot be followed"),
        (lambda x: torch.add(x, x, alpha=2), "the operation add is used in a form"),
        (lambda x: softplus(x, 2.0), "the operation softplus is used in a form"),
    ],
)
def test_what_is_not_known_is_named(function, reason):
    program = elementwise.Program()
    with pytest.raises(elementwise.NotElementwise, match=reason):
        elementwise.record(program, lambda v: {"r": function(v["x"])}, {"x": program.input("in", 0, "x")})


def test_a_table_that_makes_no_sense_is_refused():
    surface = GUIDANCE.rows["surface"]
    for change, reason in (
        ({"inputs": ("moonlight", "static_code")}, "input moonlight"),
        ({"kind": "oracle"}, "kind oracle"),
        ({"outputs": {"basal_respiration": "cube"}}, "activation cube"),
        ({"outputs": {"cue": "sigmoid"}}, "cue is learned twice"),
    ):
        row = Network(**({k: getattr(surface, k) for k in ("name", "kind", "inputs", "outputs", "role")} | change))
        with pytest.raises(ValueError, match=reason):
            rows(surface=row)
    row = Network("surface", "lstm", surface.inputs, {"basal_respiration": "softplus"}, "")
    with pytest.raises(ValueError, match="alpha_soil_evaporation"):
        H2CM(3, guidance=rows(surface=row))


def test_a_name_is_assigned_once(monkeypatch):
    def again(day, before):
        day.fapar = 2 * day.fapar

    monkeypatch.setattr(process, "EQUATIONS", (*process.EQUATIONS, again))
    with pytest.raises(ValueError, match="assign fapar to the day, which has it already"):
        H2CM(3)
