"""The TOML of any spec with a comment at each field: its unit, its bounds, and what its description says."""

import json
import re
import textwrap
from collections.abc import Iterator, Mapping
from enum import Enum
from typing import Any, Literal, get_args, get_origin

from pydantic import BaseModel
from pydantic.fields import FieldInfo

from neurocircuit.spec.annotations import SIGNS, bounds, metadata, parts
from neurocircuit.spec.fields import Spec, Unit

_WIDTH = 110


def commented_toml(spec: Spec, remarks: Mapping[str, str] | None = None) -> str:
    """Return TOML that reads back to an equal spec, each field below a comment: what it is, its unit, its bounds.

    A field that is absent stands there as a comment. remarks: what more is to be said of a field or a table, by its
    path ("sizes.l_min").

    >>> from neurocircuit.spec import Tone
    >>> print(commented_toml(Tone(frequency_Hz=1e6, amplitude_V=1e-3)))
    frequency = "1 MHz"  # Hz; > 0
    # peak, not peak to peak
    amplitude = "1 mV"  # V; >= 0, < 1
    <BLANKLINE>
    """
    return "\n".join(_table(spec, spec.to_dict(), (), remarks or {})) + "\n"


def _table(spec: BaseModel, values: dict[str, Any], path: tuple[str, ...], remarks: Mapping[str, str]) -> Iterator[str]:
    """Give the lines of a table: plain values first, as TOML asks for, then the tables below it."""
    below: list[tuple[str, FieldInfo, Any, Any]] = []
    for name, field in type(spec).model_fields.items():
        key, value = field.alias or name, getattr(spec, name)
        if _is_table(value):
            below.append((key, field, value, values[key]))
            continue
        yield from _commented(field.description, remarks.get(".".join((*path, key))))
        notes = "; ".join(filter(None, (_unit(field), _bounds(field), _choices(field))))
        text = f"# {key}: absent" if value is None else f"{key} = {_text(values[key])}"
        yield f"{text}  # {notes}" if notes else text
    for key, field, value, content in below:
        where = (*path, key)
        yield ""
        yield from _commented(field.description or _first_sentence(value), remarks.get(".".join(where)))
        if isinstance(value, BaseModel):
            yield f"[{'.'.join(where)}]"
            yield from _table(value, content, where, remarks)
            continue
        if isinstance(value, dict):
            yield f"[{'.'.join(where)}]"
            yield from (f"{_key(name)} = {_text(item)}" for name, item in content.items())
            continue
        for item, item_content in zip(value, content, strict=True):
            yield f"[[{'.'.join(where)}]]"
            yield from _table(item, item_content, where, remarks)


def _is_table(value: Any) -> bool:
    if isinstance(value, dict):
        return bool(value)
    items = value if isinstance(value, tuple) else (value,)
    return bool(items) and all(isinstance(item, BaseModel) for item in items)


def _commented(*texts: str | None) -> Iterator[str]:
    for line in textwrap.wrap("; ".join(filter(None, texts)), _WIDTH, break_on_hyphens=False):
        yield f"# {line}"


def _key(name: str) -> str:
    return name if re.fullmatch(r"[A-Za-z0-9_-]+", name) else json.dumps(name)


def _first_sentence(value: BaseModel | tuple[BaseModel, ...] | dict[str, Any]) -> str:
    """Return the first line of what a table's type says of itself."""
    if isinstance(value, dict):
        return ""
    model = type(value[0] if isinstance(value, tuple) else value)
    return (model.__doc__ or "").split("\n", 1)[0].removesuffix(".")


def _text(value: Any) -> str:
    """Return a value of a file as TOML in one line."""
    if isinstance(value, list):
        return f"[{', '.join(map(_text, value))}]"
    if isinstance(value, dict):
        return f"{{ {', '.join(f'{_key(key)} = {_text(item)}' for key, item in value.items())} }}"
    if isinstance(value, str):
        return json.dumps(value, ensure_ascii=False)  # the escapes of JSON are TOML's too
    return {True: "true", False: "false"}[value] if isinstance(value, bool) else repr(value)


def _unit(field: FieldInfo) -> str:
    for part in metadata(field):
        if isinstance(part, Unit):
            return part.unit
    return ""


def _bounds(field: FieldInfo) -> str:
    return ", ".join(f"{SIGNS[name]} {value:g}" for name, value in bounds(field))


def _choices(field: FieldInfo) -> str:
    choices = [choice for part in parts(field.annotation) if get_origin(part) is Literal for choice in get_args(part)]
    texts = [str(choice.value if isinstance(choice, Enum) else choice) for choice in choices]
    return f"one of {', '.join(texts)}" if len(texts) > 1 else ""
