"""Bounds of a field are found wherever its annotation states them."""

from math import inf
from typing import Annotated

import pytest
from pydantic import Field

from neurocircuit.spec import NeuronSpec
from neurocircuit.spec.annotations import bounds, interval
from neurocircuit.spec.bank import Bank
from neurocircuit.spec.fields import Spec, Volts


class Fields(Spec):
    inside: tuple[Annotated[Volts, Field(gt=0)], ...]
    optional: Annotated[float, Field(ge=-1, lt=2)] | None = None
    free: Volts = 0.0


@pytest.mark.parametrize(
    ("name", "stated", "limits"),
    [
        ("inside", [("gt", 0)], (0.0, inf)),
        ("optional", [("ge", -1), ("lt", 2)], (-1.0, 2.0)),
        ("free", [], (-inf, inf)),
    ],
)
def test_bounds_at_any_depth(name: str, stated: list[tuple[str, float]], limits: tuple[float, float]) -> None:
    field = Fields.model_fields[name]
    assert (bounds(field), interval(field)) == (stated, limits)


def test_intervals_of_the_circuit() -> None:
    assert interval(NeuronSpec.model_fields["phase_per_weight_rad"]) == (0.0, 100.0)
    assert interval(Bank.model_fields["bits"]) == (1.0, 52.0)
