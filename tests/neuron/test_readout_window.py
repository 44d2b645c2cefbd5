"""Neurons with a readout window: every level against the closed forms of shared/windows.md, rederived here."""

import numpy as np
import pytest

from neurocircuit.core.arrays import Floats
from neurocircuit.errors import SpecError
from neurocircuit.neuron import edge, levels
from neurocircuit.neuron.chip import NeuronErrors
from neurocircuit.spec import NeuronSpec
from neurocircuit.spec.neuron import ReadoutWindow

TAU_s = 20e-9
LENGTH = 0.5  # T, units of τ
L = np.expm1(LENGTH)


def window(form: str, slope: float | None = None, armed: float = 1.0) -> ReadoutWindow:
    return ReadoutWindow(form=form, armed_s=armed * TAU_s, length_s=LENGTH * TAU_s, slope=slope)  # type: ignore[arg-type]


def circuit(readout: ReadoutWindow, cycles: float = 15.3, ratio: float = 8.0, a: float = 0.05) -> NeuronSpec:
    """A circuit whose swing puts the threshold at 1; many cycles and a fast loop filter come close to eq. (3)."""
    return NeuronSpec(
        f0_Hz=cycles / TAU_s,
        loop_filter_rad_per_s=ratio / TAU_s,
        phase_per_weight_rad=a,
        vco4_swing_Hz=0.5 / (2 * a * TAU_s),
        threshold={"kind": "lead", "lead_rad": 0.5},  # type: ignore[arg-type]
        spike_width_s=0.0,
        readout_window=readout,
    )


def relu_layer(rng: np.random.Generator, neurons: int, inputs: int) -> tuple[Floats, Floats, Floats, Floats]:
    """Random weights v, offsets c and activations x with max 1, and y = v x + c."""
    v = rng.normal(0.0, 1.0 / np.sqrt(inputs), (neurons, inputs))
    c = rng.normal(0.0, 0.2, neurons)
    x = np.clip(rng.normal(0.2, 0.4, inputs), 0.0, 1.0)
    return v, c, x, v @ x + c


def forced_layer(v: Floats, c: Floats, x: Floats, sigma: float) -> tuple[Floats, Floats]:
    """Times and weights [neuron, input] of eq. (6) and (7) of windows.md with two bias spikes, inputs' T = LENGTH."""
    a = -np.expm1(-LENGTH)
    t = np.log(1.0 - a * x)  # before the arming at 0; silent inputs spike at 0
    w = sigma * L / a * v
    first = np.exp(-LENGTH)
    w1 = (1.0 - sigma * L * (1.0 - c)) / (1.0 - first)
    w2 = sigma + 1.0 - w.sum(axis=1) - w1
    times = np.tile(np.concatenate([t, [-LENGTH, 0.0]]), (len(v), 1))
    return times, np.concatenate([w, w1[:, None], w2[:, None]], axis=1)


@pytest.mark.parametrize("sigma", [1.5, 4.0])
def test_forced_neurons_are_a_clipped_relu_layer(sigma: float) -> None:
    """Exactly, for any slope: activation y is a spike L y before the window's end in z, 0 the forced spike at it."""
    v, c, x, y = relu_layer(np.random.default_rng(1), 400, 30)
    times, weights = forced_layer(v, c, x, sigma)
    record = levels.evaluate("ideal", circuit(window("forced")), times + 1.0, weights)
    expected = 1.0 + np.log(1.0 + L * (1.0 - np.clip(y, 0.0, 1.0)))
    np.testing.assert_allclose(record.fire_time_over_tau, expected, rtol=0, atol=1e-9 * sigma)
    for clipped in (y >= 1.0, (y > 0.05) & (y < 0.95), y <= 0.0):
        assert clipped.sum() > 10


def test_without_the_arming_neurons_fire_early() -> None:
    """The planted wrong answer: the same neurons, whose comparators are never blind."""
    v, c, x, _ = relu_layer(np.random.default_rng(1), 400, 30)
    times, weights = forced_layer(v, c, x, 1.5)
    free = levels.evaluate("ideal", circuit(window("forced")).replace(readout_window=None), times + 1.0, weights)
    assert np.sum(free.fire_time_over_tau < 1.0 - 1e-6) >= 5


def test_a_ramp_reads_the_membrane_out_in_time() -> None:
    """V at the arming, then evenly to the threshold; silent inputs count nothing; below 1 - slope·T: silent."""
    v, c, x, y = relu_layer(np.random.default_rng(2), 400, 30)
    a, slope = -np.expm1(-LENGTH), 1.0 / LENGTH
    t = np.where(x > 0, np.log(1.0 - a * x), np.inf)
    first = np.exp(-LENGTH)
    times = np.tile(np.concatenate([t, [-LENGTH]]), (len(v), 1)) + 1.0
    weights = np.concatenate([v / a, (c / (1.0 - first))[:, None]], axis=1)
    record = levels.evaluate("ideal", circuit(window("ramp", slope)), times, weights)
    expected = np.where(y < 0.0, np.inf, 1.0 + LENGTH * (1.0 - np.clip(y, 0.0, 1.0)))
    np.testing.assert_allclose(record.fire_time_over_tau, expected, rtol=0, atol=1e-12)


def random_inputs(form: str, trials: int) -> tuple[Floats, Floats]:
    rng = np.random.default_rng(3)
    times, weights = rng.uniform(0.0, 1.0, (trials, 6)), rng.normal(0.35, 0.4, (trials, 6))
    if form == "forced":
        times[:, 5], weights[:, 5] = 1.0, 1.5
    return times, weights


@pytest.mark.parametrize(("form", "slope"), [("forced", None), ("ramp", 1.5)])
def test_averaged_and_edge_tend_to_the_closed_form(form: str, slope: float | None) -> None:
    """The loop filter's lag falls as 1/r and that of the edges as 1/(f0 τ): both errors quarter with r and f0 τ."""
    times, weights = random_inputs(form, 100)
    ideal = levels.evaluate("ideal", circuit(window(form, slope)), times, weights)
    fired = np.isfinite(ideal.fire_time_over_tau) & (ideal.fire_time_over_tau > 1.0)
    for level in ("averaged", "edge"):
        errors = []
        for scale in (1, 4):
            spec = circuit(window(form, slope), cycles=200.0 * scale, ratio=50.0 * scale)
            record = levels.evaluate(level, spec, times, weights)
            both = fired & np.isfinite(record.fire_time_over_tau)
            assert both.sum() > 0.9 * fired.sum() > 40
            errors.append(np.median(np.abs(record.fire_time_over_tau[both] - ideal.fire_time_over_tau[both])))
        assert errors[0] < 0.02
        assert errors[1] < errors[0] / 2.5


@pytest.mark.parametrize(("form", "slope"), [("forced", None), ("ramp", 1.5)])
@pytest.mark.parametrize("readout", ["continuous", "q"])
def test_the_compiled_edge_level_is_its_numpy_twin(
    form: str, slope: float | None, readout: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    times, weights = random_inputs(form, 60)
    spec = circuit(window(form, slope)).replace(readout=readout, phase_noise=(1e5, 2e5, 3e4, 5e4), spike_width_s=1e-9)
    compiled = levels.evaluate("edge", spec, times, weights)
    monkeypatch.setattr(edge, "native", None)
    twin = levels.evaluate("edge", spec, times, weights)
    np.testing.assert_allclose(compiled.fire_time_over_tau, twin.fire_time_over_tau, rtol=0, atol=1e-9)
    np.testing.assert_allclose(compiled.headroom, twin.headroom, rtol=0, atol=1e-9)
    np.testing.assert_array_equal(compiled.false_fire, twin.false_fire)


@pytest.mark.parametrize("level", ["ideal", "averaged", "edge"])
@pytest.mark.parametrize(("form", "slope"), [("forced", None), ("ramp", 1.5)])
def test_no_level_fires_before_the_arming_or_after_the_window(level: str, form: str, slope: float | None) -> None:
    """Also where the membrane is far above the threshold before the arming, or the neuron deviates."""
    times, weights = random_inputs(form, 100)
    weights[:50, :3] += 2.0
    errors = NeuronErrors(*np.random.default_rng(4).normal(0.0, 0.02, (3, 100)), (0.0, 0.0, 0.0, 0.0))
    for chip_errors in (None, errors):
        record = levels.evaluate(level, circuit(window(form, slope)), times, weights, errors=chip_errors)
        fired = record.fire_time_over_tau[record.fired]
        assert len(fired) > 50
        assert fired.min() == pytest.approx(1.0, abs=1e-12) if level == "ideal" else fired.min() >= 1.0 - 1e-12
        assert fired.max() <= 1.0 + LENGTH + 1e-12
        if form == "forced":
            assert record.fired.all()


@pytest.mark.parametrize(("form", "slope"), [("forced", None), ("ramp", 1.5)])
def test_errors_of_a_neuron_are_those_of_its_own_spec(form: str, slope: float | None) -> None:
    """A ramp's current does not follow τ, which the inputs' membrane does."""
    times, weights = random_inputs(form, 20)
    rng = np.random.default_rng(5)
    errors = NeuronErrors(*rng.normal(0.0, 0.03, (3, 20)), tuple(rng.normal(0.0, 1e-4, (4, 20))))  # type: ignore[arg-type]
    spec = circuit(window(form, slope))
    together = levels.evaluate("averaged", spec, times, weights, errors=errors)
    for trial in range(20):
        alone_spec = errors.spec_of(spec, trial)
        scale = 1.0 + errors.tau[trial]
        alone = levels.evaluate("averaged", alone_spec, times[[trial]] / scale, weights[[trial]])
        np.testing.assert_allclose(
            alone.fire_time_over_tau * scale, together.fire_time_over_tau[trial], rtol=0, atol=1e-9
        )


@pytest.mark.parametrize(("form", "slope"), [("forced", None), ("ramp", 1.5)])
def test_the_deck_is_the_averaged_neuron(form: str, slope: float | None) -> None:
    times, weights = random_inputs(form, 6)
    spec = circuit(window(form, slope)).replace(spike_width_s=1e-9, phase_noise=(1e5, 2e5, 3e4, 5e4))
    deck, averaged = (levels.evaluate(level, spec, times, weights) for level in ("bsource", "averaged"))
    assert not deck.failures
    np.testing.assert_array_equal(deck.fired, averaged.fired)
    fired = deck.fired
    assert fired.sum() >= 3
    np.testing.assert_allclose(deck.fire_time_over_tau[fired], averaged.fire_time_over_tau[fired], rtol=0, atol=5e-4)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"form": "ramp"}, "slope"),
        ({"form": "forced", "slope": 1.0}, "slope"),
        ({"form": "forced", "armed_s": 0.0}, "armed"),
        ({"form": "forced", "length_s": 1.0}, "readout_window must close within window"),
    ],
)
def test_what_is_no_window_is_refused(changes: dict[str, object], message: str) -> None:
    fields: dict[str, object] = {"form": "forced", "armed_s": TAU_s, "length_s": TAU_s} | changes
    with pytest.raises(SpecError, match=message):
        NeuronSpec(readout_window=ReadoutWindow(**fields))
