"""Calibration at a small network, its table against the circuit, whole images, clusters, the paper's reading."""

import numpy as np
import pytest

from neurocircuit import calibrate
from neurocircuit.noise import NoiseModel, NoiseTable
from neurocircuit.spec import Variation
from neurocircuit.table.curve import output_of
from neurocircuit.verify import images, levels, neurons


@pytest.fixture(scope="session")
def calibrated(circuit, spikes):
    return calibrate.calibrate(circuit, spikes, chip_count=12, points_per_layer=120)


def test_first_order_terms_hold_on_the_circuit(calibrated):
    """κ near 1: the closed-form sensitivities are the circuit's own, for neurons' errors within a quarter."""
    table, _, _ = calibrated
    for own in table.layers:
        assert 0.7 < own.kappa[1] < 1.3


def test_the_model_is_not_rejected_on_new_chips(circuit, spikes, calibrated):
    table, _, _ = calibrated
    model = NoiseModel(table, outside="ideal")
    points = neurons.points_of(circuit, spikes, 120, 3)[0]
    runs = neurons.replay(circuit, model, points, level="edge", chips=12, seed=3)
    row = neurons.summary(circuit, model, runs, 3)
    assert not row["coverage"][1]["rejected"]
    assert abs(row["within_chip"] - row["within_chip_expected"]) < 4 * row["within_chip_expected_spread"] + 0.1
    worst = levels.worst(circuit, runs, "edge", 3, count=1)[0]
    assert len(worst["wave"]["time"]) > 100


def test_whole_images_do_not_depend_on_jobs_and_model_predicts_them(circuit, spikes, calibrated):
    table, _, _ = calibrated
    labels = np.array([0, 1, 2])
    one = images.run(circuit, spikes, labels, chips=2, level="edge", seed=1, table=table)
    two = images.run(circuit, spikes, labels, chips=2, level="edge", seed=1, table=table, jobs=2)
    np.testing.assert_array_equal(one.circuit, two.circuit)
    np.testing.assert_array_equal(one.model, two.model)
    found = images.summary(one, ("0", "1", "3"))
    assert found["images"] == 3
    assert found["chips"] == 2
    circuit_latency, model_latency = found["layers"][0]["latency"][0], found["layers"][0]["model_latency"][0]
    assert model_latency == pytest.approx(circuit_latency, abs=0.05)


def test_budget_has_every_cause(circuit, calibrated):
    _, points, _ = calibrated
    row = calibrate.budget(circuit, points[:1], chip_count=4)[0]
    assert all(row[name] > 0 for name in ("die", "neuron", "synapse", "event", "all"))
    assert row["parameters"]["neuron: τ"] > 0
    assert row["parameters"]["event: phase noise"] == 0


def test_levels_with_other_causes_are_not_compared_by_coverage(circuit, spikes):
    assert levels.differing_causes(("XOR range",), ("XOR range",), "bsource", "averaged") == []
    assert levels.differing_causes(("XOR range",), (), "bsource", "edge")
    points = neurons.points_of(circuit, spikes, 60, 1)[0]
    row = levels.level_discrepancy(circuit, points, "averaged", "edge", chip_count=3, seed=1)
    assert abs(row["median"]) < 0.2
    assert "no coverage" in row["sentence"]


def test_clustered_errors():
    """Independent values give the plain error; values equal within a cluster give that of the clusters."""
    rng = np.random.default_rng(0)
    values, label = rng.standard_normal(2000), np.arange(2000) % 50
    assert neurons.clustered_error(values, label) == pytest.approx(1 / np.sqrt(2000), rel=0.35)
    same = rng.standard_normal(50)[label]
    assert neurons.clustered_error(same, label) == pytest.approx(same[:50].std() / np.sqrt(50), rel=0.1)


def test_places_of_draws_from_the_model_are_even(circuit, calibrated):
    """What the model itself draws must cover nominally: 360 points, error of the 95 % share 1.1 %."""
    table, points, _ = calibrated
    model, rng = NoiseModel(table, outside="ideal"), np.random.default_rng(6)
    inside = []
    for layer in points:
        t = neurons.draw_mixture(model, layer, circuit.mapped.variation, rng)
        place, _ = neurons.places(model, layer, circuit.mapped.variation, t, rng)
        inside.append(np.abs(place - 0.5) <= 0.475)
    assert np.concatenate(inside).mean() == pytest.approx(0.95, abs=0.045)


def test_the_papers_curve_is_followed_between_and_beyond_its_rows():
    rows, means = np.array([0.01, 0.1]), np.array([0.002, 0.04])
    assert output_of(rows, means, 0.01) == pytest.approx(0.002)
    slope = np.log(20) / np.log(10)
    assert output_of(rows, means, 0.001) == pytest.approx(0.002 * 0.1**slope)


def test_zero_variation_and_no_causes_give_the_ideal_layers(circuit, spikes, calibrated):
    table, _, _ = calibrated
    chip = circuit.chip(1, 0, Variation())
    model = NoiseModel(NoiseTable(table.dataset), causes=())
    found = images.predict(chip, model, spikes[0], 0)
    for t, point in zip(found, circuit.ideal(spikes[0], delays=True), strict=True):
        np.testing.assert_array_equal(t, np.where(point.fired, point.at, np.inf))
