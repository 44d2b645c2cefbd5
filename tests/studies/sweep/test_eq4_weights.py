"""The sweep, jittering one input at a time, against the derivatives of the neuron's equations.

Δt_j = Σ p_i Δt_i. Eq. (4): p_i = w_i e^{t_i} / Σ_C w e^{t}. For the loop of eq. (2) the membrane is Σ w_i k(t - t_i),
so p_i = w_i k'(t_j - t_i) / Σ w k'(t_j - t): k' is the phase error after a unit step of VCO1, for r → ∞ e^{-t}.
"""

import numpy as np
import pytest
from scipy.integrate import quad
from scipy.linalg import expm

from neurocircuit.spec import NeuronSpec, SweepSpec, Testbench
from neurocircuit.studies.sweep.assemble import Fires
from neurocircuit.studies.sweep.draws import draw
from neurocircuit.studies.sweep.identity import Environment
from neurocircuit.studies.sweep.plan import Row, SweepRequest
from neurocircuit.studies.sweep.worker import compute

TIMES = np.array([0.2, 0.35, 0.5, 3.0])  # the last one comes after the spike
WEIGHTS = np.array([0.7, -0.2, 0.9, 1.0])
AMPLITUDE = 1e-5


def measured_gains(level: str, spec: NeuronSpec, only: int) -> tuple[np.ndarray, float]:
    """Δt_j/Δt_i of each draw when input `only` alone jitters, and the clean t_j."""
    bench = Testbench(
        name="one-input",
        summary="one input jitters",
        level=level,
        input_times_over_tau=tuple(TIMES),
        weights=tuple(WEIGHTS),
        quantised_weights=tuple(WEIGHTS),
        jittered_inputs=(only,),
        trials=16,
    )
    request = SweepRequest.build(spec, bench, SweepSpec(jitter=(AMPLITUDE,), bits=()), None)
    here = Environment.here(("ideal", "averaged"))
    fires = Fires(request, {batch.key(here): compute(batch) for batch in request.batches()}, here)
    desired = fires.desired(level, "jitter")
    moved = fires.measured(level, Row("jitter", "disturbed", AMPLITUDE)) - desired
    deviates = draw(spec, bench, request.sweep.seed, 0, 16).deviates[:, only]
    return moved / (AMPLITUDE * TIMES[only] * deviates), desired[0]


def eq4_gains() -> np.ndarray:
    parts = np.where(TIMES < 1.0, WEIGHTS * np.exp(TIMES), 0.0)
    return parts / parts.sum()


def loop_gains(spec: NeuronSpec, fire_time: float) -> np.ndarray:
    """p_i of the averaged loop by its matrix exponential, spikes spread evenly over their width."""
    r, width = spec.loop_ratio, spec.spike_width_s / spec.tau_s

    def error_after(t: float) -> float:
        return float(expm(np.array([[0.0, -1.0], [r, -r]]) * t)[0, 0])

    def spread(t: float) -> float:
        if t < 0:
            return 0.0
        if width == 0:
            return error_after(t)
        low = max(t - width, 0.0)
        return quad(error_after, low, t, epsabs=1e-13, epsrel=1e-11)[0] / width

    parts = WEIGHTS * np.array([spread(fire_time - t) for t in TIMES])
    return parts / parts.sum()


# The second order of Δt_j in Δt_i is |Δt_i| ≤ 3e-5 of the first, rounding of t_j over the smallest Δt_i about 1e-9.
TOLERANCE = 2e-4


@pytest.mark.parametrize("only", range(4))
def test_ideal_has_the_weights_of_eq_4(only):
    gains, fire_time = measured_gains("ideal", NeuronSpec(), only)
    assert 0.5 < fire_time < 3.0
    np.testing.assert_allclose(gains, eq4_gains()[only], rtol=TOLERANCE, atol=TOLERANCE * 1e-3)


@pytest.mark.parametrize("only", range(4))
@pytest.mark.parametrize("r", [1.5, 4.0, 8.0])
@pytest.mark.parametrize("width_s", [0.0, 1e-9])
def test_averaged_has_the_weights_of_its_kernel(only, r, width_s):
    spec = NeuronSpec(loop_filter_rad_per_s=r / 20e-9, spike_width_s=width_s)
    gains, fire_time = measured_gains("averaged", spec, only)
    np.testing.assert_allclose(gains, loop_gains(spec, fire_time)[only], rtol=TOLERANCE, atol=TOLERANCE * 1e-3)


def test_averaged_tends_to_the_weights_of_eq_4_and_never_suppresses_a_common_shift():
    distances = []
    for r in (8.0, 80.0, 8000.0):
        spec = NeuronSpec(loop_filter_rad_per_s=r / 20e-9, spike_width_s=0.0)
        gains = np.array([measured_gains("averaged", spec, only)[0].mean() for only in range(4)])
        assert gains.sum() == pytest.approx(1.0, abs=2e-4)
        distances.append(np.abs(gains - eq4_gains()).max())
    assert distances[0] > 0.005
    assert distances[2] < 1e-3
    assert distances[1] / distances[2] == pytest.approx(100, rel=0.5)  # first order in 1/r
