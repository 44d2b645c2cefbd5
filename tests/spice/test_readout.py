"""Planted oscillators: phases are known in closed form, so membrane, crossing and headroom can be told exactly."""

from math import inf, pi

import numpy as np
import pytest

from neurocircuit.errors import SimulatorBadOutput
from neurocircuit.spice.readout import Course

F1, F3, SWING, LEAD = 750e6, 937.5e6, 80e6, 1.9
TIME = np.arange(-3e-9, 40e-9, 5e-12)


def square(phase_rad):
    """A steep wave of 0 … 1 V that rises through 0.5 V at multiples of 2π, points as dense as the simulator's."""
    return 0.5 + 0.5 * np.tanh(20 * np.sin(phase_rad))


def planted(error_rad=1.0, q_at=None, lead=LEAD):
    """VCO1 jumps by error_rad at 2 ns and relaxes; VCO4 follows UP, which pulses at twice F1."""
    since = np.maximum(TIME - 2e-9, 0.0)
    error = error_rad * np.exp(-since / 20e-9) * (TIME >= 2e-9)
    phase1 = 2 * pi * F1 * TIME + 1.0
    phase2 = phase1 - pi / 2 - error
    up = ((np.sin(phase1) > 0) != (np.sin(phase2) > 0)).astype(float)
    area = np.concatenate([[0.0], np.cumsum(np.diff(TIME) * (up[1:] + up[:-1]) / 2)]) - 0.5 * (TIME - TIME[0])
    membrane = -lead + 2 * pi * SWING * area
    phase3 = 2 * pi * F3 * TIME + 0.4
    q = np.zeros_like(TIME) if q_at is None else (q_at <= TIME).astype(float)
    waves = {"o1": phase1, "o2": phase2, "o3": phase3, "o4": phase3 + membrane}
    vectors = {f"v({name})": square(phase) for name, phase in waves.items()}
    course = Course(TIME, vectors | {"v(up)": up, "v(q)": q}, 1.0, SWING, -lead)
    return course, membrane, error


def test_the_membrane_between_two_edges_follows_up():
    course, membrane, error = planted()
    known = course.known
    # Edges are known to some fs, 1e-4 rad; a pulse of UP begins within one time step, 2π·80 MHz·5 ps = 2.5e-3 rad.
    np.testing.assert_allclose(course.membrane_rad, membrane[known], atol=2.5e-3)
    plain = np.interp(TIME, course.edges_s["o4"], 2 * pi * np.arange(len(course.edges_s["o4"])))
    assert np.ptp((plain - course.phase_rad("o3")[0] - membrane)[known] % 1.0) > 0.02  # edges alone miss the ripple
    late = TIME[known] > 4e-9
    np.testing.assert_allclose(course.phase_error_rad[late], error[known][late], atol=5e-3)


def test_the_ripple_comes_as_late_as_the_detector():
    course, membrane, _ = planted()
    xor_s, whole_s = 60e-12, 280e-12
    vectors = dict(course.vectors)
    vectors["v(up)"] = np.interp(TIME - xor_s, TIME, course.vectors["v(up)"])
    late = np.interp(TIME - whole_s, TIME, membrane)
    vectors["v(o4)"] = square(2 * pi * F3 * TIME + 0.4 + late)
    seen = Course(TIME, vectors, 1.0, SWING, -LEAD, detector_delay_s=whole_s)
    known = seen.known
    settled = TIME[known] > TIME[known][0] + whole_s
    np.testing.assert_allclose(seen.membrane_rad[settled], late[known][settled], atol=4e-3)
    at_once = Course(TIME, vectors, 1.0, SWING, -LEAD)
    assert np.abs(at_once.membrane_rad - late[known])[settled].max() > 0.03


def test_the_crossing_waits_for_what_the_flip_flop_needs():
    course, membrane, _ = planted()
    needs = Course(TIME, course.vectors, 1.0, SWING, -LEAD, setup_rad=0.12)
    expected = TIME[np.flatnonzero((membrane >= 0.12) & (TIME >= 0))[0]]
    assert needs.crossing_s() == pytest.approx(expected, abs=10e-12)
    assert needs.crossing_s() > course.crossing_s()


def test_the_crossing_is_where_the_planted_membrane_meets_zero():
    course, membrane, _ = planted()
    expected = TIME[np.flatnonzero((membrane >= 0) & (TIME >= 0))[0]]
    assert course.crossing_s() == pytest.approx(expected, abs=10e-12)
    assert not course.is_false_fire(course.crossing_s())
    assert course.headroom(expected) == pytest.approx(1.0 / (pi / 2), abs=0.05)


@pytest.mark.parametrize("error_rad", [0.96, 1.12, 1.22])
def test_a_run_that_q_ends_knows_the_crossing_up_to_q(error_rad):
    """VCO1's last edge may come a whole period before Q, in which the membrane still rises by 0.2 rad."""
    course, membrane, _ = planted(error_rad)
    clock_s = course.edges_s["o3"]
    seen_s = clock_s[(np.interp(clock_s, TIME, membrane) >= 0) & (clock_s > 0)][0]
    ended = seen_s + 0.45e-9 >= TIME
    vectors = {name: wave[ended] for name, wave in course.vectors.items()}
    vectors["v(q)"] = (seen_s + 0.4e-9 <= TIME[ended]).astype(float)
    run = Course(TIME[ended], vectors, 1.0, SWING, -LEAD)
    expected = TIME[np.flatnonzero((membrane >= 0) & (TIME >= 0))[0]]
    assert run.time_s[run.known.stop - 1] < expected < seen_s
    assert run.crossing_s() == pytest.approx(expected, abs=10e-12)


def test_a_silent_neuron_never_crosses():
    course = planted(error_rad=0.1)[0]
    assert (course.crossing_s(), course.q_s()) == (inf, inf)


def test_a_membrane_that_falls_a_turn_back_is_a_false_fire():
    course = planted(error_rad=-1.0)[0]
    assert course.crossing_s() < inf
    assert course.is_false_fire(course.crossing_s())


def test_q_is_its_first_rise_after_the_origin():
    assert planted(q_at=25e-9)[0].q_s() == pytest.approx(25e-9, abs=5e-12)


def test_q_without_a_meeting_of_the_phases_is_refused():
    with pytest.raises(SimulatorBadOutput, match="Q rose at 6"):
        planted(error_rad=0.05, q_at=6e-9)[0].crossing_s()


def test_an_oscillator_that_stands_still_is_named():
    course = planted()[0]
    course.vectors["v(o2)"][:] = 0.0
    with pytest.raises(SimulatorBadOutput, match="oscillator o2 must run, got 0 edges"):
        course.crossing_s()


def test_before_the_arming_no_crossing_counts():
    """The planted membrane is above zero from 19 ns to the end: an arming within finds it there, a later one waits."""
    course, membrane, _ = planted()
    above = TIME[np.flatnonzero((membrane >= 0) & (TIME >= 0))]
    for armed_s, expected in ((30e-9, 30e-9), (above[0] - 1e-9, above[0])):
        windowed = Course(TIME, course.vectors, 1.0, SWING, -LEAD, armed_s=armed_s)
        assert windowed.crossing_s() == pytest.approx(expected, abs=10e-12)
        assert not windowed.is_false_fire(windowed.crossing_s())


def test_a_membrane_a_turn_back_at_the_arming_is_a_false_fire():
    """The flip-flop compares modulo 2π: below -π VCO4 looks ahead at once."""
    course = planted(error_rad=-1.2)[0]
    late = Course(TIME, course.vectors, 1.0, SWING, -LEAD, armed_s=38e-9)
    assert late.membrane_rad[-1] < -pi
    assert late.crossing_s() == 38e-9
    assert late.is_false_fire(38e-9)


def test_on_a_ramp_the_loop_may_stand_still_and_the_membrane_rises_by_the_current():
    course, membrane, error = planted(error_rad=0.5)
    armed_s, duty = 15e-9, 0.9
    after = np.maximum(TIME - armed_s, 0.0)
    ramp_rad = np.interp(armed_s, TIME, membrane) + 2 * pi * SWING * (duty - 0.5) * after
    risen = np.where(after > 0, ramp_rad, membrane)
    vectors = dict(course.vectors) | {"v(o4)": square(2 * pi * F3 * TIME + 0.4 + risen)}
    for name in ("v(o1)", "v(o2)", "v(up)"):
        vectors[name] = np.where(after > 0, 0.0, vectors[name])
    ramp = Course(TIME, vectors, 1.0, SWING, -LEAD, armed_s=armed_s, constant_duty=duty)
    np.testing.assert_allclose(ramp.membrane_rad, risen[ramp.known], atol=4e-3)
    assert ramp.crossing_s() == pytest.approx(TIME[np.flatnonzero(risen >= 0)[0]], abs=20e-12)
    assert ramp.headroom(ramp.crossing_s()) == pytest.approx(error.max() / (pi / 2), abs=0.05)
    blind = Course(TIME, vectors, 1.0, SWING, -LEAD, armed_s=armed_s)
    assert blind.known.stop < ramp.known.stop  # without the word of it the run ends with VCO1
