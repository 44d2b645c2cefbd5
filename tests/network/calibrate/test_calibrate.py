"""Calibration of a small network: its terms, its budget, its range."""

import numpy as np
import pytest

from neurocircuit.network import calibrate
from neurocircuit.network.calibrate import budget
from neurocircuit.neuron.sensitivity import common_terms
from neurocircuit.noise import NoiseModel, fit
from neurocircuit.spec import Variation


def test_first_order_terms_hold_on_the_circuit(calibrated):
    """κ near 1: the closed-form sensitivities are the circuit's own, for neurons' errors within a quarter."""
    table, _, _ = calibrated
    for own in table.layers:
        assert 0.7 < own.kappa[1] < 1.3


def test_the_loops_second_pole_is_a_term_of_first_order_in_one_over_r(circuit, spikes):
    """Averaged level, no variation: what is left beside -J/r is of second order, a quarter of it at twice the r.

    Medians over firing neurons with a slope above 0.5, spike width 0: m = -J/r (1 + O(1/r)).
    """
    left = []
    for r in (32.0, 64.0):
        mapped = circuit.mapped.neuron
        spec = mapped.replace(loop_filter_rad_per_s=r / mapped.tau_s, spike_width_s=0.0)
        own = type(circuit).of(circuit.mapped.replace(neuron=spec), circuit.physical)
        points = calibrate.collect(own, spikes[:1], 60, 1, "averaged")[0]
        t, _, _ = calibrate.simulate_points(own, points, Variation(), 1, 0, "averaged", None)
        kept = points.point.fired & np.isfinite(t) & (points.point.slope > 0.5)
        m = fit.membrane_seen(points.spec, points.point, t)[kept]
        loop, lag = common_terms(points.spec, points.point)[:, kept]
        assert not lag.any()
        assert np.median(np.abs(m)) > 0.3 / r
        left.append(float(np.median(np.abs(m - loop))))
        assert left[-1] < 0.25 * np.median(np.abs(m))
    assert left[0] / left[1] == pytest.approx(4.0, rel=0.35)


def test_budget_has_every_cause(circuit, calibrated):
    _, points, _ = calibrated
    row = budget.budget(circuit, points[:1], chip_count=4)[0]
    parts = (row.die, row.neuron, row.synapse, row.event)
    assert min(parts) > 0
    together = float(np.sqrt(np.square(parts).sum()))  # a spread of 4 chips has an error of 40 %
    assert together / 3 < row.all < 3 * together
    assert row.parameters["neuron: τ"] > 0
    assert row.parameters["event: phase noise"] == 0


def test_a_table_of_points_within_limits_refuses_those_beyond(circuit, spikes):
    within = calibrate.Within(headroom=0.4, latest=5.0)
    table, points, _ = calibrate.fit_table(circuit, spikes, chip_count=4, points_per_layer=60, within=within)
    for own in points:
        assert own.headroom.max() <= 0.4
        assert own.point.at.max() <= 5.0
    assert {"headroom", "time"} <= set(table.axes(0))
    model = NoiseModel(table, outside="ideal")
    answered, known = model.reach(0, points[0].all_coordinates)
    headroom = points[0].all_coordinates[fit.AXES.index("headroom")]
    assert (headroom > 0.55).sum() > 5
    assert not answered[headroom > 0.55].any()
    assert not known[headroom > 0.41].any()
