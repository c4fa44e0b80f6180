"""What a rule of the workflow depends on: the code of its script and of all modules of h2cm that it uses.

Snakemake sees that a script changed, not that a module did which the script imports. Each rule therefore has the hash
of `code_hash` among its ``params``. It is a hash of the syntax trees without comments, docstrings, layout and what only
writes to the log, so that editing these runs nothing again.

- Imports are followed wherever they stand, in functions too.
- A package's ``__init__`` counts where a name is taken from it, not where only a module of the package is imported.
- ``import_module(f"h2cm.some.package.{name}")`` counts all modules of that package, unless the rule says which one.
- A file or a folder of files (C++ sources) that stands beside a module and is named by a string in it belongs to it.
- `EXEMPT` modules do not count.
- The names of variables in words (``long_name``) count for rules only that print them.

With it go the installed versions of the packages in `COUNTED` that this code imports: those that decide numbers or drawings.
"""

from __future__ import annotations

import ast
import hashlib
import re
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

PACKAGE = "h2cm"

EXEMPT = ("h2cm.config", "h2cm.results.paths", "h2cm.workflow.job", "h2cm.workflow.provenance")
"""Modules that change no result by themselves: what the configuration decides reaches a rule as values of its
``params``, paths as those of its inputs and outputs, and the others only log and record."""

COUNTED = {
    "torch": "torch",
    "numpy": "numpy",
    "scipy": "scipy",
    "sklearn": "scikit-learn",
    "pandas": "pandas",
    "xarray": "xarray",
    "pint": "pint",
    "pyproj": "pyproj",
    "rasterio": "rasterio",
    "xesmf": "xesmf",
    "global_land_mask": "global-land-mask",
    "matplotlib": "matplotlib",
    "cmcrameri": "cmcrameri",
}
"""Packages that compute or draw, by the name of their import: another version makes anew what is made with it. The others
read, write, check or carry: what they hand on is the same whatever their version, or fails."""

_COMMENTS = re.compile(r'//[^\n]*|/\*.*?\*/|("(?:\\.|[^"\\\n])*")', re.DOTALL)


def code_hash(script: Path, root: Path, chosen: Iterable[str] = (), words: bool = True) -> str:
    """Hash of the code that a script runs.

    Parameters
    ----------
    script : Path
        The script of a rule.
    root : Path
        The folder that holds the package (``src``).
    chosen : iterable of str
        Names of modules that the script imports by a name made at run time. Of the packages that they are in, no other
        module counts for such an import. After a colon, the only function of the module that is used: what it does not
        need does not count.
    words : bool
        Whether the names of variables in words count: what a module hands as ``long_name`` to a function or class of its own.

    Returns
    -------
    str
        16 hexadecimal digits; the same if only comments, docstrings, layout or messages of the log differ.

    Raises
    ------
    FileNotFoundError
        If the script or a chosen module does not exist.
    """
    return _hash(dependencies(script, root, chosen), _only(chosen, root), words)


def _hash(files: Iterable[Path], only: dict[Path, str], words: bool) -> str:
    digest = hashlib.sha256()
    for file in files:
        digest.update(f"{file.name}\0{_content(file, file.stat().st_mtime_ns, only.get(file, ''))[words]}\0".encode())
    return digest.hexdigest()[:16]


def code_of(
    script: Path, root: Path, chosen: Iterable[str] = (), words: bool = True, unused: Iterable[str] = ()
) -> str:
    """What a rule depends on beside files and configuration: `code_hash`, and versions of the `COUNTED` packages it imports.

    Parameters and errors are those of `code_hash`; `unused` packages are those that the configuration does not use.

    Returns
    -------
    str
        Such as ``0123456789abcdef, numpy 2.3.1, torch 2.13.0``.
    """
    only, files = _only(chosen, root), dependencies(script, root, chosen)
    imported = set()
    for file in files:
        if file.suffix == ".py":
            imported |= _uses(file, root, file.stat().st_mtime_ns, only.get(file, "")).packages
    names = sorted(COUNTED[name] for name in (imported & COUNTED.keys()) - set(unused))
    return ", ".join([_hash(files, only, words), *(f"{name} {_version(name)}" for name in names)])


@cache
def _version(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:
        return "not installed"


def dependencies(script: Path, root: Path, chosen: Iterable[str] = ()) -> list[Path]:
    """The script, the modules of the package that it uses directly or not, and the files that belong to these.

    Parameters and errors are those of `code_hash`.
    """
    only = _only(chosen, root)
    chosen = tuple(name.partition(":")[0] for name in chosen)
    for name in chosen:
        if _module_file(name, root) is None:
            raise FileNotFoundError(f"{name}: expected a module below {root}, found none")
    narrowed = {name.rpartition(".")[0] for name in chosen}
    found, below = set(), set()
    queue = [script, *(_module_file(name, root) for name in chosen)]
    while queue:
        file = queue.pop()
        if file in found:
            continue
        found.add(file)
        uses = _uses(file, root, file.stat().st_mtime_ns, only.get(file, ""))
        below |= uses.files
        names = set(uses.modules)
        for package in uses.any_of - narrowed:
            folder = root.joinpath(*package.split("."))
            names |= {f"{package}.{path.stem}" for path in folder.glob("*.py") if path.stem != "__init__"}
        queue += [_module_file(name, root) for name in names if name not in EXEMPT]
    return [script, *sorted((found | below) - {script})]


def _only(chosen: Iterable[str], root: Path) -> dict[Path, str]:
    """The function that counts of each module of which only one does."""
    pairs = (name.partition(":") for name in chosen)
    return {_module_file(module, root): function for module, _, function in pairs if function}


def _tree(file: Path, function: str) -> ast.Module:
    """The syntax tree of a module; of the statements that define names, only those that `function` needs, if given."""
    tree = ast.parse(file.read_text(), str(file))
    if not function:
        return tree
    defined = [(_names(node), node) for node in tree.body]
    needed, queue = set(), [function]
    if not any(function in names for names, _ in defined):
        raise FileNotFoundError(f"{file}: expected a function {function}, found none")
    while queue:
        name = queue.pop()
        for names, node in defined:
            if name in names and node not in needed:
                needed.add(node)
                queue += [n.id for n in ast.walk(node) if isinstance(n, ast.Name)]
    tree.body = [node for names, node in defined if node in needed or not names]
    return tree


def _names(node: ast.stmt) -> set[str]:
    """The names that a statement defines, if that is all that it does."""
    if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
        return {node.name}
    if isinstance(node, ast.Import | ast.ImportFrom):
        return {(alias.asname or alias.name).partition(".")[0] for alias in node.names}
    if isinstance(node, ast.Assign) and all(isinstance(target, ast.Name) for target in node.targets):
        return {target.id for target in node.targets}
    if isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name):
        return {node.target.id}
    return set()


@dataclass(frozen=True)
class _Uses:
    """What a module uses of the package: `modules` by name, `any_of` the modules of some packages, `files` beside it;
    and `packages` of others."""

    modules: frozenset[str]
    any_of: frozenset[str]
    files: frozenset[Path]
    packages: frozenset[str]


@cache
def _uses(file: Path, root: Path, modified: int, function: str = "") -> _Uses:
    """What a file uses; `modified` tells versions of it apart."""
    modules, any_of, texts = set(), set(), set()
    for node in ast.walk(_tree(file, function)):
        if isinstance(node, ast.Import):
            modules |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            base = _base(node, file, root)
            for alias in node.names:
                # a module of the package, or a name that the module `base` defines
                modules.add(f"{base}.{alias.name}" if _module_file(f"{base}.{alias.name}", root) else base)
        elif isinstance(node, ast.Call) and _is_import_module(node.func) and node.args:
            name = _leading_text(node.args[0])
            (any_of if name.endswith(".") else modules).add(name.rstrip("."))
        elif isinstance(node, ast.Constant) and isinstance(node.value, str):
            texts.add(node.value)
    ours = {name for name in modules if name.split(".")[0] == PACKAGE and _module_file(name, root)}
    others = {name.split(".")[0] for name in modules} - {PACKAGE, ""}
    beside = {file.with_name(text) for text in texts if re.fullmatch(r"\w[\w.-]*", text)}
    inside = {path for folder in beside if folder.is_dir() for path in folder.iterdir()}
    files = {path for path in beside | inside if path.is_file() and path.suffix not in (".py", ".pyc")}
    any_of = {name for name in any_of if name.split(".")[0] == PACKAGE}
    return _Uses(frozenset(ours), frozenset(any_of), frozenset(files), frozenset(others))


def _base(node: ast.ImportFrom, file: Path, root: Path) -> str:
    """The absolute name of the module that a ``from`` import names."""
    if not node.level or root not in file.parents:
        return node.module or ""
    parents = file.relative_to(root).parts[: -node.level]
    return ".".join([*parents, *([node.module] if node.module else [])])


def _module_file(name: str, root: Path) -> Path | None:
    path = root.joinpath(*name.split("."))
    for file in (path.with_suffix(".py"), path / "__init__.py"):
        if file.is_file():
            return file
    return None


def _is_import_module(function: ast.expr) -> bool:
    return getattr(function, "attr", getattr(function, "id", None)) == "import_module"


def _leading_text(argument: ast.expr) -> str:
    """The text that a string, or an f-string, begins with; empty if there is none."""
    first = argument.values[0] if isinstance(argument, ast.JoinedStr) and argument.values else argument
    return first.value if isinstance(first, ast.Constant) and isinstance(first.value, str) else ""


@cache
def _content(file: Path, modified: int, function: str = "") -> tuple[str, str]:
    """Hashes of what counts of a file, without names in words and with them; `modified` tells versions of it apart."""
    text = file.read_text()
    if file.suffix != ".py":
        texts = [" ".join(_COMMENTS.sub(lambda match: match[1] or " ", text).split())]
    else:
        tree = _tree(file, function)
        for node in ast.walk(tree):
            if isinstance(getattr(node, "body", None), list):
                node.body = [n for n in node.body if not _is_text(n) and not _is_log(n)] or [ast.Pass()]
        texts = [ast.dump(tree)]
        if words := _words(tree):
            for word in words:
                word.value = ""
            texts.insert(0, ast.dump(tree))
    hashes = [hashlib.sha256(text.encode()).hexdigest() for text in texts]
    return hashes[0], hashes[-1]


def _words(tree: ast.Module) -> list[ast.Constant]:
    """Texts that are handed as ``long_name`` to a function or class of the same module."""
    places = {}
    for node in tree.body:
        if isinstance(node, ast.FunctionDef):
            names = [argument.arg for argument in node.args.args]
        elif isinstance(node, ast.ClassDef):
            names = [n.target.id for n in node.body if isinstance(n, ast.AnnAssign) and isinstance(n.target, ast.Name)]
        else:
            continue
        if "long_name" in names:
            places[node.name] = names.index("long_name")
    calls = [node for node in ast.walk(tree) if isinstance(node, ast.Call) and getattr(node.func, "id", None) in places]
    given = [call.args[places[call.func.id] :][:1] for call in calls]
    given += [[k.value for k in call.keywords if k.arg == "long_name"] for call in calls]
    return [text for texts in given for text in texts if isinstance(text, ast.Constant)]


def _is_log(node: ast.stmt) -> bool:
    """Whether a statement only writes to the log."""
    function = node.value.func if isinstance(node, ast.Expr) and isinstance(node.value, ast.Call) else None
    return isinstance(function, ast.Attribute) and getattr(function.value, "id", "").lower() == "log"


def _is_text(node: ast.stmt) -> bool:
    return isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) and isinstance(node.value.value, str)
