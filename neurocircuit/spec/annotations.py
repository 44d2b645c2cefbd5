"""What the annotation of a spec's field says: unit, choices and bounds, at any depth."""

from collections.abc import Iterator
from math import inf
from typing import Any, get_args

from annotated_types import BaseMetadata
from pydantic.fields import FieldInfo

SIGNS = {"gt": ">", "ge": ">=", "lt": "<", "le": "<="}  # of the bounds, by their names in pydantic


def parts(annotation: Any) -> Iterator[Any]:
    """Give what an annotation is made of: types, and the metadata of `Annotated`."""
    yield annotation
    for part in get_args(annotation):
        yield from parts(part)


def metadata(field: FieldInfo) -> Iterator[Any]:
    """Give the metadata of a field and, in what `Annotated` and `Field` nest, below it."""
    for part in (*field.metadata, *parts(field.annotation)):
        yield part
        if isinstance(part, FieldInfo):
            yield from metadata(part)


def bounds(field: FieldInfo) -> list[tuple[str, float]]:
    """Return the bounds of a field, each once: its name in pydantic, its value."""
    stated = [
        (name, getattr(part, name))
        for part in metadata(field)
        if isinstance(part, BaseMetadata)
        for name in SIGNS
        if hasattr(part, name)
    ]
    return list(dict.fromkeys(stated))


def interval(field: FieldInfo) -> tuple[float, float]:
    """Return the interval that the bounds of a field leave; infinite where it has none.

    >>> from neurocircuit.spec import NeuronSpec
    >>> interval(NeuronSpec.model_fields["tau_s"])
    (0.0, 1.0)
    """
    limits = bounds(field)
    low = max((float(value) for name, value in limits if name.startswith("g")), default=-inf)
    return low, min((float(value) for name, value in limits if name.startswith("l")), default=inf)
