"""Testbench and SweepSpec."""

import pytest

from neurocircuit.errors import SpecError
from neurocircuit.spec import SweepSpec, Testbench, Uniform

GOOD = {
    "name": "two-inputs",
    "summary": "two inputs",
    "input_times_over_tau": [0.16, {"low": 0.1, "high": 0.3}],
    "weights": [0.8, 0.8],
    "quantised_weights": [0.8, {"low": 0.8, "high": 1.2}],
}


def test_round_trip():
    bench = Testbench.from_dict(GOOD)
    assert bench.input_times_over_tau[1] == Uniform(low=0.1, high=0.3)
    assert Testbench.from_dict(bench.to_dict()) == bench


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"weights": [1.0]}, "Testbench.weights must have 2 entries"),
        ({"trials": 1}, "Testbench.trials must be >= 2, got 1"),
        ({"input_times_over_tau": [-0.1, 0.2]}, "Testbench.input_times_over_tau must be >= 0"),
        ({"input_times_over_tau": []}, "Testbench.input_times_over_tau must have at least 1 entries"),
        ({"quantised_weights": [1, {"low": 2, "high": 1}]}, "Testbench.quantised_weights[1] high must be > low"),
        ({"jittered_inputs": [2]}, "Testbench.jittered_inputs must be < 2, got 2"),
        ({"metric": "rms"}, "Testbench.metric must be 'mean', 'median' or 'maximum'"),
        ({"timeout": "0 s"}, "Testbench.timeout must be > 0"),
        ({"name": "../x"}, "Testbench.name must match"),
        ({"level": "transistors"}, "Testbench.level must be"),
    ],
)
def test_wrong_fields_give_one_line(change, message):
    with pytest.raises(SpecError) as caught:
        Testbench.from_dict(GOOD | change)
    assert str(caught.value).startswith(message)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"jitter": (0.3,)}, "SweepSpec.jitter[0] must be <= 0.2, got 0.3"),
        ({"bits": (0,)}, "SweepSpec.bits[0] must be >= 1, got 0"),
        ({"bits": (60,)}, "SweepSpec.bits[0] must be <= 52, got 60"),
        ({"jitter": (), "bits": ()}, "SweepSpec.jitter and bits must not both be none"),
        ({"seed": -1}, "SweepSpec.seed must be >= 0, got -1"),
    ],
)
def test_sweep_bounds(values, message):
    with pytest.raises(SpecError) as caught:
        SweepSpec(**values)
    assert str(caught.value).startswith(message)
