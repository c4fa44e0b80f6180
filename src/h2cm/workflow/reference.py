"""The reference of all configuration keys, made from the schema in `h2cm.config`."""

from __future__ import annotations

import re
import types
from pathlib import Path
from typing import Annotated, Literal, Union, get_args, get_origin

from pydantic import BaseModel
from pydantic.fields import FieldInfo

from h2cm.config import Config, Years

NAMES = {str: "text", int: "whole number", float: "number", bool: "true or false", Path: "path"}


def reference() -> str:
    """All keys as Markdown: one table for each section, in the order of the schema."""
    return "\n\n".join(_tables(Config, "", "A run"))


def _tables(model: type[BaseModel], path: str, title: str) -> list[str]:
    rows, below = ["| key | what | default | meaning |", "| --- | --- | --- | --- |"], []
    for name, field in model.model_fields.items():
        section, many = _section(field.annotation)
        what = _what(field.annotation, field.metadata)
        rows.append(f"| `{name}` | {what} | {_default(field, section)} | {_escape(field.description or '')} |")
        if section:
            below += _tables(section, f"{path}{name}." + ("<name>." if many else ""), _first_line(section))
    heading = f"### `{path.rstrip('.')}`" if path else "### Top level"
    intro = f"{title}\n\n" if path and title else ""
    return [f"{heading}\n\n{intro}" + "\n".join(rows), *below]


def _first_line(model: type[BaseModel]) -> str:
    return (model.__doc__ or "").strip().split("\n")[0]


def _section(annotation) -> tuple[type[BaseModel] | None, bool]:
    """The section that a key holds, if any, and whether it holds several by name."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation, False
    if get_origin(annotation) is dict:
        value = get_args(annotation)[1]
        return (value, True) if isinstance(value, type) and issubclass(value, BaseModel) else (None, False)
    return None, False


def _what(annotation, metadata=()) -> str:
    limits = [
        f"{sign} {getattr(m, attribute):g}"
        for m in metadata
        for attribute, sign in (("gt", "over"), ("ge", "at least"), ("lt", "under"), ("le", "at most"))
        if getattr(m, attribute, None) is not None
    ]
    return ", ".join([_type(annotation), *limits])


def _type(annotation) -> str:
    origin, args = get_origin(annotation), get_args(annotation)
    if annotation == Years:
        return "[first year, last year]"
    if origin is Annotated:
        return _what(args[0], args[1:])
    if origin in (Union, types.UnionType):
        return _type(next(a for a in args if a is not type(None)))
    if origin is Literal:
        return " or ".join(f"`{a}`" for a in args)
    if origin is tuple:
        return f"list of {_type(args[0])}" if args[-1] is Ellipsis else f"[{', '.join(_type(a) for a in args)}]"
    if origin is dict:
        return f"by {_type(args[0])}: {_type(args[1])}"
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return "section"
    return NAMES.get(annotation, annotation.__name__)


def _default(field: FieldInfo, section) -> str:
    if field.is_required():
        return "*required*"
    if isinstance(field.default, BaseModel):
        return "as below"
    if section:
        return ", ".join(f"`{name}`" for name in field.default) or "none"
    if field.default is None or field.default in ((), {}):
        return "-"
    value = list(field.default) if isinstance(field.default, tuple) else field.default
    text = f"{value:.4g}" if isinstance(value, float) else str(value).replace("'", "")
    return f"`{text}`"


def _escape(text: str) -> str:
    return re.sub(r"<(\w+)>", r"\\<\1\\>", text).replace("|", "\\|")
