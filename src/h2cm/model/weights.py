"""Trained weights in one safetensors file: with the normalisation and the configuration, all that prediction needs.

Among its metadata is ``sha256``, the digest of all bytes of the file with zeros in the place of its own digits.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load as deserialise
from safetensors.torch import save as serialise
from torch import Tensor

from h2cm.files import whole
from h2cm.model import GUIDANCES, DailyModel, build_model
from h2cm.model.members import Members
from h2cm.model.networks import HIDDEN
from h2cm.results.paths import FILES
from h2cm.store import DataError

FILE = Path(FILES["weights"]).name
"""Name of the file of a fold."""

DIGEST = re.compile(rb'(?<="sha256":")[0-9a-f]{64}(?=")')
NONE = "0" * 64


def save(model, path: str | Path, features: tuple[str, ...], **metadata) -> None:
    """Write weights, normalisation and metadata, whole or not at all.

    Parameters
    ----------
    model : DailyModel or Boosting
    features : tuple of str
        Names of the static attributes, in order.
    **metadata
        Anything that JSON can hold: configuration, experiment, fold, versions, input hashes.

    Raises
    ------
    DataError
        If a weight is not finite.
    """
    metadata["features"] = list(features)
    members = getattr(model, "members", [model])
    one = members[0]
    metadata["model"] = {
        "kind": model.kind,
        "learned": list(getattr(one, "learned", ())),
        "variant": getattr(one, "variant", None),
        "units": getattr(one, "units", None),
        "members": len(members),
    }
    write({name: tensor.detach().cpu().contiguous() for name, tensor in model.state_dict().items()}, path, metadata)


def write(tensors: Mapping[str, Tensor], path: str | Path, metadata: Mapping) -> None:
    """Write tensors and metadata, with their digest; see `save`."""
    _check_finite(tensors, path)
    header = {key: json.dumps(value, default=str, sort_keys=True) for key, value in metadata.items()}
    content = _in_order(serialise(dict(tensors), header | {"sha256": NONE}))
    with whole(path) as file:
        file.write_bytes(DIGEST.sub(hashlib.sha256(content).hexdigest().encode(), content, 1))


def _check_finite(tensors: Mapping[str, Tensor], path: str | Path) -> None:
    """Refuse weights that are not finite; an attribute that is the same everywhere has an infinite deviation."""
    for name, tensor in tensors.items():
        wrong = tensor.isnan() if name.endswith("_std") else ~tensor.isfinite()
        if wrong.any():
            raise DataError(f"{path}: {name}: expected finite weights, found {int(wrong.sum())} that are not")


def _in_order(content: bytes) -> bytes:
    """The same safetensors file with the keys of its header in order: the library writes them as they come."""
    length = int.from_bytes(content[:8], "little")
    header = json.dumps(json.loads(content[8 : 8 + length]), sort_keys=True, separators=(",", ":")).encode()
    header = header.ljust(-(-len(header) // 8) * 8)  # tensors begin at a multiple of 8 bytes
    return len(header).to_bytes(8, "little") + header + content[8 + length :]


def _read(path: str | Path) -> bytes:
    """The content of a file of weights, which is as it was written.

    Raises
    ------
    DataError
        If it is not, or the file is absent.
    """
    try:
        content = Path(path).read_bytes()
    except OSError as error:
        raise DataError(f"{path}: expected the weights of a trained fold (safetensors): {error}") from None
    said = DIGEST.search(content, 8, 8 + int.from_bytes(content[:8], "little"))
    plain = content if said is None else content[: said.start()] + NONE.encode() + content[said.end() :]
    if said is None or hashlib.sha256(plain).hexdigest().encode() != said[0]:
        raise DataError(
            f"{path}: expected the weights of a trained fold (safetensors) as they were written, found others: the file is "
            "damaged, or of another program: delete it and start again, and it is made anew from the checkpoint"
        )
    return content


def _metadata(content: bytes) -> dict:
    header = json.loads(content[8 : 8 + int.from_bytes(content[:8], "little")])["__metadata__"]
    return {key: json.loads(value) for key, value in header.items() if key != "sha256"}


def read_metadata(path: str | Path) -> dict:
    """The metadata of a weights file; errors are those of `load`."""
    return _metadata(_read(path))


@dataclass(frozen=True)
class Folds:
    """The trained folds of an experiment, by number: `h2cm.predict` gives their median and spread."""

    models: dict[int, DailyModel]


def load(path: str | Path, backend: str = "auto", device: torch.device | str = "cpu"):
    """A trained model, or all folds of an experiment.

    Parameters
    ----------
    path : path
        ``model.safetensors`` of a trained fold, its folder, or the folder of an experiment, which has a folder for each fold.
    backend : str
        See `h2cm.model.H2CM`.

    Returns
    -------
    DailyModel, Boosting or Folds
        A model has the attributes ``features`` (names of the static attributes) and ``metadata``.

    Raises
    ------
    DataError
        If the file is damaged, or not the weights of this model.
    """
    if (folder := Path(path)).is_dir():
        path = folder / FILE
        of_folds = {int(file.parent.name.removeprefix("fold_")): file for file in folder.glob(f"fold_[0-9]*/{FILE}")}
        if of_folds:
            return Folds({fold: load(file, backend, device) for fold, file in sorted(of_folds.items())})
    content = _read(path)
    try:
        metadata, tensors = _metadata(content), deserialise(content)
    except (SafetensorError, ValueError, KeyError) as error:
        raise DataError(f"{path}: expected the weights of a trained fold (safetensors): {error}") from None
    _check_finite(tensors, path)
    row = metadata.get("model", {"kind": "h2cm", "learned": []})
    if row["kind"] == "gradient_boosting":
        from h2cm.model.boosting import Boosting  # scikit-learn is slow to import

        try:
            return Boosting.from_state(tensors, metadata["features"], metadata)
        except RuntimeError as error:
            raise DataError(f"{path}: not the weights of this model: {error}") from None
    if "static_mean" not in tensors:
        raise DataError(f"{path}: static_mean: expected among the weights, not there")
    variant = row.get("variant") or "published"
    if variant not in GUIDANCES:
        raise DataError(f"{path}: model.variant: expected one of {', '.join(GUIDANCES)}, found {variant}")
    size = row["kind"], len(tensors["static_mean"]), tuple(row["learned"])
    units = row.get("units") or HIDDEN
    models = [build_model(*size, backend, variant=variant, units=units) for _ in range(row.get("members", 1))]
    model = models[0] if len(models) == 1 else Members(models)
    try:
        model.load_state_dict(tensors)
    except RuntimeError as error:
        raise DataError(f"{path}: not the weights of this model: {error}") from None
    model.metadata = metadata
    model.features = tuple(metadata["features"])
    return model.to(device).requires_grad_(False)
