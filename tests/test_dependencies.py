"""The hash of the code that a script runs: what changes it and what does not."""

from __future__ import annotations

from importlib.metadata import version
from pathlib import Path

import pytest

from h2cm.workflow.dependencies import code_hash, code_of, dependencies

FILES = {
    "script.py": "from h2cm.a import f\nfrom h2cm.parts import g\nf(); g()\n",
    "src/h2cm/__init__.py": "from h2cm import unused\n",
    "src/h2cm/a.py": '"""A."""\n\nfrom . import deep\n\n\ndef f():\n    """Say f."""\n    # one\n    return deep.x\n',
    "src/h2cm/deep.py": 'x = 1\n"""What x is."""\n',
    "src/h2cm/unused.py": "y = 2\n",
    "src/h2cm/config.py": "z = 3\n",
    "src/h2cm/parts/__init__.py": (
        "from importlib import import_module\nfrom h2cm.config import z\n\n\n"
        'def g(name="one"):\n    return import_module(f"h2cm.parts.{name}")\n'
    ),
    "src/h2cm/parts/one.py": 'SOURCE = "one.cpp"\nFOLDER = "sources"\n',
    "src/h2cm/parts/one.cpp": 'int one() { return 1; } // one\nconst char* s = "//";\n',
    "src/h2cm/parts/sources/more.h": "int two;\n",
    "src/h2cm/parts/two.py": "import h2cm.unused\n",
}


@pytest.fixture
def tree(tmp_path) -> Path:
    for name, text in FILES.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    return tmp_path


def names(tree: Path, *chosen: str) -> set[str]:
    return {str(path.relative_to(tree)) for path in dependencies(tree / "script.py", tree / "src", chosen)}


def edited(tree: Path, name: str, old: str, new: str) -> bool:
    """Whether an edit changes the hash of the script where the module `one` is chosen."""
    before = code_hash(tree / "script.py", tree / "src", ["h2cm.parts.one"])
    text = (tree / name).read_text()
    assert old in text
    (tree / name).write_text(text.replace(old, new))
    return code_hash(tree / "script.py", tree / "src", ["h2cm.parts.one"]) != before


def test_imports_are_followed(tree):
    common = {"script.py", "src/h2cm/a.py", "src/h2cm/deep.py", "src/h2cm/parts/__init__.py"}
    one = {"src/h2cm/parts/one.py", "src/h2cm/parts/one.cpp", "src/h2cm/parts/sources/more.h"}
    two = {"src/h2cm/parts/two.py", "src/h2cm/unused.py"}
    assert names(tree) == common | one | two
    assert names(tree, "h2cm.parts.one") == common | one
    assert names(tree, "h2cm.parts.two") == common | two


@pytest.mark.parametrize(
    ("name", "old", "new"),
    [
        ("script.py", "f(); g()", "f()"),
        ("src/h2cm/deep.py", "x = 1", "x = 2"),
        ("src/h2cm/a.py", "deep.x", "deep.x + 1"),
        ("src/h2cm/parts/__init__.py", 'name="one"', 'name="two"'),
        ("src/h2cm/parts/one.cpp", "return 1", "return 2"),
        ("src/h2cm/parts/one.cpp", '"//"', '"///"'),
        ("src/h2cm/parts/sources/more.h", "two", "three"),
    ],
)
def test_an_edit_of_code_changes_the_hash(tree, name, old, new):
    assert edited(tree, name, old, new)


@pytest.mark.parametrize(
    ("name", "old", "new"),
    [
        ("script.py", "f(); g()", "# a comment\nf()\ng()"),
        ("src/h2cm/a.py", "# one", "# two"),
        ("src/h2cm/a.py", '"""Say f."""', '"""Say\n    f and g."""'),
        ("src/h2cm/a.py", '"""A."""\n', ""),
        ("src/h2cm/deep.py", "What x is", "What x was"),
        ("src/h2cm/parts/one.cpp", "// one", "/* two */"),
        ("src/h2cm/parts/one.cpp", "{ return", "{\n  return"),
        ("src/h2cm/parts/two.py", "h2cm.unused", "h2cm.a"),
        ("src/h2cm/unused.py", "y = 2", "y = 3"),
        ("src/h2cm/__init__.py", "unused", "deep"),
        ("src/h2cm/config.py", "z = 3", "z = 4"),
    ],
)
def test_an_edit_of_anything_else_does_not(tree, name, old, new):
    assert not edited(tree, name, old, new)


def test_of_a_module_only_what_one_function_needs(tree):
    """The name of the function stands after a colon; messages of the log never count."""
    module = tree / "src/h2cm/parts/one.py"

    def hashed() -> str:
        return code_hash(tree / "script.py", tree / "src", ["h2cm.parts.one:write"])

    def edited_to(text: str) -> bool:
        before = hashed()
        module.write_text(text)
        return hashed() != before

    first = "import h2cm.unused\nA = 1\nB = 2\n\ndef read():\n    return B\n\ndef write():\n    return helper()\n\ndef helper():\n    return A\n"
    module.write_text(first)
    assert not edited_to(first.replace("B = 2", "B = 3").replace("return B", "return -B"))
    assert edited_to(first.replace("A = 1", "A = 5"))
    assert edited_to(first.replace("return A", "return -A"))
    assert edited_to(first + "\nA.registered = True\n"), "what a module does when it is imported counts"
    assert not edited_to(first + "\nA.registered = True\nlog.info('more')\n")
    assert "src/h2cm/unused.py" not in names(tree, "h2cm.parts.one:write")
    assert "src/h2cm/unused.py" in names(tree, "h2cm.parts.one")
    with pytest.raises(FileNotFoundError, match="expected a function gone"):
        code_hash(tree / "script.py", tree / "src", ["h2cm.parts.one:gone"])


def test_a_missing_module_is_an_error(tree):
    with pytest.raises(FileNotFoundError, match=r"h2cm\.parts\.three"):
        code_hash(tree / "script.py", tree / "src", ["h2cm.parts.three"])


def test_versions_of_the_packages_that_compute_go_with_the_code(tree):
    """Those that a module imports anywhere below the script, and no others."""
    script, root = tree / "script.py", tree / "src"
    plain = code_hash(script, root)
    assert code_of(script, root) == plain
    (tree / "src/h2cm/deep.py").write_text("import numpy as np\nfrom tqdm import tqdm\n\nx = 1\n")
    (tree / "src/h2cm/unused.py").write_text("import torch.nn\n")
    hashed = code_hash(script, root)
    assert code_of(script, root) == f"{hashed}, numpy {version('numpy')}, torch {version('torch')}"
    assert code_of(script, root, ["h2cm.parts.one"]).endswith(f", numpy {version('numpy')}")
    assert "torch" not in code_of(script, root, unused=["torch"])


def test_names_in_words_count_for_what_prints_them_only(tree):
    row = "class Row:\n    name: str\n    long_name: str\n\n\ndef short(long_name, unit):\n    return Row('x', long_name)\n\n\n"
    said = row + "rows = Row('a', 'in words'), short('more words', 'mm'), Row('b', long_name='other words')\n"
    file, script, root = tree / "src/h2cm/deep.py", tree / "script.py", tree / "src"
    file.write_text(said)
    plain, printed = (code_hash(script, root, words=words) for words in (False, True))
    for old, same in (("in words", True), ("more words", True), ("other words", True), ("mm", False), ("'a'", False)):
        file.write_text(said.replace(old, old.replace(old.strip("'"), "else")))
        assert (code_hash(script, root, words=False) == plain) is same, old
        assert code_hash(script, root, words=True) != printed
