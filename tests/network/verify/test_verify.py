"""A table against the circuit, whole images, clusters, the paper's reading."""

from dataclasses import replace

import numpy as np
import pytest

from neurocircuit.core.pool import IN_PROCESS, open_pool
from neurocircuit.errors import FileFormatError, InputError
from neurocircuit.network import calibrate
from neurocircuit.network.calibrate import points as collected
from neurocircuit.network.verify import correlation, images, level_agreement, neurons, single, transfer, transistors
from neurocircuit.neuron.operating_points import operate
from neurocircuit.neuron.sensitivity import Terms
from neurocircuit.noise import NoiseModel, NoiseTable
from neurocircuit.results.inference import NeuronPower
from neurocircuit.spec import Variation
from neurocircuit.tables.curve import output_of


def test_spread_is_that_of_the_membrane_over_the_slope(circuit, spikes):
    """Averaged level, thresholds that differ by σ = 0.1 %: spread of t times W_C - 1 is σ (θ + guard)/θ on each neuron.

    150 chips: error of a standard deviation 5.8 %. Finite r bends the slope by up to 1/r = 12 %: four neurons of five
    lie within 25 % with certainty (4 errors), their median within 15 %.
    """
    sigma = 1e-3
    points = calibrate.collect(circuit, spikes[:1], 60, 1)[0]
    points = points.take(np.flatnonzero(points.point.fired & (points.point.slope > 0.5) & (points.point.margin > 0.02)))
    variation = Variation(neuron={"threshold": sigma})
    t = np.stack(
        [calibrate.simulate_points(circuit, points, variation, 1, chip, "averaged", None)[0] for chip in range(150)]
    )
    own = points.spec
    expected = sigma * (own.threshold.lead_rad + own.ripple_guard_rad) / own.threshold.lead_rad
    found = t.std(axis=0, ddof=1) * points.point.slope / expected
    assert len(found) > 10
    assert np.median(found) == pytest.approx(1.0, abs=0.15)
    assert np.mean(np.abs(found - 1.0) < 0.25) > 0.8


def test_the_model_is_not_rejected_on_new_chips(circuit, spikes, calibrated):
    table, _, _ = calibrated
    replay = single.SingleNeurons(circuit, table, spikes, level="edge", runs=120, seed=3, layers=(0,)).replay()
    (check,) = replay.layers
    assert replay.differing_causes == ()
    assert not check.coverage[1].rejected
    assert check.runs + check.left_out == 120
    assert len(check.worst[0].wave["time"]) > 100


def test_single_neurons_do_not_depend_on_the_number_of_workers(circuit, spikes, calibrated):
    """Points, fire times, correlations and waveforms to the last bit, against a table and between two levels."""
    table, _, _ = calibrated
    replays = []
    with open_pool(2) as two:
        for pool in (IN_PROCESS, two):
            neurons_of = single.SingleNeurons(circuit, table, spikes, "edge", 60, 3, (0, 1), pool)
            replays.append([neurons_of.replay(), replace(neurons_of, level="averaged", layers=(2,)).replay()])
    assert replays[0] == replays[1]
    assert replays[0][0].layers[1].correlation
    assert replays[0][1].differing_causes


def test_a_circuit_that_scatters_three_times_as_far_is_rejected(circuit, spikes, calibrated):
    """The planted wrong answer of the test above: the same model, its runs three times as far from its median."""
    model = NoiseModel(calibrated[0], outside="ideal")
    points = neurons.points_of(circuit, spikes, 120, 3)[0]
    runs = neurons.replay(circuit, model, points, level="edge", chips=40, seed=3)
    both = np.isfinite(runs.t_over_tau) & np.isfinite(runs.median_over_tau)
    t = runs.t_over_tau.copy()
    t[both] = 3 * t[both] - 2 * runs.median_over_tau[both]
    pit, _ = neurons.pit_values(model, points, circuit.mapped.variation, t, np.random.default_rng(3))
    assert neurons.coverage(replace(runs, pit_value=pit))[1].rejected


@pytest.mark.parametrize(("inside", "rejected"), [(18, True), (20, False), (22, False)])
def test_shares_of_few_runs_are_judged_by_the_exact_binomial(inside, rejected):
    """18 of 22: P(at most 18) = 2.2 % at 95 %. 22 runs reject, four times in five, a coverage of 76 %."""
    pit = np.array([0.5] * inside + [0.001] * (22 - inside))
    nothing = np.zeros(22)
    one_each = np.arange(22)
    runs = neurons.Runs(0, pit, nothing, nothing, nothing, one_each, one_each, None, one_each)
    wide = neurons.coverage(runs)[1]
    assert wide.rejected == rejected
    assert wide.independent_runs == 22
    assert (wide.low <= 0.95 <= wide.high) != rejected
    assert wide.detectable == pytest.approx(0.763, abs=1e-3)
    if inside == 18:
        assert wide.p_value == pytest.approx(0.0444, abs=1e-4)


def test_runs_that_share_a_chip_count_as_fewer():
    """Two chips' worth of runs that all miss together are no evidence of 40 runs."""
    chip = np.arange(400) // 20
    pit = np.where(chip < 3, 0.001, 0.5)
    wide = neurons.coverage(neurons.Runs(0, pit, pit, pit, pit, chip, np.arange(400), None, np.arange(400)))[1]
    assert wide.independent_runs == pytest.approx(20, abs=2)
    assert not wide.rejected


def test_inputs_of_single_neurons_are_those_of_eq_4_or_of_chips(circuit, spikes, monkeypatch):
    """Of every point in its image: as eq. (4) alone has it, and otherwise where a chip has moved its inputs."""
    monkeypatch.setattr(collected, "KEPT", 40)
    expected = [circuit.ideal(image, delays=True) for image in spikes[:6]]
    for k, points in enumerate(neurons.points_of(circuit, spikes[:6], 60, 3, level=None)):
        of_point = np.array([expected[i][k].at[j] for i, j in zip(points.image, points.neuron, strict=True)])
        assert np.array_equal(points.point.at, of_point, equal_nan=True)
        assert len(set(points.image)) > 1
        assert points.all_coordinates.shape[1] <= 6 * 40
        assert np.array_equal(operate(points.times, points.weights, circuit.window).at, of_point, equal_nan=True)
    on_chips = neurons.points_of(circuit, spikes[:6], 60, 3)[-1]
    moved = [expected[i][-1].at[j] for i, j in zip(on_chips.image, on_chips.neuron, strict=True)]
    assert not np.allclose(on_chips.point.at, moved, equal_nan=True)


def test_runs_of_a_chip_correlate_as_the_model_says(circuit, spikes, calibrated):
    """Same chips on both sides: the difference within four of its errors and 0.06 for the fit on 12 chips."""
    table, points, _ = calibrated
    model = NoiseModel(table, outside="ideal")
    seen = correlation.scores(circuit, model, points[0], level="edge", chips=25, seed=5)
    row = correlation.summary(seen)
    assert abs(row["within_chip_difference"]) < 4 * row["within_chip_error"] + 0.06
    assert row["within_chip_model"] > 0.02
    assert row["within_neuron_model"] > row["within_chip_model"]


def test_correlation_from_single_runs_is_that_of_every_point_on_every_chip(circuit, spikes, calibrated):
    """Runs that the model itself draws on their chips: the pairs' correlation within four errors of the model's own."""
    table, _, _ = calibrated
    model = NoiseModel(table, outside="ideal")
    points = neurons.points_of(circuit, spikes, 300, 3)[0]
    runs = neurons.replay(circuit, model, points, level="edge", chips=20, seed=5)
    generator = np.random.default_rng(8)
    own = model.times(0, points.spec, points.point, Terms(*runs.u), generator, points.membranes)
    row = correlation.of_runs(circuit, model, replace(runs, t_over_tau=own), 5)
    assert abs(row["within_chip_difference"]) < 4 * row["within_chip_error"]
    assert row["within_chip_model"] > 3 * row["within_chip_error"] / np.sqrt(correlation.REPEATS)
    assert 0.0 < row["within_chip_error"] < 0.1


def test_correlations_of_planted_scores():
    """Scores with a share ρ of variance by chip and another by neuron: found within four errors (200 chips)."""
    rng = np.random.default_rng(0)
    chip, neuron, event = (rng.standard_normal(shape) for shape in ((200, 1, 1), (200, 1, 50), (200, 2, 50)))
    score = np.sqrt(0.2) * chip + np.sqrt(0.5) * neuron + np.sqrt(0.3) * event
    assert correlation.within_chip(score).mean() == pytest.approx(0.2 / 0.85, abs=0.1)  # of the mean of two events
    assert correlation.within_neuron(score).mean() == pytest.approx(0.7, abs=0.08)


def test_whole_images_do_not_depend_on_jobs_and_model_predicts_them(circuit, spikes, calibrated):
    table, _, _ = calibrated
    labels = np.array([0, 1, 2])
    one = images.run(circuit, spikes, labels, chips=2, level="edge", seed=1, table=table)
    with open_pool(2) as pool:
        two = images.run(circuit, spikes, labels, chips=2, level="edge", seed=1, table=table, pool=pool)
    np.testing.assert_array_equal(one.circuit, two.circuit)
    np.testing.assert_array_equal(one.model, two.model)
    np.testing.assert_array_equal(one.on.on, two.on.on)
    found = images.summary(one, circuit, NeuronPower(power_W=1e-4))
    latest = one.decision_over_tau.mean() * circuit.physical.neurons  # all neurons on until the decision
    assert 0.2 * latest < found.cost.energy_J / 1e-4 / circuit.mapped.neuron.tau_s < latest
    assert found.images == 3
    assert found.chips == 2
    circuit_latency, model_latency = found.layers[0].latency[0], found.layers[0].model_latency[0]
    assert model_latency == pytest.approx(circuit_latency, abs=0.05)


def test_levels_with_other_causes_are_not_compared_by_coverage(circuit, spikes):
    assert level_agreement.differing_causes(("XOR range",), ("XOR range",), "bsource", "averaged") == []
    assert level_agreement.differing_causes(("XOR range",), (), "bsource", "edge")
    points = neurons.points_of(circuit, spikes, 60, 1)[0]
    row = level_agreement.level_discrepancy(circuit, points, "averaged", "edge", chip_count=3, seed=1)
    assert abs(row.median) < 0.2
    assert "no coverage" in row.sentence


def test_decks_with_phase_noise_are_covered_by_a_table_of_the_averaged_level(circuit, spikes):
    """Same causes, phase noise among them: coverage instead of a level discrepancy, and the very same fire times."""
    mapped = circuit.mapped
    noisy = type(circuit).of(mapped.replace(neuron=mapped.neuron.replace(phase_noise=(1e5,) * 4)), circuit.physical)
    table, _, _ = calibrate.fit_table(noisy, spikes, level="averaged", chip_count=12, points_per_layer=80)
    assert table.layers[0].first_passage.spread.mean() == pytest.approx(1.0, abs=0.25)
    said = []
    replay = single.SingleNeurons(
        noisy,
        table,
        spikes,
        level="bsource",
        runs=60,
        seed=3,
        layers=(0,),
        progress=lambda done, total, label="": said.append(label),
    ).replay()
    (check,) = replay.layers
    assert replay.differing_causes == ()
    assert not check.coverage[1].rejected
    seen = check.correlation
    assert abs(seen["within_chip_difference"]) < 4 * seen["within_chip_error"] + 0.06
    assert said[-1] == f"layer conv1: {check.runs} neurons, 40 of 40 runs"
    points = neurons.points_of(noisy, spikes, 40, 1)[0]
    row = level_agreement.level_discrepancy(noisy, points, "bsource", "averaged", chip_count=3, seed=1)
    assert max(abs(row.low), abs(row.high)) < 1e-3
    assert row.only_here + row.only_there <= 1


def test_pit_values_of_draws_from_the_model_are_uniform(circuit, calibrated):
    """What the model itself draws must cover nominally: 360 points, error of the 95 % share 1.1 %."""
    table, points, _ = calibrated
    model, rng = NoiseModel(table, outside="ideal"), np.random.default_rng(6)
    inside = []
    for layer in points:
        t = neurons.draw_mixture(model, layer, circuit.mapped.variation, rng)
        pit, _ = neurons.pit_values(model, layer, circuit.mapped.variation, t, rng)
        inside.append(np.abs(pit - 0.5) <= 0.475)
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


def test_a_file_of_jitters_is_bound_to_its_network(mapping, tmp_path):
    jitter = transfer.TransferJitter(
        network="x",
        network_sha256=transfer.identity(mapping.mapped),
        curve_level="edge",
        curve_jitter=(0.01, 0.1),
        curve_mean=(0.02, 0.2),
        jitter_by_layer=(0.01, 0.02, 0.04),
        extrapolated_layers=0,
    )
    read = transfer.TransferJitter.load(jitter.save(tmp_path / "transfer.json"))
    assert read == jitter
    read.check_network(mapping.mapped.replace(checkpoint="elsewhere.pt"))
    with pytest.raises(FileFormatError, match="belong to another network: x"):
        read.check_network(mapping.mapped.replace(use=0.5))
    (tmp_path / "transfer.json").write_text("{}")
    with pytest.raises(FileFormatError, match="must be a result of kind transfer_jitter"):
        transfer.TransferJitter.load(tmp_path / "transfer.json")


def test_without_jitter_the_papers_reading_is_eq_4(circuit, spikes):
    labels = np.array([0, 1, 2])
    found = transfer.transfer_mode(circuit, spikes, labels, [0.0] * 4, 1, 1)
    assert found["agreement"][0] == 1.0
    assert max(found["deviation"]) == 0.0
    assert transfer.transfer_mode(circuit, spikes, labels, [0.05] * 4, 1, 1)["deviation"][0] > 0.01


def test_neurons_for_transistors_fit_the_circuit_and_its_time(circuit, spikes):
    found = transistors.choose(circuit, spikes, 5, 1, latest=2.5, most_active=20)
    points = found.points
    assert len(points.neuron) == 5
    assert points.point.fired.all()
    assert points.headroom.max() <= transistors.LARGEST_HEADROOM
    assert points.point.at.max() <= 2.5
    late = points.times >= points.point.at[:, None] + transistors.HEARD_after_over_tau
    assert np.sum((points.weights != 0) & ~late, axis=1).max() <= 20
    assert 0 < found.eligible <= found.held <= 1
    for k, (neuron, image) in enumerate(zip(points.neuron, points.image, strict=True)):
        received = circuit.physical.layers[0].inputs(spikes[image], 0.0)[neuron]
        np.testing.assert_array_equal(points.times[k], received)
    with pytest.raises(InputError, match=r"--runs must be <= \d+, the neurons of these images that fit, got 100000"):
        transistors.choose(circuit, spikes, 100_000, 1)
    with pytest.raises(InputError, match="map the network with a --variation of zeros"):
        transistors.replay(circuit, NoiseModel(NoiseTable(None)), spikes, 5, 1)
    mapped = circuit.mapped
    noisy = mapped.replace(neuron=mapped.neuron.replace(phase_noise=(1e4, 0.0, 0.0, 0.0)))
    with pytest.raises(InputError, match="level transistor has no noise of the oscillators: map the network with"):
        transistors.replay(replace(circuit, mapped=noisy), NoiseModel(NoiseTable(None)), spikes, 5, 1)


def test_idle_inputs_change_nothing_under_eq_4(circuit, spikes):
    """What the transistor level leaves idle comes too late or has no weight: the spike stays, within rounding."""
    points = transistors.choose(circuit, spikes, 5, 1, latest=2.5, most_active=20).points
    active = (points.weights != 0) & (points.times < points.point.at[:, None] + transistors.HEARD_after_over_tau)
    heard = np.where(active, points.times, np.inf)
    whole = operate(points.times, points.weights, circuit.window)
    part = operate(heard, points.weights, circuit.window)
    np.testing.assert_allclose(part.at, whole.at, rtol=1e-12)


def test_layers_wider_than_a_neuron_can_carry_are_named(circuit):
    gain = {layer.fan_in: 1.0 - layer.fan_in / 1000 for layer in circuit.physical.layers}
    width = circuit.physical.layers[1].fan_in
    carried = transistors.Carried(gain, limit=width - 1)
    said = transistors.not_run(circuit, carried)
    assert len(said) == len(circuit.physical.layers) - 1
    name = circuit.mapped.layers[1].name
    assert said[0].startswith(f"Layer {name} was not run: its neurons have {width} synapses, more than the ")
    roomy = transistors.not_run(circuit, transistors.Carried(carried.gain, limit=10**6))
    assert all("would take hours" in one for one in roomy)
    with pytest.raises(InputError, match="--layers must hold conv1 at level transistor"):
        single.SingleNeurons(circuit, NoiseTable(None), [], "transistor", runs=1, seed=1, layers=(1,)).replay()
