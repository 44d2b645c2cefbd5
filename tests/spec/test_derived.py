"""Derived quantities follow from the fields; what is said to keep one keeps it; remarks name what mends them."""

import math
import re
import tomllib

import pytest

from neurocircuit.core.shipped import folder
from neurocircuit.neuron.levels import evaluate
from neurocircuit.spec import Lead, NeuronSpec, Ramp
from neurocircuit.spec.derived import annotated_toml, derived, derived_line, remarks
from neurocircuit.spec.neuron import ReadoutWindow


def values(spec: NeuronSpec) -> dict[str, float]:
    return {quantity.name: quantity.value for quantity in derived(spec)}


def test_tau_alone_moves_what_is_told_and_the_named_fields_keep_it():
    base, tau_s = NeuronSpec(), 30e-9
    alone = base.replace(tau_s=tau_s)
    moved = {name for name, value in values(base).items() if not math.isclose(value, values(alone)[name])}
    assert moved == {"threshold", "f0·tau", "r", "window", "K"}
    kept = alone.replace(
        vco4_swing_Hz=base.vco4_swing_Hz * 20 / 30,
        f0_Hz=base.f0_Hz * 20 / 30,
        loop_filter_rad_per_s=base.loop_filter_rad_per_s * 20 / 30,
        window_s=base.window_s * 30 / 20,
    )
    for name in ("threshold", "f0·tau", "r", "window"):
        assert values(kept)[name] == pytest.approx(values(base)[name])


def test_comments_below_the_toml_read_back_and_name_the_threshold():
    spec = NeuronSpec(tau_s=30e-9)
    text = annotated_toml(spec)
    assert NeuronSpec.from_dict(tomllib.loads(text)) == spec
    assert "# threshold = 0.6667 in units of weight" in text
    assert "# REMARK: threshold is 0.667" in text
    assert "REMARK" not in annotated_toml(NeuronSpec())
    assert "threshold" not in derived_line(NeuronSpec(threshold=Ramp()))


def mended(spec: NeuronSpec, remark: str) -> NeuronSpec:
    """Return the spec with the field that a remark proposes."""
    ((name, value),) = re.findall(r'([a-z0-9_.]+) = ("[^"]+") (?:puts|is|gives)', remark)
    change = tomllib.loads(f"{name} = {value}")
    threshold = spec.to_dict()["threshold"] | change.pop("threshold", {})
    return NeuronSpec.from_dict(spec.to_dict() | {"threshold": threshold} | change)


@pytest.mark.parametrize(
    ("spec", "about"),
    [
        (NeuronSpec(tau_s=30e-9), "threshold"),
        (NeuronSpec(tau_s=2e-9, window_s=20e-9, threshold=Lead(lead_rad=3.0)), "threshold"),
        (NeuronSpec(vco4_swing_Hz=750e6, phase_per_weight_rad=0.001), "threshold"),
        (NeuronSpec(window_s=10e-9), "window"),
        (NeuronSpec(loop_filter_rad_per_s=5e7), "r ="),
    ],
)
def test_what_a_remark_proposes_takes_it_away(spec, about):
    (remark,) = [remark for remark in remarks(spec) if remark.startswith(about)]
    assert not [left for left in remarks(mended(spec, remark)) if left.startswith(about)]


def test_a_mistyped_prefix_of_tau_is_told():
    spec = NeuronSpec.from_dict({"tau": "20 us"})
    record = evaluate("ideal", spec, [[0.16, 0.16]], [[0.8, 0.8]])
    assert math.isinf(record.fire_time_over_tau[0])  # silent, which the remark explains
    cycles, window, threshold = remarks(spec)
    assert "15280 cycles" in cycles
    assert "silent" in window
    assert "0.001" in threshold


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"phase_per_weight_rad": 2.0, "vco4_swing_Hz": 18.75e6}, "leaves the XOR's linear range"),
        ({"loop_filter_rad_per_s": 1e10}, "passes the XOR's pulses"),
        ({"spike_width_s": 30e-9}, "longer than the membrane's memory"),
        ({"f0_Hz": 80e6, "vco4_swing_Hz": 150e6, "phase_per_weight_rad": 0.25}, "ripple"),
    ],
)
def test_unlikely_fields_get_one_remark(changes, words):
    (remark,) = remarks(NeuronSpec(**changes))
    assert words in remark


def test_a_readout_window_may_be_short_and_shipped_circuits_have_no_remark():
    window = ReadoutWindow(form="forced", armed_s=5e-9, length_s=5e-9)
    assert remarks(NeuronSpec(readout_window=window, window_s=11e-9)) == ()
    shipped = [*folder("training").rglob("*_base.toml"), *folder("netlists").rglob("spec.toml")]
    assert len(shipped) > 5
    for file in shipped:
        assert remarks(NeuronSpec.from_toml(file)) == (), file
