"""Windowed networks on the circuit: scales within limits, chips and events by number, what window and slope cost."""

from collections.abc import Callable
from dataclasses import dataclass, fields
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from neurocircuit.core.arrays import Floats
from neurocircuit.errors import InputError
from neurocircuit.network import mapping as mappings
from neurocircuit.network import run
from neurocircuit.network.calibrate import collect, fit_table, simulate_points
from neurocircuit.network.limits import Choice
from neurocircuit.network.mapping import Mapping
from neurocircuit.network.run import Circuit, EncodedImages, spikes_of
from neurocircuit.network.verify import verify
from neurocircuit.network.windowed import WindowedLayer, WindowedNetwork
from neurocircuit.neuron import chip as chips
from neurocircuit.neuron import levels, operating_points, windows
from neurocircuit.neuron.chip import NeuronErrors
from neurocircuit.neuron.operating_points import operate_in_window, operate_rows_in_window
from neurocircuit.neuron.sensitivity import sensitivities
from neurocircuit.rendering import write_report
from neurocircuit.results.inference import NeuronPower
from neurocircuit.snn.conversion import convert
from neurocircuit.spec import FullScale, MappedNetwork, NeuronSpec, Variation, WeightBank
from neurocircuit.spec.neuron import FrequencyError, ReadoutWindow
from neurocircuit.spec.variation import EMBEDDED
from neurocircuit.spec.windowed import Form
from tests.network.test_windowed import physical, random_network

FORMS: tuple[Form, ...] = ("forced", "ramp")
TAU_s = NeuronSpec().tau_s
EXACT = NeuronSpec(spike_width_s=0.0, weight_bank=WeightBank().with_bits(30), window_s=50 * TAU_s)


@dataclass(frozen=True)
class OnCircuit:
    """A mapping and its network, as `verify` takes them."""

    fit: Mapping
    physical: WindowedNetwork

    @property
    def circuit(self) -> Circuit:
        return Circuit.of(self.fit.mapped, self.physical)

    def encoded(self, images: EncodedImages) -> EncodedImages:
        return images


def mapped(
    form: Form,
    base: NeuronSpec | None = None,
    seed: int = 1,
    made: tuple[nn.Module, torch.Tensor] | None = None,
    **options: Any,
) -> tuple[OnCircuit, EncodedImages]:
    """A network and its images on a circuit; default: of a random graph."""
    model, images = random_network(seed, form) if made is None else made
    network = physical(model)
    with torch.no_grad():
        labels = model(images).argmax(1).numpy()
    encoded = EncodedImages([network.input_spikes(image) for image in images.numpy()], labels, "train")
    fit = mappings.build(
        network,
        NeuronSpec() if base is None else base,
        EMBEDDED,
        encoded,
        Choice(**options),
        name="windowed",
        checkpoint="x",
        checkpoint_sha256="0" * 64,
    )
    return OnCircuit(fit, network), encoded


@pytest.mark.parametrize("form", FORMS)
def test_the_mapping_meets_its_limits_and_travels_as_toml(form: Form, tmp_path: Any) -> None:
    network, _ = mapped(form)
    fit, path = network.fit, tmp_path / "net.toml"
    assert fit.met
    path.write_text(fit.mapped.to_toml())
    again = MappedNetwork.from_toml(path)
    assert again == fit.mapped
    assert again.is_windowed
    for k, layer in enumerate(network.physical.layers):
        spec = again.neuron_of(k)
        assert spec.readout_window == layer.readout_window(spec.tau_s)
        assert spec.threshold_weight == pytest.approx(1.0)
        assert (spec.ripple_guard_rad == 0) == (form == "ramp")
    written = fit.write(tmp_path / "net.mapping.json")
    assert Mapping.load(written).layers == fit.layers
    write_report(written)
    assert "What window and slope cost in noise" in written.with_suffix(".md").read_text()


@pytest.mark.parametrize("form", FORMS)
def test_an_exact_chip_at_level_ideal_is_eq_4(form: Form) -> None:
    network, images = mapped(form, EXACT)
    circuit = network.circuit
    for number, spikes in enumerate(images.spikes):
        runs = circuit.chip(1, 0, Variation()).run(spikes, number, "ideal")
        for result, point in zip(runs, circuit.ideal(spikes), strict=True):
            np.testing.assert_allclose(result.t_over_tau, spikes_of(point), rtol=0, atol=1e-6)  # scales of three digits
    assert network.fit.accuracy_exact_weights == 1.0


@pytest.mark.parametrize("form", FORMS)
def test_operating_points_in_a_window(form: Form) -> None:
    """Against level ideal, and against the membrane and the current in small steps."""
    generator = np.random.default_rng(3)
    window = ReadoutWindow(form=form, armed_s=TAU_s, length_s=0.6 * TAU_s, slope=2.0 if form == "ramp" else None)
    spec = EXACT.replace(readout_window=window)
    t, w = generator.uniform(0, 1, (300, 7)), generator.normal(0.4, 1.5, (300, 7))
    t[:, 5:] = 1.0  # silent inputs and the last bias spike, together
    point = operate_in_window(spec, t, w)
    record = levels.evaluate("ideal", spec, t, w)
    np.testing.assert_allclose(spikes_of(point), record.by_itself_over_tau, atol=1e-9)
    if form == "forced":
        np.testing.assert_array_equal(record.fire_time_over_tau[~point.fired], spec.window_over_tau)
    assert 30 < point.fired.sum() < 270
    grid = np.linspace(0, 1.6, 1601)
    heard = t[:, None] <= grid[None, :, None] + 1e-12
    if form == "ramp":
        heard &= t[:, None] < 1
    since = np.where(heard, grid[None, :, None] - t[:, None], 0.0)
    current = np.abs(np.sum(np.where(heard, w[:, None] * np.exp(-since), 0.0), axis=2))
    missing = point.peak_current - current[:, grid <= 1 + 1e-9].max(axis=1)
    assert np.all(missing >= -1e-9)
    assert np.mean(missing < 1.5e-2) > 0.99  # steps of 1e-3 hide what lasts shorter
    v = np.sum(np.where(heard, w[:, None] * -np.expm1(-since), 0.0), axis=2)
    if form == "ramp":
        v = np.where(grid > 1, v[:, 1000:1001] + 2.0 * (grid - 1), v)
    seen = np.where((grid >= 1 - 1e-9) & (grid[None] <= point.at[:, None]), v, 0.0)
    np.testing.assert_allclose(point.lowest, np.minimum(seen.min(axis=1), 0.0), atol=5e-3)


@pytest.mark.parametrize("form", FORMS)
def test_chips_are_constant_events_are_not_and_slices_change_no_number(
    form: Form, monkeypatch: pytest.MonkeyPatch
) -> None:
    network, images = mapped(form)
    circuit, spikes = network.circuit, images.spikes[0]
    first = circuit.chip(1, 0).run(spikes, 0, "edge")
    ideal = circuit.ideal(spikes)
    assert not np.array_equal(first[0].t_over_tau, circuit.chip(1, 0).run(spikes, 1, "edge")[0].t_over_tau)
    assert not np.array_equal(first[0].t_over_tau, circuit.chip(1, 1).run(spikes, 0, "edge")[0].t_over_tau)
    monkeypatch.setattr(run, "_LARGEST_ARRAY", 100)
    for before, after in zip(first, circuit.chip(1, 0).run(spikes, 0, "edge"), strict=True):
        np.testing.assert_array_equal(before.t_over_tau, after.t_over_tau)
        np.testing.assert_array_equal(before.headroom, after.headroom)
    for one, other in zip(ideal, circuit.ideal(spikes), strict=True):
        np.testing.assert_array_equal(one.at, other.at)


@pytest.mark.parametrize("form", FORMS)
def test_no_neuron_of_a_network_spikes_before_its_arming(form: Form) -> None:
    """At edge, on a chip with phase noise; the same neurons with their comparators on from the start do."""
    network, images = mapped(form, NeuronSpec(phase_noise=(1e5,) * 4))
    circuit = network.circuit
    early = 0
    for number, spikes in enumerate(images.spikes[:3]):
        chip = circuit.chip(1, number)

        def step(k: int, received: Floats, chip: run.Chip = chip, number: int = number) -> tuple[int, Floats]:
            spec, layer = circuit.mapped.neuron_of(k), circuit.layers[k]
            t = chip.run_layer(k, received, number, "edge").t_over_tau
            assert np.all(t >= spec.armed_over_tau)
            times, weights = layer.inputs(received, 0.0), circuit.weights[k][layer.row]
            free = levels.evaluate("edge", spec.replace(readout_window=None), times, weights)
            return int(np.sum(free.fire_time_over_tau < spec.armed_over_tau)), t

        early += sum(circuit.physical.propagate(spikes, step))
    assert early > 0


@pytest.mark.parametrize("full_scale", ["layer", "neuron"])
@pytest.mark.parametrize("form", FORMS)
def test_bias_spikes_make_up_for_rounded_weights(form: Form, full_scale: FullScale) -> None:
    """Slope and bias of every neuron stand; without the correction they would not."""
    network, _ = mapped(form)
    largest = 0.0
    for scale, layer in zip(network.fit.mapped.layers, network.physical.layers, strict=True):
        kernel, bank = layer.kernel, scale.weight_bank
        rounded = layer.rounded(scale.replace(full_scale=full_scale))
        z1 = np.exp(layer.origin_over_tau - layer.armed_over_tau)
        make = bank.quantise if full_scale == "layer" else bank.quantise_rows
        changed = make(kernel[:, :-2]) - kernel[:, :-2]
        if form == "forced":
            np.testing.assert_allclose(rounded.sum(axis=1), kernel.sum(axis=1), atol=1e-9)
        offset = changed @ layer.late + (rounded[:, -2] - kernel[:, -2]) * (1 - z1)
        np.testing.assert_allclose(offset, 0.0, atol=1e-9)
        largest = max(largest, float(np.abs(changed.sum(axis=1)).max()))
    assert largest > 1e-3


def test_a_layer_too_wide_is_refused_with_what_would_serve() -> None:
    network, _ = mapped("ramp", largest_fan_in=10)
    broken = [limit for limit in network.fit.limits if not limit.met]
    assert {limit.name for limit in broken} == {"fan-in"}
    assert "partial sums of" in broken[0].help
    assert network.fit.exit_code == 3
    assert mapped("ramp", largest_fan_in=10_000)[0].fit.met


def energy_J(network: OnCircuit, images: list[Floats], chips: int, form: Form) -> float:
    """Mean over images and chips, neuron by neuron: 100 µW, on a ramp 60 µW, until spike, window's end or decision."""
    total_J, tau_s = 0.0, network.circuit.mapped.neuron.tau_s
    for number in range(chips):
        chip = network.circuit.chip(1, number)
        for image, spikes in enumerate(images):
            runs = chip.run(spikes, image, "edge")
            for layer, record in zip(network.physical.layers, runs, strict=True):
                armed, T = layer.armed_over_tau - layer.origin_over_tau, layer.node.window_over_tau
                for t in record.t_over_tau:
                    spike = record.t_over_tau.min() if layer.node.is_readout else t  # the decision
                    ramp = min(spike - armed, T)
                    total_J += tau_s * (100e-6 * armed + (60e-6 if form == "ramp" else 100e-6) * ramp)
    return total_J / chips / len(images)


@pytest.mark.parametrize("form", FORMS)
def test_whole_images_are_verified(form: Form) -> None:
    network, images = mapped(form)
    power = NeuronPower(power_W=100e-6, ramp_power_W=60e-6)
    replay = verify(network, images.first(2), chips=2, power=power)
    assert replay.images is not None
    assert replay.images.cost is not None
    assert replay.images.cost.energy_J == pytest.approx(energy_J(network, images.spikes[:2], 2, form))
    names = [layer.name for layer in network.physical.layers]
    assert [layer.name for layer in replay.images.layers] == names
    assert replay.images.accuracy["software"][0] == 1.0
    last = network.physical.layers[-1]
    assert last.armed_over_tau <= replay.images.decision_over_tau[0] <= last.closes_over_tau
    assert max(layer.deviation[0] for layer in replay.images.layers) > 0


def test_a_windowed_network_has_windows_of_its_own() -> None:
    network, images = mapped("ramp")
    with pytest.raises(InputError, match="window_over_tau must be left out"):
        mappings.build(
            network.physical,
            NeuronSpec(),
            EMBEDDED,
            images,
            Choice(),
            name="x",
            checkpoint="x",
            checkpoint_sha256="0" * 64,
            window_over_tau=3.0,
        )


DRAWS = 4000  # the spread of so many draws is known to 1.1 %, four of which are within the 5 % that are asked for
SMALL_over_tau = 1e-3  # where the formulas, which are of first order, hold


def chain(form: Form, window: float) -> tuple[WindowedNetwork, Floats]:
    """A network of two layers and a read-out, all activations within their windows, and the spikes of one image."""
    generator = torch.Generator().manual_seed(5)
    torch.manual_seed(5)
    images = 0.2 + 0.6 * torch.rand(40, 1, 2, 3, generator=generator, dtype=torch.double)
    net = nn.Sequential(nn.Flatten(), nn.Linear(6, 5), nn.ReLU(), nn.Linear(5, 4), nn.ReLU(), nn.Linear(4, 2)).double()
    with torch.no_grad():
        for module in net:
            if isinstance(module, nn.Linear):
                module.weight.uniform_(0.05, 0.4, generator=generator)
                module.bias.uniform_(-0.05, 0.05, generator=generator)
    network = physical(convert(net, images, window=window, form=form, headroom=1.1))
    return network, network.input_spikes(images[0].numpy())


Met = tuple[WindowedLayer, Floats, Floats]


def met(network: WindowedNetwork, spikes: Floats) -> list[Met]:
    """Each layer, the spikes that reach it, and its own under eq. (4)."""

    def step(k: int, received: Floats) -> tuple[Met, Floats]:
        layer = network.layers[k]
        t = levels.evaluate("ideal", layer.neuron(EXACT), layer.inputs(received, 0.0), layer.kernel[layer.row])
        fired = t.fire_time_over_tau
        return (layer, received, fired), fired

    return network.propagate(spikes, step)


def decoded(layer: WindowedLayer, t: Floats, form: Form) -> Floats:
    """y/X that a layer's spikes stand for."""
    since = t - (layer.armed_over_tau - layer.origin_over_tau)
    if form == "ramp":
        return 1.0 - since / layer.node.window_over_tau
    return np.asarray(windows.activation(np.exp(since), 1.0, layer.node.window_over_tau))


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("window", [0.25, 1.0, 2.0])
def test_planted_jitter_moves_activations_as_the_mapping_says(form: Form, window: float) -> None:
    """δx = X z δt/L: seen by the next layer, which reads spikes of the first one with jitter."""
    network, spikes = chain(form, window)
    (first, _, fired), (second, received, _), _ = met(network, spikes)
    since = fired - (first.armed_over_tau - first.origin_over_tau)
    assert np.all((since > 0) & (since < window))
    start, end = mappings.window_cost(first.node, 1.0, 0.0).jitter_to_activation
    per_tau = start * np.exp(since)
    assert np.all((per_tau > start) & (per_tau < end))
    generator = np.random.default_rng(11)
    times = np.tile(received, (DRAWS, 1))
    times[:, : len(fired)] += SMALL_over_tau * generator.standard_normal((DRAWS, len(fired)))
    v = second.kernel[0, : len(fired)]  # of one neuron, on the scale of w: its ratio to v is that of w to y
    unit = _weight_per_activation(second, first, form)
    expected = SMALL_over_tau * np.sqrt(np.sum((v / unit * per_tau) ** 2))
    t = levels.evaluate("ideal", second.neuron(EXACT), times[:, second.index[0]], np.tile(second.kernel[0], (DRAWS, 1)))
    spread = float(np.std(decoded(second, t.fire_time_over_tau, form)))
    assert spread == pytest.approx(expected, rel=0.05)
    assert spread != pytest.approx(SMALL_over_tau * np.sqrt(np.sum((v / unit * start) ** 2)), rel=0.05)


def _weight_per_activation(layer: WindowedLayer, source: WindowedLayer, form: Form) -> float:
    """w of an input over what it adds to y/X of the layer at full activation of the source. Eq. (W4), (W7)."""
    share = float(windows.window_share(source.node.window_over_tau))
    if form == "ramp":
        assert layer.ramp_slope is not None
        return layer.ramp_slope * layer.node.window_over_tau / share
    slope = float(layer.kernel[0].sum() - 1.0)
    return slope * float(np.expm1(layer.node.window_over_tau)) / share


@pytest.mark.parametrize("compiled", [True, False])
@pytest.mark.parametrize("form", FORMS)
def test_rows_on_trains_are_the_pairs(form: Form, compiled: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    if compiled and operating_points.native is None:
        pytest.skip("built without a compiler")
    if not compiled:
        monkeypatch.setattr(operating_points, "native", None)
    generator = np.random.default_rng(4)
    window = ReadoutWindow(form=form, armed_s=TAU_s, length_s=0.6 * TAU_s, slope=2.0 if form == "ramp" else None)
    spec = EXACT.replace(readout_window=window)
    trains, kernel = generator.uniform(0, 1.2, (40, 30)), generator.normal(0.1, 1.0, (21, 30))
    trains[:, 20:24] = np.inf
    trains[:, 24:27] = 0.5  # of one instant
    trains[:, -1] = 1.0
    row, train = (numbers.ravel() for numbers in np.mgrid[:21, :40])
    pairs = operate_in_window(spec, trains[train], kernel[row])
    rows = operate_rows_in_window(spec, trains, kernel)
    assert 50 < pairs.fired.sum() < 790
    np.testing.assert_array_equal(rows.fired, pairs.fired)
    for field in fields(pairs):
        expected = getattr(pairs, field.name)
        np.testing.assert_allclose(getattr(rows, field.name), expected, rtol=0, atol=1e-12 * np.abs(expected).max())


@pytest.mark.parametrize("form", FORMS)
def test_silent_inputs_may_be_left_out_and_neurons_run_in_any_number(form: Form) -> None:
    """A layer on a chip is bit by bit its neurons one at a time, with all their inputs in order."""
    network, images = mapped(form)
    circuit = network.circuit
    chip = circuit.chip(1, 0)

    def step(k: int, received: Floats) -> tuple[int, Floats]:
        layer, of_chip = circuit.layers[k], chip.layers[k]
        result = chip.run_layer(k, received, 0, "edge")
        some = np.arange(0, layer.neurons, 7)[::-1]
        np.testing.assert_array_equal(chip.run_layer(k, received, 0, "edge", some).t_over_tau, result.t_over_tau[some])
        spec = circuit.mapped.neuron_of(k)
        start, seeds = chips.draw_event(spec, 1, 0, 0, k, layer.neurons)
        record = levels.evaluate(
            "edge",
            spec,
            layer.inputs(received, 0.0),
            of_chip.weights(circuit.weights[k][layer.row], of_chip.synapse),
            start_rad=start,
            noise_seed=seeds,
            errors=of_chip.neurons,
        )
        t = record.by_itself_over_tau
        np.testing.assert_array_equal(result.t_over_tau, t)
        np.testing.assert_array_equal(result.headroom, record.headroom)
        return k, t

    circuit.physical.propagate(images.spikes[0], step)


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("window", [0.25, 1.0, 2.0])
def test_planted_membrane_noise_moves_spikes_as_the_mapping_says(form: Form, window: float) -> None:
    """δt = δV/σ, on a ramp δV/r: thresholds disturbed at level ideal."""
    network, spikes = chain(form, window)
    generator = np.random.default_rng(12)
    inside = 0
    for layer, received, fired in met(network, spikes):
        if not layer.armed_over_tau < fired[0] + layer.origin_over_tau < layer.closes_over_tau:
            continue
        inside += 1
        spec, times = layer.neuron(EXACT), layer.inputs(received, 0.0)
        point = operate_in_window(spec, times, layer.kernel[layer.row])
        cost = mappings.window_cost(layer.node, float(point.slope[0]), SMALL_over_tau)
        noise = SMALL_over_tau * generator.standard_normal(DRAWS)
        errors = NeuronErrors(np.zeros(DRAWS), np.zeros(DRAWS), noise, (np.zeros(DRAWS),) * 4)
        rows: Callable[[Floats], Floats] = lambda values: np.tile(values[0], (DRAWS, 1))  # noqa: E731
        t = levels.evaluate("ideal", spec, rows(times), rows(layer.kernel[layer.row]), errors=errors).fire_time_over_tau
        spread = float(np.std(t))
        assert spread == pytest.approx(SMALL_over_tau * cost.membrane_to_time, rel=0.05)
        assert spread != pytest.approx(SMALL_over_tau / (point.slope[0] + 1.0), rel=0.05)
    assert inside >= 2


def test_a_noise_table_predicts_chips_of_form_ramp() -> None:
    """Kappa near 1: what the errors of a chip do is first order. The model's deviations are those of the circuit."""
    network, images = mapped("ramp", seed=4)
    table, _, _ = fit_table(network.circuit, images.spikes, chip_count=30, points_per_layer=80)
    for fit in table.layers:
        passage = fit.first_passage
        assert passage is not None
        largest = int(fit.component_spread.argmax())
        assert abs(passage.kappa[largest] - 1.0) < 0.25 + 3 * passage.kappa_error[largest]
    layers = verify(network, images, chips=3, table=table).images.layers  # type: ignore[union-attr]
    for layer in layers[:2]:
        assert layer.deviation[0] == pytest.approx(layer.model_deviation[0], rel=0.35)
        assert layer.missed[0] == pytest.approx(layer.model_missed[0], abs=0.06)


def test_verify_replays_single_neurons_of_form_ramp_as_decks() -> None:
    network, images = mapped("ramp", seed=4)
    table, _, _ = fit_table(network.circuit, images.spikes, chip_count=20, points_per_layer=60)
    replay = verify(network, images, level="bsource", table=table, runs=8, whole=False).neurons
    assert replay is not None
    assert replay.differing_causes  # edges against none
    assert [layer.layer for layer in replay.layers] == [layer.name for layer in network.physical.layers]
    for layer in replay.layers:
        assert layer.median is not None
        assert abs(layer.median) < 0.05


def test_terms_on_a_ramp_are_the_derivatives_of_the_membrane() -> None:
    """A small error of τ, gain, threshold or all weights moves the fire time by m/r; central differences."""
    rng = np.random.default_rng(3)
    window = ReadoutWindow(form="ramp", armed_s=1.2 * TAU_s, length_s=0.5 * TAU_s, slope=2.0)
    spec = NeuronSpec(spike_width_s=0.0, readout_window=window)
    t, w = rng.uniform(0.0, 1.15, (300, 12)), rng.normal(0.06, 0.12, (300, 12))
    point = operate_in_window(spec, t, w)
    kept = point.fired & (point.at > 1.21) & (point.at < 1.69)
    assert kept.sum() > 50
    t, w, per = t[kept], w[kept], sensitivities(spec, point.take(kept))
    small, zero = 1e-6, np.zeros(kept.sum())

    def moved(name: str) -> Floats:
        times = []
        for error in (-small, small):
            values = dict.fromkeys(("tau", "gain", "threshold"), zero)
            scaled = w * (1.0 + error) if name == "weight" else w
            if name != "weight":
                values[name] = np.full(len(t), error)
            errors = NeuronErrors(**values, frequency=(zero,) * 4)
            times.append(levels.evaluate("ideal", spec, t, scaled, errors=errors).fire_time_over_tau)
        return (times[1] - times[0]) / (2 * small)

    for name in ("tau", "gain", "threshold", "weight"):
        np.testing.assert_allclose(moved(name), per[name] / 2.0, rtol=1e-4, atol=1e-5, err_msg=name)


@pytest.mark.parametrize("form", FORMS)
def test_membranes_cross_where_level_averaged_does(form: Form) -> None:
    """Loop, width of spikes and drift included; noise aside both solve the same equations."""
    network, images = mapped(form, NeuronSpec(frequency_error=FrequencyError(after_trim=(1e-4, 0.0, 0.0, 1e-4))), 4)
    circuit = network.circuit
    for k, points in enumerate(collect(circuit, images.spikes, 60, 1)):
        expected = simulate_points(circuit, points, Variation(), 1, 0, "averaged", event=None)[0]
        none = np.zeros(len(expected))
        times = points.membranes.first_passages(none, none)
        both = np.isfinite(times) & np.isfinite(expected) & (expected < points.spec.window_over_tau)
        assert both.sum() > 2
        limit = 0.03 if form == "forced" else 0.01
        assert np.quantile(np.abs(times[both] - expected[both]), 0.9) < limit, circuit.layers[k].name


def test_forced_spikes_are_no_spikes_of_a_calibration() -> None:
    """Neurons that do not reach the threshold stay silent there; the window's pulse is the network's."""
    network, images = mapped("forced", seed=4)
    circuit = network.circuit
    points = collect(circuit, images.spikes, 60, 1)[0]
    times = simulate_points(circuit, points, Variation(), 1, 0, "edge").t_over_tau
    silent = ~points.point.fired
    assert silent.sum() > 3
    assert np.isinf(times[silent]).mean() > 0.3
    assert (times[np.isfinite(times)] < points.spec.window_over_tau).all()


@pytest.mark.parametrize("form", FORMS)
def test_decks_of_neurons_on_a_chip_are_the_averaged_neurons(form: Form) -> None:
    """With all errors of the chip and its phase noise; the decks of another chip are not these neurons."""
    network, images = mapped(form, seed=4)
    circuit, spikes = network.circuit, network.circuit.received_first(images.spikes[0])
    chip = circuit.chip(1, 0)
    everywhere = chip.run_layer(0, spikes, 0, "averaged").t_over_tau
    some = np.concatenate([np.flatnonzero(np.isfinite(everywhere))[::3][:4], np.flatnonzero(np.isinf(everywhere))[:1]])
    averaged, decks = everywhere[some], chip.run_layer(0, spikes, 0, "bsource", some).t_over_tau
    assert np.isfinite(averaged).sum() >= 3
    np.testing.assert_allclose(decks, averaged, rtol=0, atol=5e-4)
    other = circuit.chip(1, 1).run_layer(0, spikes, 0, "averaged", some).t_over_tau
    assert not np.allclose(other, averaged, rtol=0, atol=5e-3)
