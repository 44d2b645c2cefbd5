"""A small sweep."""

from collections.abc import Callable
from typing import Any

import pytest

from neurocircuit.spec import NeuronSpec, SweepSpec, Testbench
from neurocircuit.studies.sweep.plan import SweepRequest


def make_testbench(**fields: Any) -> Testbench:
    values: dict[str, Any] = {
        "name": "test",
        "summary": "two inputs",
        "level": "ideal",
        "input_times_over_tau": (0.16, 0.3),
        "weights": (0.8, 0.9),
        "quantised_weights": (0.8, 0.9),
        "trials": 20,
    }
    return Testbench(**(values | fields))


@pytest.fixture
def testbench() -> Callable[..., Testbench]:
    return make_testbench


@pytest.fixture
def request_for() -> Callable[..., SweepRequest]:
    def build(
        bench: Testbench, spec: NeuronSpec | None = None, sweep: SweepSpec | None = None, cross_check: str | None = None
    ) -> SweepRequest:
        return SweepRequest.build(spec or NeuronSpec(), bench, sweep or SweepSpec(), cross_check)

    return build
