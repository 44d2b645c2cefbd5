"""The common entry to all levels."""

from inspect import signature
from typing import get_args

import numpy as np
import pytest

from neurocircuit import doctor
from neurocircuit.errors import InputError
from neurocircuit.neuron import levels
from neurocircuit.neuron.chip import NeuronErrors
from neurocircuit.rendering import style
from neurocircuit.rendering.renderers.sweep_description import level_text
from neurocircuit.spec import FrequencyError, NeuronSpec, Ramp, StartPhases
from neurocircuit.spec.testbench import LevelName
from neurocircuit.studies.sweep import plan


@pytest.mark.parametrize(
    ("t", "w", "message"),
    [
        ([0.1, 0.2], [1.0], "inputs and weights must be as many: got 2 spike times and 1 weights"),
        ([], [], "inputs must be >= 1, got 0"),
        ([np.nan], [1.0], "inputs and weights must be numbers"),
        ([0.1], [np.inf], "inputs and weights must be numbers"),
        ([-0.1], [1.0], "inputs must be >= 0 tau"),
        ([0.1], [-1e300], "weights must be within ±10000, got -1e\\+300"),
    ],
)
def test_wrong_inputs(t, w, message):
    with pytest.raises(InputError, match=message):
        levels.evaluate("ideal", NeuronSpec(), t, w)


def test_every_table_by_level_names_every_level():
    """Those of docs/extending.md: a new level that is missing in one of them would fail in mid-run or in a report."""
    tables = (plan.COSTS, style.LEVEL_COLOURS, style.LEVEL_MARKERS, style.LEVEL_LINES)
    for table in tables:
        assert set(table) == set(levels.LEVELS)
    assert set(get_args(LevelName)) == set(levels.LEVELS)
    assert all(level_text(level) for level in levels.LEVELS)
    assert set(doctor.tolerances(NeuronSpec())) == set(levels.LEVELS) - {"transistor"}


def test_unknown_level():
    with pytest.raises(
        InputError, match="level must be one of ideal, averaged, edge, bsource, transistor, got 'spectre'"
    ):
        levels.evaluate("spectre", NeuronSpec(), [0.1], [1.0])


@pytest.mark.parametrize("level", ["ideal", "averaged", "edge"])
def test_refined_run_shows_the_numerical_floor(level):
    """Inputs moved by some ulps: the answer moves, by no more than rounding times the neuron's gain."""
    rng = np.random.default_rng(0)
    t, w = rng.uniform(0.1, 1, (200, 2)), rng.uniform(0.8, 1.2, (200, 2))
    plain, refined = (
        levels.evaluate(level, NeuronSpec(), t, w, refined=flag).fire_time_over_tau for flag in (False, True)
    )
    moved = np.abs(refined - plain)
    assert 0 < np.max(moved) < 1e-13


def test_window_decides_what_is_silent():
    tau = 20e-9
    for level in ("ideal", "averaged", "edge"):
        fire_time = levels.evaluate(level, NeuronSpec(), [0.3], [1.6]).fire_time_over_tau[0]
        assert np.isfinite(fire_time)
        for factor, fired in ((1.001, True), (0.999, False)):
            spec = NeuronSpec(window_s=fire_time * factor * tau)
            assert levels.evaluate(level, spec, [0.3], [1.6]).fired[0] == fired


def test_the_output_spike_comes_by_the_output_delay_after_the_crossing():
    """Logic behind the decision: fire times and the edge of q move by it; beyond the window the neuron is silent."""
    delay_s, spec = 0.7e-9, NeuronSpec()
    late = spec.replace(output_delay_s=delay_s)
    for level in ("ideal", "averaged", "edge"):
        crossing = levels.evaluate(level, spec, [0.3], [1.6]).fire_time_over_tau[0]
        spike = levels.evaluate(level, late, [0.3], [1.6]).fire_time_over_tau[0]
        assert spike - crossing == pytest.approx(delay_s / spec.tau_s, rel=1e-12)
        silent = late.replace(window_s=crossing * spec.tau_s + delay_s / 2)
        assert levels.evaluate(level, silent.replace(output_delay_s=0.0), [0.3], [1.6]).fired[0]
        assert not levels.evaluate(level, silent, [0.3], [1.6]).fired[0]
    plain, delayed = (levels.waveforms("edge", one, np.array([0.3]), np.array([1.6])) for one in (spec, late))
    rises = [one.time_over_tau[np.flatnonzero(np.diff(one.q) > 0)[0] + 1] for one in (plain, delayed)]
    grid = np.max(np.diff(plain.time_over_tau))
    assert rises[1] - rises[0] == pytest.approx(delay_s / spec.tau_s, abs=grid)
    np.testing.assert_array_equal(plain.membrane, delayed.membrane)


def test_a_wrap_whose_output_spike_comes_after_the_window_is_no_false_fire():
    """A deep membrane wraps; with a delay that takes its spike beyond the window the neuron is silent."""
    spec = NeuronSpec(window_s=60e-9)
    wrapped = levels.evaluate("edge", spec, [0.2], [-3.0])
    assert wrapped.false_fire[0]
    left = spec.window_over_tau - wrapped.fire_time_over_tau[0]
    for factor, seen in ((0.9, True), (1.1, False)):
        record = levels.evaluate("edge", spec.replace(output_delay_s=factor * left * spec.tau_s), [0.2], [-3.0])
        assert record.false_fire[0] == record.fired[0] == seen


def test_levels_say_what_they_leave_out():
    spec = NeuronSpec(
        readout="q",
        phase_noise=(1.0, 0.0, 0.0, 0.0),
        threshold=Ramp(),
        frequency_error=FrequencyError(after_trim=(0.0, 1e-3, 0.0, 0.0)),
    )
    assert set(levels.not_modelled("ideal", spec)) > {
        "threshold ramp",
        "readout q",
        "phase noise",
        "frequency errors",
    }
    assert "readout q" in levels.not_modelled("averaged", spec)
    for modelled in ("frequency errors", "phase noise"):
        assert modelled not in levels.not_modelled("averaged", spec)
        assert modelled not in levels.not_modelled("bsource", spec)
    assert levels.not_modelled("edge", spec) == ()


def test_start_phases_come_from_the_spec():
    spec = NeuronSpec(start_phases=StartPhases(vco1_rad=1.0, vco3_rad=2.0))
    named = levels.evaluate("edge", spec, [0.3, 0.6], [0.9, 0.9])
    given = levels.evaluate("edge", NeuronSpec(), [0.3, 0.6], [0.9, 0.9], start_rad=np.array([[1.0, 2.0]]))
    assert named.fire_time_over_tau[0] == given.fire_time_over_tau[0]


def test_random_start_phases_differ_between_trials():
    spec = NeuronSpec()
    record = levels.evaluate("edge", spec, np.full((50, 2), 0.3), np.full((50, 2), 0.9))
    assert np.std(record.fire_time_over_tau) > 1e-3
    again = levels.evaluate("edge", spec, np.full((50, 2), 0.3), np.full((50, 2), 0.9))
    np.testing.assert_array_equal(record.fire_time_over_tau, again.fire_time_over_tau)


def test_many_inputs_at_every_fast_level():
    """801 inputs, half of them silent: the fan-in of the published network's second layer."""
    rng = np.random.default_rng(3)
    t = np.where(rng.random(801) < 0.5, np.inf, rng.uniform(0, 2, 801))
    w = rng.normal(0.01, 0.02, 801)
    times = [
        levels.evaluate(level, NeuronSpec(), t, w).fire_time_over_tau[0] for level in ("ideal", "averaged", "edge")
    ]
    assert np.isfinite(times).all()
    assert np.ptp(times) < 0.3


@pytest.mark.parametrize("level", levels.LEVELS)
def test_the_file_of_every_level_fulfils_the_protocol(level):
    """Each function of Level with the protocol's parameters, in order; a level may take numerics beyond them."""
    module = levels.level_of(level)
    assert isinstance(module.HAS_DEVICES, bool)
    names = [name for name in vars(levels.Level) if not name.startswith("_")]
    assert set(names) == {"fire", "waveforms", "arming", "engine", "identity", "not_modelled"}
    for name in names:
        wanted = [
            parameter
            for parameter in list(signature(getattr(levels.Level, name)).parameters)[1:]
            if parameter != "numerics"
        ]
        there = list(signature(getattr(module, name)).parameters)
        assert there[: len(wanted)] == wanted


def test_a_chips_errors_are_refused_where_a_chip_is_a_seed():
    errors = NeuronErrors(np.zeros(1), np.zeros(1), np.zeros(1), (np.zeros(1),) * 4)
    with pytest.raises(InputError, match=r"errors must be none at level transistor, where a chip is Circuit.chip_seed"):
        levels.evaluate("transistor", NeuronSpec(), [0.1], [1.0], errors=errors)
