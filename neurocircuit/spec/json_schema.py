"""JSON Schemas of the TOML files, for editors and other programs. In a file a quantity is text with its unit."""

from typing import Any

from neurocircuit.spec.annotations import SIGNS
from neurocircuit.spec.fields import Spec
from neurocircuit.units import format_quantity

DIALECT = "https://json-schema.org/draft/2020-12/schema"
# Names of bounds in JSON Schema; behind a validator pydantic leaves them under its own.
_NAMES = {"gt": "exclusiveMinimum", "ge": "minimum", "lt": "exclusiveMaximum", "le": "maximum"}


def json_schema(file: type[Spec]) -> dict[str, Any]:
    """Return the JSON Schema of the file that `file.from_toml` reads: fields, bounds, defaults, meanings.

    No field is required: a process may have a base, and some fields take their values from others. JSON Schema has no
    bounds for text: those of a quantity stand in its description.

    >>> from neurocircuit.spec import NeuronSpec
    >>> tau = json_schema(NeuronSpec)["properties"]["tau"]
    >>> tau["type"], tau["default"], tau["description"].rpartition("; ")[2]
    ('string', '20 ns', '> 0 s, <= 1 s')
    """
    return {"$schema": DIALECT, **_as_in_files(file.model_json_schema(by_alias=True))}


def _as_in_files(node: Any) -> Any:
    """Return the same schema for text in the place of each quantity, without null, which TOML does not have."""
    if isinstance(node, list):
        return [_as_in_files(item) for item in node]
    if not isinstance(node, dict):
        return node
    node = _without_null(_with_default_in_units(node))
    if isinstance(node.get("required"), list):
        del node["required"]
    if isinstance(node.get("unit"), str):
        return _text(node)
    bounds = {_NAMES[key]: node[key] for key in _NAMES if isinstance(node.get(key), int | float)}
    return {key: _as_in_files(value) for key, value in node.items() if _NAMES.get(key) not in bounds} | bounds


def _text(node: dict[str, Any]) -> dict[str, Any]:
    """Return the schema of a quantity's text."""
    unit = node["unit"]
    bounds = ", ".join(f"{sign} {_quantity(node[key], unit)}" for key, sign in SIGNS.items() if key in node)
    kept = {key: value for key, value in node.items() if key not in {*SIGNS, "unit"}}
    description = "; ".join(part for part in (node.get("description"), bounds) if part)
    return kept | {"type": "string", "description": description, "examples": [f"1 {unit}"]}


def _with_default_in_units(node: dict[str, Any]) -> dict[str, Any]:
    default, unit = node.get("default"), node.get("unit")
    if isinstance(default, int | float) and isinstance(unit, str):
        return node | {"default": _quantity(default, unit)}
    units = [str(item["unit"]) for item in node.get("prefixItems", ()) if "unit" in item]
    if isinstance(default, list | tuple) and default and len(units) == len(default):
        return node | {"default": [_quantity(value, of) for value, of in zip(default, units, strict=True)]}
    return node


def _without_null(node: dict[str, Any]) -> dict[str, Any]:
    kept = {key: value for key, value in node.items() if not (key == "default" and value is None)}
    if "anyOf" in kept:
        choices: list[dict[str, Any]] = [choice for choice in kept["anyOf"] if choice != {"type": "null"}]
        if len(choices) == 1:
            del kept["anyOf"]
            return choices[0] | kept
        kept["anyOf"] = choices
    return kept


def _quantity(value: float, unit: str) -> str:
    return f"0 {unit}" if value == 0 else format_quantity(value, unit)
