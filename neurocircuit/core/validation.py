"""One line for what pydantic refuses: field, bound and value."""

from collections.abc import Iterator
from typing import Any, get_args

from pydantic import BaseModel, ValidationError

from neurocircuit.core.suggest import nearest


def one_line(owner: type[BaseModel], error: ValidationError) -> str:
    """Return the first complaint of a validation error as one line that names field, bound and value.

    owner: the model that was refused. An unknown field is told with the known one that is nearest to it.
    """
    errors = error.errors(include_url=False)
    # Of a union's complaints the last one speaks of the table form, the first one of the plain value.
    first = errors[-1] if isinstance(errors[0]["input"], dict) else errors[0]
    if first["type"] == "missing":  # a mistyped name is both missing and unknown
        first = next((error for error in errors if error["type"] == "extra_forbidden"), first)
    fields = [part for part in first["loc"] if isinstance(part, int) or (part[:1].islower() and "[" not in part)]
    fields = [part for k, part in enumerate(fields) if k == 0 or part != fields[k - 1]]
    if first["type"] == "extra_forbidden":
        fields = _without_tags(owner, fields)
    where = owner.__name__ + "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in fields)
    bound = {
        "greater_than": "must be > {gt}",
        "greater_than_equal": "must be >= {ge}",
        "less_than": "must be < {lt}",
        "less_than_equal": "must be <= {le}",
        "missing": "is missing",
        "extra_forbidden": "is not a known field",
        "int_from_float": "must be a whole number",
        "literal_error": "must be {expected}",
        "string_pattern_mismatch": "must match {pattern}",
        "union_tag_invalid": "must have a {discriminator} among {expected_tags}",
        "union_tag_not_found": "must have a {discriminator}",
        "too_short": "must have at least {min_length} entries",
        "too_long": "must have at most {max_length} entries",
    }.get(first["type"])
    text = bound.format(**first.get("ctx", {})) if bound else _plain(first["msg"])
    text = f"{where} {text}" if fields else f"{where}.{text}"
    complete = not fields or first["type"] == "missing" or ", got " in text
    text = text if complete else f"{text}, got {_short(first['input'])}"
    *path, name = first["loc"] or ("",)
    return text + (nearest(str(name), known_fields(owner, tuple(path))) if first["type"] == "extra_forbidden" else "")


def _without_tags(owner: type[BaseModel], path: list[int | str]) -> list[int | str]:
    """Return the path to a field without the tags of unions in it: below a tag there are the union's own fields."""
    kept: list[int | str] = []
    models = [owner]
    for part in path[:-1]:
        below = [one for upper in models for one in _below(upper, part)]
        if below or isinstance(part, int):
            kept.append(part)
        models = below or models
    return [*kept, path[-1]]


def known_fields(model: type[BaseModel], path: tuple[int | str, ...] = ()) -> list[str]:
    """Return the names, as files have them, of the fields that a model has at a path of fields, indices and tags."""
    models = [model]
    for part in path:
        # An index and the tag of a union name no field: what stands below them is of the same models.
        models = [below for upper in models for below in _below(upper, part)] or models
    return [field.alias or name for upper in models for name, field in upper.model_fields.items()]


def _below(model: type[BaseModel], part: int | str) -> Iterator[type[BaseModel]]:
    for name, field in model.model_fields.items():
        if part in (name, field.alias):
            yield from _models(field.annotation)


def _models(annotation: Any) -> Iterator[type[BaseModel]]:
    """Give the models that an annotation holds, at any depth."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    for argument in get_args(annotation):
        yield from _models(argument)


def _plain(message: str) -> str:
    message = message.removeprefix("Value error, ").removeprefix("Input ")
    return message.replace("should", "must", 1)


def _short(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 60 else text[:57] + "..."
