"""Where a result comes from, and whether it would be made again: ``python -m h2cm.origin FILE``.

What made each file of a run (inputs and their hashes, configuration, code, versions of packages) is in Snakemake's record of
it, in ``.snakemake/metadata`` of the folder that the workflow was started in. It is read back along all inputs to the data
from outside, and compared with what is there now. Weights, predictions and the data set say themselves what made them, so that
they do away from that folder, too.

Exit status: 0 if the same would be made again, 1 if something differs, 2 if nothing is known of the file.
"""

from __future__ import annotations

import argparse
import ast
import base64
import hashlib
import json
import os
import re
import sys
import time
from contextlib import redirect_stderr
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import netCDF4
import yaml
from safetensors import SafetensorError, safe_open

from h2cm.config import Config
from h2cm.results.paths import RESULTS
from h2cm.store import DataError

CODE = re.compile(r"[0-9a-f]{16}(, |$)")
NAME_MAX = 254  # characters of a file name after which Snakemake starts a folder


@dataclass(frozen=True)
class Made:
    """Snakemake's record of a file.

    Attributes
    ----------
    file : str
        As the workflow calls it.
    rule : str
    when : float
        Seconds since 1970.
    inputs : dict
        By name: the hash at that time, None for a folder.
    params : list
        What the rule was given: configuration, code, hashes of rows of the catalogue, in no order.
    """

    file: str
    rule: str
    when: float
    inputs: dict[str, str | None]
    params: list

    @property
    def code(self) -> str:
        """Hash of the code, versions of packages."""
        return next((p for p in self.params if isinstance(p, str) and CODE.match(p)), "not recorded")

    @property
    def configuration(self) -> dict:
        """The part of the configuration that the rule was given."""
        return next((p for p in self.params if is_configuration(p)), {})


def is_configuration(param: object) -> bool:
    """Whether a parameter of a rule is its part of the configuration."""
    return isinstance(param, dict) and bool(param) and param.keys() <= Config.model_fields.keys()


def workplace(file: Path) -> Path | None:
    """The folder that the workflow was started in which made a file."""
    return next((folder for folder in file.absolute().parents if (folder / ".snakemake" / "metadata").is_dir()), None)


def read_record(folder: Path, name: str) -> Made | None:
    """The record of a file of the workflow; None if no rule made it."""
    key = base64.urlsafe_b64encode(name.encode()).decode()
    parts = [key[i : i + NAME_MAX] for i in range(0, len(key), NAME_MAX)]
    path = Path(folder, ".snakemake", "metadata", *(f"@{part}" for part in parts[:-1]), parts[-1])
    if not path.is_file():
        return None
    found = json.loads(path.read_text())
    sums = {name: digest.removeprefix("sha256:") for name, digest in (found.get("input_checksums") or {}).items()}
    inputs = {name: sums.get(name) for name in found.get("input") or ()}
    params = [ast.literal_eval(text) for text in found.get("params") or ()]
    return Made(name, found["rule"], found["endtime"], inputs, params)


def history(folder: Path, name: str) -> dict[str, Made | None]:
    """Records of a file and of all that it was made of, the file first; None for what no rule made."""
    records, queue = {}, [name]
    while queue:
        file = queue.pop(0)
        if file not in records:
            records[file] = read_record(folder, file)
            queue += records[file].inputs if records[file] else ()
    return records


@cache
def sha256(path: Path) -> str:
    """SHA-256 of a file."""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def changed_inputs(folder: Path, records: dict[str, Made | None]) -> list[str]:
    """One line for each input that is not any more what it was."""
    lines = []
    for made in filter(None, records.values()):
        for name, before in made.inputs.items():
            if not (folder / name).exists():
                lines.append(f"{name}, from which {made.file} was made, is gone")
            elif before and sha256(folder / name) != before:
                lines.append(f"{name} is another file than the one from which {made.file} was made")
    return sorted(set(lines))


def flat(values: dict, prefix: str = "") -> dict[str, object]:
    """A nested dictionary with keys such as ``training.epochs``."""
    result = {}
    for key, value in values.items():
        deeper = isinstance(value, dict) and value
        result |= flat(value, f"{prefix}{key}.") if deeper else {f"{prefix}{key}": value}
    return result


def differences(before: list, now: list) -> list[str]:
    """What differs between the parameters of a rule then and now, a line each."""
    before, now = [p for p in before if p not in now], [p for p in now if p not in before]
    lines = []
    old, new = ([p for p in params if isinstance(p, str) and CODE.match(p)] for params in (before, now))
    if old and new:
        (code, *was), (other, *packages) = old[0].split(", "), new[0].split(", ")
        lines += ["other code"] if code != other else []
        was, packages = (dict(word.split(" ", 1) for word in words) for words in (was, packages))
        for name in sorted(was.keys() | packages.keys()):
            if was.get(name) != packages.get(name):
                lines.append(f"{name} {was.get(name, 'not used')}, now {packages.get(name, 'not used')}")
    old, new = ([flat(p) for p in params if isinstance(p, dict)] for params in (before, now))
    old, new = ({k: v for part in parts for k, v in part.items()} for parts in (old, new))
    for key in sorted(old.keys() | new.keys()):
        if old.get(key) != new.get(key):
            lines.append(f"{key}: {old.get(key, 'nothing')}, now {new.get(key, 'nothing')}")
    return lines or ["other parameters"]


def differing(folder: Path, records: dict[str, Made | None], configfiles: list[Path]) -> list[str]:
    """One line for each rule that made the file, or what it was made of, and would be given something else now."""
    from snakemake.api import SnakemakeApi
    from snakemake.settings.types import ConfigSettings, DAGSettings, OutputSettings, ResourceSettings

    root = folder if (folder / "Snakefile").is_file() else Path(__file__).parents[2]
    sys.argv = ["snakemake", "--dry-run"]  # nothing is taken over from a killed run (h2cm.workflow.takeover)
    lines = []
    with open(os.devnull, "w") as nowhere, redirect_stderr(nowhere), SnakemakeApi(OutputSettings(dryrun=True)) as api:
        workflow = api.workflow(
            ResourceSettings(cores=1),
            ConfigSettings(configfiles=configfiles),
            snakefile=root / "Snakefile",
            workdir=folder,
        )
        # of what would run now, whatever the reason, only the parameters are looked at: files are compared by their hashes
        settings = DAGSettings(targets={next(iter(records))}, forceall=True)
        workflow.dag(settings).execute_workflow(executor="dryrun")
        known = workflow._workflow.persistence
        for job in workflow._workflow.dag.jobs:
            output = next((str(file) for file in job.output if str(file) in records), str(job.output[0]))
            if not (folder / output).exists():
                lines.append(f"{output} is gone")
            elif records.get(output) is None:
                lines.append(f"{output} was not among what it was made of")
            elif known.params_changed(job):
                now = [ast.literal_eval(text) for text in known._params(job)]
                lines += [f"{job.rule.name} ({output}): {line}" for line in differences(records[output].params, now)]
    return sorted(lines)


def present_configuration(folder: Path, name: str) -> list[Path]:
    """The configuration that a start without further words would use, if it is of this run, else the run's own."""
    run = Path(name).parts[1] if Path(name).parts[0] == RESULTS else None
    default = folder / "config" / "config.yaml"
    if default.is_file() and (yaml.safe_load(default.read_text()) or {}).get("run") == run:
        return [default]
    return [folder / RESULTS / str(run) / "config.yaml"]


def embedded(file: Path) -> dict | None:
    """What a file itself says of its origin."""
    try:
        if file.suffix == ".nc":
            with netCDF4.Dataset(file) as data:
                found = {
                    key: data.getncattr(key)
                    for key in ("provenance", "configuration", "training")
                    if key in data.ncattrs()
                }
        elif file.suffix == ".safetensors":
            with safe_open(file, "pt") as data:
                found = dict(data.metadata() or {})
        else:
            return None
    except (OSError, SafetensorError) as error:
        raise DataError(f"{file}: expected a file that can be read ({error})") from None
    return {key: _read(text) for key, text in found.items()} or None


def _read(text: str) -> object:
    try:
        return json.loads(text)
    except ValueError:
        return text


def told(folder: Path, records: dict[str, Made | None]) -> str:
    """What made the first of the files, for the reader."""
    made = next(iter(records.values()))
    lines = [
        f"{made.file} was made by the rule {made.rule} ({time.strftime('%F %T', time.localtime(made.when))}), from"
    ]
    lines += [f"  {name}  sha256 {digest or '- (a folder)'}" for name, digest in sorted(made.inputs.items())]
    lines += ["by the rules, with hash of the code and versions of packages"]
    rules = {(one.rule, one.code) for one in records.values() if one}
    lines += [f"  {rule}: {code}" for rule, code in sorted(rules)]
    outside = {
        name: digest for one in records.values() if one for name, digest in one.inputs.items() if not records[name]
    }
    if outside:
        lines += ["from the files from outside"]
        lines += [f"  {name}  sha256 {digest or '- (a folder)'}" for name, digest in sorted(outside.items())]
    values = {}
    for one in filter(None, records.values()):
        values |= flat(one.configuration)
    lines += ["with the configuration (what decided it)", *(f"  {key}: {values[key]}" for key in sorted(values))]
    return "\n".join(lines)


def main(arguments: list[str] | None = None) -> int:
    """Say where a file comes from; the exit status is that of the module's docstring."""
    parser = argparse.ArgumentParser(prog="h2cm origin", description=__doc__.splitlines()[0])
    parser.add_argument("file", type=Path)
    parser.add_argument("--configfile", type=Path, nargs="+", help="present configuration; by default that of the run")
    given = parser.parse_args(arguments)
    try:
        if not given.file.exists():
            raise DataError(f"{given.file}: expected a result, found none")
        folder = workplace(given.file)
        name = str(given.file.absolute().relative_to(folder)) if folder else ""
        records = history(folder, name) if folder else {}
        if not records or records[name] is None:
            own = embedded(given.file)
            if own is None:
                raise DataError(
                    f"{given.file}: expected a file with a record in .snakemake/metadata of its run, found none"
                )
            print(f"No run is known that made {given.file}; it says of itself:\n{yaml.safe_dump(own, sort_keys=False)}")
            return 2
        print(told(folder, records))
        lines = changed_inputs(folder, records)
        configfiles = [path.absolute() for path in given.configfile or ()] or present_configuration(folder, name)
        try:
            lines += differing(folder, records, configfiles)
        except Exception as error:  # Snakemake raises many kinds
            used = ", ".join(map(str, configfiles))
            raise DataError(
                f"{given.file}: expected that {used} plans it, but {type(error).__name__}: {error}"
            ) from None
    except DataError as error:
        print(error, file=sys.stderr)
        return 2
    if lines:
        print("What is there now would not make the same:", *(f"  {line}" for line in lines), sep="\n")
        return 1
    print("What is there now (inputs, configuration, code, packages) would make the same.")
    return 0


if __name__ == "__main__":
    sys.exit(main())
