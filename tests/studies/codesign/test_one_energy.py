"""One neuron's energy, for one network and spec: `evaluate`, `pvt` and `codesign` have the same, line by line."""

import pytest

import neurocircuit as nc
from neurocircuit.process.power import of_neuron
from neurocircuit.snn.unroll import load_mapped
from neurocircuit.spice.process import characterised
from neurocircuit.studies.codesign.trial import Evaluator
from neurocircuit.studies.pvt import conditions, run


def test_evaluate_pvt_and_codesign_agree_on_the_energy_of_a_neuron(problem, weights, mapped):
    costs = {
        "evaluate": nc.evaluate(weights, "train", first=3, spec=problem.base).cost,
        "codesign": Evaluator(problem)({}, problem.study.fidelities[1]).details,
    }
    network, unrolled = load_mapped(mapped)
    nominal, _ = conditions.read(characterised("generic65"))
    images = unrolled.images("train", None, 3)
    rows = run.run(
        network,
        unrolled.physical,
        nominal,
        [nominal],
        images.spikes,
        images.spikes,
        images.labels,
        chips=1,
        level="edge",
        seed=1,
        weights=1,
    )
    costs["pvt"] = rows[1]  # trimmed there, mapped at nominal: the mapped network itself
    power, tau_s = of_neuron(problem.base), problem.base.tau_s
    for name, cost in costs.items():
        assert (cost.power_W, cost.ramp_power_W) == (power.power_W, power.ramp_power_W), name
        lines, neurons = cost.lines, cost.neurons
        # What one neuron draws to lock, and for the time that neurons are on, from each line alone.
        lock_s = power.lock_over_tau * tau_s
        assert lines.lock_J / neurons == pytest.approx(power.lock_power_W * lock_s, rel=1e-12), name
        on_s = lines.armed_J / power.power_W
        assert 0 < on_s < neurons * cost.window_over_tau * tau_s * (1 + 1e-12)
        for line_J, drawn_W in ((lines.generator_J, power.generator_W), (lines.trim_dac_J, power.trim_dac_W)):
            assert line_J == pytest.approx(drawn_W * (on_s + neurons * lock_s), rel=1e-12), name
        # No line is absent from the total, which is what each of them prints.
        total_J = lines.armed_J + lines.lock_J + lines.generator_J + lines.trim_dac_J
        assert cost.energy == (pytest.approx(total_J, rel=1e-12), "in total"), name
        assert total_J > 1.01 * cost.energy_J == 1.01 * lines.armed_J
    assert "in total = " in nc.evaluate(weights, "train", first=3, spec=problem.base).summary()


def test_a_line_that_is_not_known_is_not_left_out_without_a_word():
    """Without all lines there is no total: the reading says armed, and a file of before the lines is as it was."""
    from neurocircuit.results.inference import InferenceCost, NeuronPower
    from tests.neuron.test_on_time import RAMPS, TIMES, one_image

    known = NeuronPower(power_W=1e-4, ramp_power_W=6e-5, lock_power_W=5e-5, lock_over_tau=2.0, generator_W=1e-6)
    cost = InferenceCost.of(one_image(TIMES, RAMPS, 1.5), known, tau_s=20e-9, neurons=5, window_over_tau=1.5)
    assert cost.energy == (cost.energy_J, "armed")  # trim DACs not known
    assert cost.lines.lock_J == pytest.approx(5 * 5e-5 * 2.0 * 20e-9)
    on_s, ramp_s = (cost.lines.generator_J / 1e-6 - 5 * 40e-9), 1.4 * 20e-9
    assert on_s == pytest.approx(2.5 * 20e-9 + ramp_s)  # a neuron on its ramp has its bias currents
    old = InferenceCost.model_validate(cost.model_dump() | {"lines": None})
    assert "lines" not in old.model_dump(mode="json")
