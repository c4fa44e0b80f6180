"""What a rule of the workflow depends on: the code of its script and of all modules of h2cm that it uses.

Snakemake sees that a script changed, not that a module did which the script imports. Each rule therefore has the hash
of `code_hash` among its ``params``. It is a hash of the syntax trees without comments, docstrings and layout, so that
editing these runs nothing again.

- Imports are followed wherever they stand, in functions too.
- A package's ``__init__`` counts where a name is taken from it, not where only a module of the package is imported.
- ``import_module(f"h2cm.some.package.{name}")`` counts all modules of that package, unless the rule says which one.
- A file that stands beside a module and is named by a string in it (a C++ source) belongs to the module.
- `EXEMPT` modules do not count.
"""

from __future__ import annotations

import ast
import hashlib
import re
from collections.abc import Iterable
from functools import cache
from pathlib import Path

PACKAGE = "h2cm"

EXEMPT = ("h2cm.config", "h2cm.job", "h2cm.provenance")
"""Modules that change no result by themselves: what the configuration decides reaches a rule as values of its
``params``, and the others only log and record."""

_COMMENTS = re.compile(r'//[^\n]*|/\*.*?\*/|("(?:\\.|[^"\\\n])*")', re.DOTALL)


def code_hash(script: Path, root: Path, chosen: Iterable[str] = ()) -> str:
    """Hash of the code that a script runs.

    Parameters
    ----------
    script : Path
        The script of a rule.
    root : Path
        The folder that holds the package (``src``).
    chosen : iterable of str
        Names of modules that the script imports by a name made at run time. Of the packages that they are in, no other
        module counts for such an import.

    Returns
    -------
    str
        16 hexadecimal digits; the same if only comments, docstrings or layout differ.

    Raises
    ------
    FileNotFoundError
        If the script or a chosen module does not exist.
    """
    digest = hashlib.sha256()
    for file in dependencies(script, root, chosen):
        digest.update(file.name.encode() + b"\0" + _content(file, file.stat().st_mtime_ns).encode() + b"\0")
    return digest.hexdigest()[:16]


def dependencies(script: Path, root: Path, chosen: Iterable[str] = ()) -> list[Path]:
    """The script, the modules of the package that it uses directly or not, and the files that belong to these.

    Parameters and errors are those of `code_hash`.
    """
    chosen = tuple(chosen)
    for name in chosen:
        if _module_file(name, root) is None:
            raise FileNotFoundError(f"{name}: expected a module below {root}, found none")
    found, queue = {}, [script, *(_module_file(name, root) for name in chosen)]
    while queue:
        file = queue.pop()
        if file in found:
            continue
        tree = ast.parse(file.read_text(), str(file))
        found[file] = sorted(_files_beside(tree, file))
        names = _imported(tree, _module_name(file, root), root, chosen)
        queue += [_module_file(name, root) for name in names if name not in EXEMPT]
    below = {path for files in found.values() for path in files}
    return [script, *sorted((set(found) | below) - {script})]


def _module_file(name: str, root: Path) -> Path | None:
    path = root.joinpath(*name.split("."))
    for file in (path.with_suffix(".py"), path / "__init__.py"):
        if file.is_file():
            return file
    return None


def _module_name(file: Path, root: Path) -> str | None:
    if root not in file.parents:
        return None
    parts = file.relative_to(root).with_suffix("").parts
    return ".".join(parts)


def _imported(tree: ast.Module, importer: str | None, root: Path, chosen: tuple[str, ...]) -> set[str]:
    """Names of the modules of the package that a module uses."""
    names = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            base = node.module or ""
            if node.level and importer:
                base = ".".join([*importer.split(".")[: -node.level], *([node.module] if node.module else [])])
            for alias in node.names:
                # a module of the package, or a name that the module `base` defines
                names.add(f"{base}.{alias.name}" if _module_file(f"{base}.{alias.name}", root) else base)
        elif isinstance(node, ast.Call) and _is_import_module(node.func) and node.args:
            names |= _imported_at_run_time(node.args[0], root, chosen)
    ours = {name for name in names if name.split(".")[0] == PACKAGE}
    return {name for name in ours if _module_file(name, root)}


def _is_import_module(function: ast.expr) -> bool:
    return getattr(function, "attr", getattr(function, "id", None)) == "import_module"


def _imported_at_run_time(argument: ast.expr, root: Path, chosen: tuple[str, ...]) -> set[str]:
    if isinstance(argument, ast.Constant):
        return {str(argument.value)}
    first = argument.values[0] if isinstance(argument, ast.JoinedStr) else None
    if not (isinstance(first, ast.Constant) and str(first.value).endswith(".")):
        return set()
    package = str(first.value)[:-1]
    if any(name.rpartition(".")[0] == package for name in chosen):
        return set()
    folder = root.joinpath(*package.split("."))
    return {f"{package}.{file.stem}" for file in folder.glob("*.py") if file.stem != "__init__"}


def _files_beside(tree: ast.Module, file: Path) -> set[Path]:
    texts = {node.value for node in ast.walk(tree) if isinstance(node, ast.Constant) and isinstance(node.value, str)}
    names = {text for text in texts if re.fullmatch(r"[\w.-]+\.\w+", text) and not text.endswith(".py")}
    return {file.with_name(name) for name in names if file.with_name(name).is_file()}


@cache
def _content(file: Path, modified: int) -> str:
    """What counts of a file; `modified` tells versions of it apart."""
    text = file.read_text()
    if file.suffix != ".py":
        return re.sub(r"\s+", " ", _COMMENTS.sub(lambda match: match[1] or " ", text)).strip()
    tree = ast.parse(text, str(file))
    for node in ast.walk(tree):
        if isinstance(getattr(node, "body", None), list):
            node.body = [n for n in node.body if not _is_text(n)] or [ast.Pass()]
    return ast.dump(tree)


def _is_text(node: ast.stmt) -> bool:
    return isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) and isinstance(node.value.value, str)
