"""Interpretations of what the paper leaves open, varied one at a time: how much does Table 3 move?"""

from collections.abc import Callable
from dataclasses import dataclass
from math import pi
from typing import Any

from neurocircuit.errors import SpecError
from neurocircuit.spec import NeuronSpec, Ramp, StartPhases, SweepSpec, Testbench, WeightBank
from neurocircuit.studies.sweep.plan import COSTLY_LEVEL, Half, SweepRequest

LEVEL = "edge"  # the level at which all interpretations make a difference
_MOST_DRAWS = 500  # one batch of a fast level: the baseline then shares its batches with the sweep
_JITTER = (0.01, 0.05, 0.09)
_BITS = (4, 8)

SpecChange = Callable[[NeuronSpec], dict[str, Any]]


@dataclass(frozen=True)
class Interpretation:
    """One variant in words, the fields of neuron and testbench that it changes, and the halves that it concerns."""

    name: str
    what: str
    testbench: dict[str, Any]
    spec: SpecChange
    halves: tuple[Half, ...] = ("jitter", "bits")


def _none(spec: NeuronSpec) -> dict[str, Any]:
    return {}


def _of_testbench(name: str, what: str, **fields: Any) -> Interpretation:
    return Interpretation(name, what, fields, _none)


def _of_jitter(name: str, what: str, **fields: Any) -> Interpretation:
    return Interpretation(name, what, fields, _none, ("jitter",))


def _of_spec(name: str, what: str, change: SpecChange) -> Interpretation:
    return Interpretation(name, what, {}, change)


def _two_inputs(first: float, second: float, weight: float) -> dict[str, Any]:
    return {"input_times_over_tau": (first, second), "weights": (weight, weight)}


def _start(eighths: int) -> Interpretation:
    phases = StartPhases(vco1_rad=eighths * pi / 4)
    what = f"VCO1 always starts at {eighths}π/4, VCO3 at 0" if eighths else "VCO1 and VCO3 always start at phase 0"
    return _of_testbench(f"start-phase-{eighths}/4-pi", what, start_phases=phases)


def _loop_ratio(ratio: int) -> Interpretation:
    what = f"loop filter {ratio}·K wide (r = {ratio})"
    return _of_spec(f"loop-ratio-{ratio}", what, lambda spec: {"loop_filter_rad_per_s": ratio / spec.tau_s})


def _bank(name: str, what: str, **fields: Any) -> Interpretation:
    def change(spec: NeuronSpec) -> dict[str, Any]:
        bank = spec.weight_bank
        return {
            "weight_bank": WeightBank(
                excitatory=bank.excitatory.replace(**fields), inhibitory=bank.inhibitory.replace(**fields)
            )
        }

    return Interpretation(name, what, {}, change, ("bits",))


INTERPRETATIONS = (
    _of_testbench("baseline", "the testbench as it stands"),
    _of_testbench("inputs-0.1-0.2", "inputs at 0.1 and 0.2 τ, weight 1 each", **_two_inputs(0.1, 0.2, 1.0)),
    _of_testbench("inputs-0.3-0.6", "inputs at 0.3 and 0.6 τ, weight 1 each", **_two_inputs(0.3, 0.6, 1.0)),
    _of_jitter(
        "origin-first-input",
        "inputs at 0.1 and 0.2 τ, weight 1 each; jitter and |Δ|/t count from the first input",
        **_two_inputs(0.1, 0.2, 1.0),
        time_origin="first-input",
    ),
    _of_spec("cycles-per-tau-70", "70 oscillator cycles per τ", lambda spec: {"f0_Hz": 70.0 / spec.tau_s}),
    _of_testbench("readout-q", "the spike is the VCO3 edge at which the flip-flop sees it", readout="q"),
    *(_start(eighths) for eighths in range(4)),
    _loop_ratio(4),
    _loop_ratio(64),
    _of_spec("threshold-ramp", "VCO3 runs ahead of VCO4: the threshold ramps", lambda spec: {"threshold": Ramp()}),
    _of_spec("spike-width-0", "each input moves VCO1 at once", lambda spec: {"spike_width_s": 0.0}),
    _of_jitter(
        "jitter-uniform", "evenly distributed jitter of the same standard deviation", jitter_distribution="uniform"
    ),
    _of_jitter("jitter-common", "one jitter for all inputs", jitter_correlation="common"),
    _of_jitter("jitter-one-input", "only the first input jitters", jittered_inputs=(0,)),
    _of_testbench("desired-eq4", "the desired time is that of eq. (4), not the clean run", desired="eq4"),
    _of_testbench("metric-median", "the column shows the median of |Δ|/t", metric="median"),
    _of_testbench("metric-maximum", "the column shows the largest |Δ|/t of the draws", metric="maximum"),
    _bank(
        "code-resistance",
        "the code sets the resistance, not the conductance: weights W/k, so none between W/2 and W at any resolution",
        code="resistance",
    ),
    _bank("weight-range-4", "the weight bank reaches to 4", max_weight=4.0),
)


def requests(main: SweepRequest) -> tuple[dict[str, SweepRequest], dict[str, str]]:
    """The small sweep behind each interpretation by name, and why one is left out where it does not fit this neuron.

    An interpretation that concerns only a half that `main` does not run is not among them. Beside a level with
    transistors there are none: the circuit fixes most of what they vary.
    """
    if COSTLY_LEVEL in main.levels:
        return {}, {}
    draws = min(main.testbench.trials, _MOST_DRAWS)
    possible: dict[str, SweepRequest] = {}
    left_out: dict[str, str] = {}
    for interpretation in INTERPRETATIONS:
        halves = [half for half in interpretation.halves if half in main.halves]
        if not halves:
            continue
        try:
            testbench = _with(main.testbench, interpretation, draws)
            spec = main.spec.replace(**interpretation.spec(main.spec))
        except SpecError as error:
            left_out[interpretation.name] = str(error)
            continue
        sweep = SweepSpec(
            jitter=_JITTER if "jitter" in halves else (), bits=_BITS if "bits" in halves else (), seed=main.sweep.seed
        )
        levels = {"ideal": draws, LEVEL: draws} if testbench.desired == "eq4" else {LEVEL: draws}
        possible[interpretation.name] = SweepRequest(spec, testbench, sweep, levels)
    return possible, left_out


def _with(testbench: Testbench, interpretation: Interpretation, draws: int) -> Testbench:
    fields = dict(interpretation.testbench)
    inputs = len(fields.get("weights", testbench.weights))
    if inputs != len(testbench.quantised_weights):
        fields["quantised_weights"] = testbench.quantised_weights[:1] * inputs
    return testbench.replace(**fields, level=LEVEL, trials=draws)
