"""The vector functions and products of the native backend, for every processor and compiler that is at hand.

`kernels.cpp` compares them with plain code in long double. It is compiled with the flags of the operator.
"""

import platform
import shutil
import subprocess
from pathlib import Path

import pytest
import torch

from h2cm.model.backends import native

PROGRAM = Path(__file__).with_name("kernels.cpp")
PLAIN, AVX2, AVX512 = ("vectors of 16 bytes, 16", "vectors of 32 bytes, 16", "vectors of 64 bytes, 32")
NEON = "vectors of 16 bytes, 32"
HERE = {"DEFAULT": PLAIN, "NO AVX": PLAIN, "AVX2": AVX2, "AVX512": AVX512}.get(torch.backends.cpu.get_cpu_capability())
WARNINGS = {
    # GCC 12 warns of its own header for AVX-512
    "g++": ("-Wall", "-Wextra", "-Werror", "-Wno-uninitialized", "-Wno-maybe-uninitialized"),
    "clang++": ("-Wall", "-Wextra", "-Werror"),
}


def compiled(compiler: str, folder: Path, *flags: str) -> Path:
    """The program, built; skips the test where there is no such compiler."""
    if shutil.which(compiler) is None:
        pytest.skip(f"{compiler} is not installed")
    program = folder / "kernels"
    warnings = WARNINGS["clang++" if "clang" in compiler else "g++"]
    command = [compiler, *native.FLAGS, *warnings, f"-I{native.SOURCES}", *flags, str(PROGRAM), "-o", str(program)]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return program


def run(*command: str | Path) -> subprocess.CompletedProcess:
    return subprocess.run([str(x) for x in command], capture_output=True, text=True)


@pytest.mark.skipif(platform.machine() not in ("x86_64", "AMD64"), reason="the processor is of another kind")
@pytest.mark.parametrize("compiler", ["g++", "clang++"])
@pytest.mark.parametrize(
    ("march", "vectors"), [("native", HERE), ("x86-64-v3", AVX2), ("x86-64", PLAIN)], ids=lambda x: x.split()[0]
)
def test_x86(compiler, march, vectors, tmp_path):
    if march == "x86-64-v3" and HERE == PLAIN:
        pytest.skip("the processor has no AVX2")
    done = run(compiled(compiler, tmp_path, f"-march={march}"))
    assert done.returncode == 0, done.stdout
    assert done.stdout.startswith(vectors)


@pytest.mark.skipif(platform.machine() not in ("arm64", "aarch64"), reason="the processor is of another kind")
def test_arm(tmp_path):
    done = run(compiled("c++", tmp_path))
    assert done.returncode == 0, done.stdout
    assert done.stdout.startswith(NEON)


def test_arm_on_another_machine(tmp_path):
    if shutil.which("qemu-aarch64") is None:
        pytest.skip("qemu-aarch64 is not installed")
    done = run("qemu-aarch64", compiled("aarch64-linux-gnu-g++", tmp_path, "-static"))
    assert done.returncode == 0, done.stdout
    assert done.stdout.startswith(NEON)


@pytest.mark.skipif(
    HERE not in (AVX2, AVX512), reason="the processor has no fused multiply-add that could be contracted"
)
def test_the_program_finds_what_contraction_breaks(tmp_path):
    done = run(compiled("g++", tmp_path, "-march=x86-64-v3", "-ffp-contract=fast"))
    assert done.returncode == 1
    failed = {line[7:25].strip() for line in done.stdout.splitlines() if line.endswith("FAILED")}
    assert failed == {"a * b - c"}


def test_another_processor_is_another_build_and_one_that_does_not_exist_is_refused(monkeypatch, tmp_path):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    libraries = set()
    for march in ("", "x86-64-v3", "x86-64", "abacus"):
        monkeypatch.setenv("H2CM_MARCH", march)
        libraries.add(native._library(""))
    assert len(libraries) == 4
    with pytest.raises(RuntimeError, match="abacus"):
        native._build(native._library(""), "")
    assert not list(tmp_path.rglob("*.so"))
