import numpy as np
import pytest

from neurocircuit.errors import InputError
from neurocircuit.neuron.levels import evaluate
from neurocircuit.neuron.record import FireRecord
from neurocircuit.process.fit import sensitivities
from neurocircuit.process.measurements.prediction import compare, draw
from neurocircuit.spec import Bank, Lead, NeuronSpec, WeightBank

SPEC = NeuronSpec(
    weight_bank=WeightBank(excitatory=Bank(max_weight=1.4), inhibitory=Bank(max_weight=1.5)), window_s=100e-9
)


def test_cases_keep_the_margins() -> None:
    cases = draw(SPEC, 20, 1)
    assert cases.t_over_tau.shape == (20, 6)
    used = np.isfinite(cases.t_over_tau)
    assert used.sum(axis=1).min() >= 2
    assert np.all(cases.weights[~used] == 0)
    assert np.array_equal(SPEC.weight_bank.quantise(cases.weights), cases.weights)
    assert (cases.weights < 0).any()
    averaged = evaluate("averaged", SPEC, cases.t_over_tau, cases.weights)
    assert averaged.fired.tolist() == [k % 5 != 4 for k in range(20)]
    assert averaged.fire_time_over_tau[averaged.fired].max() <= 3.01
    assert averaged.headroom[averaged.fired].max() <= 0.76
    assert np.array_equal(draw(SPEC, 6, 1).t_over_tau, cases.t_over_tau[:6])


def test_a_circuit_without_room_is_told() -> None:
    weak = SPEC.replace(threshold=Lead(lead_rad=3.1), vco4_swing_Hz=20e6)
    with pytest.raises(InputError, match="none of 400 random cases keeps the margins: the circuit has no headroom"):
        draw(weak, 1, 1)


def test_planted_errors_are_counted() -> None:
    nan, inf = np.nan, np.inf
    truth = FireRecord(np.array([2.0, 3.0, inf, inf, 1.5, nan]), np.zeros(6), np.zeros(6, dtype=bool))
    found = compare(truth, np.array([2.1, 2.8, inf, 4.0, inf, 1.0]), np.array([1.0, 1.0, 0.5, 0.5, 0.5, 0.5]))
    assert found.relative == pytest.approx([0.1, -0.1])
    assert found.count == 2
    assert found.right == pytest.approx(3 / 5)
    values = {q.key: q.value for q in found.quantities("edge")}
    assert values["edge_bias"] == pytest.approx(0.0, abs=1e-12)
    assert values["edge_std"] == pytest.approx(0.1 * np.sqrt(2))
    assert values["edge_worst"] == pytest.approx(0.1)


def test_planted_slopes_become_sensitivities() -> None:
    specs = {
        (27.0, 1.0): SPEC,
        (0.0, 1.0): SPEC.replace(tau_s=SPEC.tau_s * (1 - 27 * 1e-3)),
        (85.0, 1.0): SPEC.replace(tau_s=SPEC.tau_s * (1 + 58 * 1e-3)),
        (27.0, 1.05): SPEC.replace(f0_Hz=SPEC.f0_Hz * 1.02),
        (27.0, 0.95): SPEC.replace(f0_Hz=SPEC.f0_Hz * 0.96),
    }
    found = {item.field: item for item in sensitivities(specs, (27.0, 1.0))}
    assert found["tau_s"].per_kelvin == pytest.approx(1e-3)
    assert found["tau_s"].per_supply == pytest.approx(0.0)
    assert found["f0_Hz"].per_supply == pytest.approx(0.6)  # of 0.4 and 0.8 on either side
    wanted = (
        "straight line over supply -0.05 … +0.05 (a point off it by 1.0 %), kelvin -27 … +58 (a point off it by 0.0 %)"
    )
    assert wanted in found["f0_Hz"].source
    assert sensitivities({(27.0, 1.0): SPEC}, (27.0, 1.0)) == []
