"""Trials on a small network: the batched torch run against neuron by neuron, energies against their definitions."""

import numpy as np
import pytest
import torch

from neurocircuit.network.calibrate import fit_table
from neurocircuit.network.run import Circuit
from neurocircuit.neuron.on_time import OnTimes
from neurocircuit.results.codesign import NotEvaluated
from neurocircuit.results.inference import NeuronPower
from neurocircuit.snn.trace import trace
from neurocircuit.spec import Flicker
from neurocircuit.studies import inference
from neurocircuit.studies.codesign.design import base_values, design_of
from neurocircuit.studies.codesign.trial import Evaluator, causes_of
from tests.noise.tables import planted_table


@pytest.fixture(scope="module")
def circuit(problem):
    design = design_of(problem.base, problem.variation, problem.power, {"window": 5.0})
    return Circuit.of(problem.mapping(design, problem.images("train", 2)).mapped, problem.physical)


def test_network_as_built_gives_the_circuits_ideal_times(problem, circuit):
    # the torch network with the banks' weights and bias delays against eq. (4), neuron by neuron
    images = problem.images("train", 3)
    built = inference.as_built(problem.network, circuit)
    with torch.no_grad():
        z = built(images.z)
    t = torch.log(z).double().numpy()
    for k, spikes in enumerate(images.spikes):
        point = circuit.ideal(spikes, delays=True)[-1]
        inside = point.fired & (t[k] < circuit.window)
        assert inside.sum() >= 3
        np.testing.assert_allclose(t[k][inside], point.at[inside], atol=2e-4)  # float32 against float64


def test_without_causes_both_ways_agree(problem, circuit):
    # a table whose noise is off, and level `averaged` far inside its limits, differ by the loop alone: the same
    # decisions are not promised, the columns are
    images = problem.images("train", 4)
    table, _, _ = fit_table(circuit, images.spikes[:2], chip_count=6, points_per_layer=40)
    labels = torch.from_numpy(images.labels)
    found = inference.under_table(circuit, problem.network, table, images.z, labels, chips=range(2), seed=1)
    assert found.image.tolist() == [0, 1, 2, 3] * 2
    assert found.chip.tolist() == [0] * 4 + [1] * 4
    assert (found.on.latency <= circuit.window).all()
    again = inference.under_table(circuit, problem.network, table, images.z, labels, chips=range(2), seed=1)
    assert again.on.on.tolist() == found.on.on.tolist()


def test_false_spikes_under_a_table_are_spikes_that_cost(problem, circuit):
    """A table by which every neuron within 0.4 thresholds of firing does fire: spikes, and their armed time, grow.

    The number under a table without false spikes is that of eq. (4) within the window, as the report's words say.
    """
    images = problem.images("train", 3)
    labels = torch.from_numpy(images.labels)
    built = inference.as_built(problem.network, circuit)
    rows = {
        share: inference.under_table(
            circuit, problem.network, planted_table(layers=3, false=share), images.z, labels, chips=range(1), seed=1
        )
        for share in (0.0, 1.0)
    }
    ideal = [sum(int((t[k] < circuit.window).sum()) for t in trace(built, images.z).t_over_tau) for k in range(3)]
    assert rows[0.0].on.spikes.tolist() == ideal
    assert (rows[1.0].on.spikes > rows[0.0].on.spikes + 5).all()
    assert (rows[1.0].on.before >= rows[0.0].on.before).all()
    assert "count as spikes" in causes_of(problem.study.fidelities[0], problem.base)


def test_figures_by_their_definitions():
    one = np.array([0])
    on = OnTimes(*(np.array([value]) for value in (2.0, 30.0, 0.0, 8.0, 0.0, 5.0, 4.0, 0.0)))
    found = inference.Inferences(one, one, np.array([True]), np.array([True]), on, 6.0, 0.0)
    numbers = inference.figures(found, NeuronPower(power_W=1e-4), tau_s=2e-8, weights=1000, neurons=10)
    assert numbers.energy_J == pytest.approx(1e-4 * 2e-8 * 30)
    assert numbers.energy_per_spike_J == pytest.approx(1e-4 * 2e-8 * 2)  # each of 4 was on for 2 τ
    assert numbers.energy_spikes_J == pytest.approx(4 * numbers.energy_per_spike_J)
    assert numbers.energy_paper_J == pytest.approx(1000 * 0.5 * 10e-12)
    assert numbers.latency_s == pytest.approx(4e-8)
    assert numbers.accuracy_low < 0.3  # one image, right: nothing is sure


def test_trial_is_reproducible_and_energy_follows_the_power(problem):
    evaluate, fidelity = Evaluator(problem), problem.study.fidelities[1]
    values = {"cycles_per_tau": 15.28, "bias": 1e-5, "weight_bits": 4}
    first, again = evaluate(values, fidelity), Evaluator(problem)(values, fidelity)
    assert first.feasible
    assert (first.accuracy, first.energy, first.latency) == (again.accuracy, again.energy, again.latency)
    # the base has no phase noise, so twice the current changes the power alone: by the law, every line in proportion
    twice = evaluate(values | {"bias": 2e-5}, fidelity)
    law = problem.power
    factor = (2e-5 * law.scaled_W / law.bias_A + law.fixed_W) / (1e-5 * law.scaled_W / law.bias_A + law.fixed_W)
    assert twice.details.energy_J / first.details.energy_J == pytest.approx(factor)
    assert twice.details.lines.generator_J / first.details.lines.generator_J == pytest.approx(2.0)
    assert twice.energy == twice.details.lines.total_J > twice.details.energy_J
    assert twice.latency == first.latency


def test_broken_limits_are_constraints_that_say_how_far(problem):
    kept = problem.study.replace(mapping=problem.study.mapping.replace(scale="kept"))
    evaluate = Evaluator(type(problem)(**{**vars(problem), "study": kept}))
    fidelity = problem.study.fidelities[0]
    found = evaluate({"phase_per_weight": 3.0, "lead": 3.0}, fidelity)
    assert found.details == NotEvaluated(infeasible="the mapping breaks a limit", cpu_s=found.details.cpu_s)
    assert not found.feasible
    assert found.constraints["XOR range"] > 0.5
    assert found.accuracy == 0.0
    worse = evaluate({"phase_per_weight": 6.0, "lead": 3.0}, fidelity)
    # the XOR's share is proportional to a: (1 + excess) doubles
    assert 1 + worse.constraints["XOR range"] == pytest.approx(2 * (1 + found.constraints["XOR range"]))
    impossible = evaluate({"lead": 6.0}, fidelity)
    assert impossible.constraints["lead below π"] == pytest.approx(6 / np.pi - 1)


def test_causes_name_what_a_level_lacks(problem):
    table, edge = problem.study.fidelities
    assert "false spikes" in causes_of(table, problem.base)
    held, lacking = causes_of(edge.replace(level="averaged"), problem.base).split("not:")
    assert "phase noise" in held
    assert "XOR range" in lacking
    assert "XOR" not in causes_of(edge, problem.base).split("not:")[1]
    assert "flicker" not in held
    noisy = problem.base.replace(locked_under_noise=True, flicker=Flicker(h=(1e-9,) * 4))
    assert "phase noise, the lock under it, flicker, " in causes_of(edge, noisy)


def test_base_values_name_every_parameter(problem):
    from neurocircuit.studies.codesign.study import BOUNDS, Parameters

    assert set(base_values(problem.base, problem.variation, problem.power.bias_A, 1.0)) == set(BOUNDS)
    assert set(Parameters.model_fields) == set(BOUNDS)
