"""Causes of one's own: on the circuit, in the noise model, in torch, in the budget and its report."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("sklearn")

import neurocircuit as nc  # noqa: E402
from neurocircuit.core.pool import IN_PROCESS  # noqa: E402
from neurocircuit.errors import InputError  # noqa: E402
from neurocircuit.network.calibrate import fit_table  # noqa: E402
from neurocircuit.network.calibrate.budget import _median_spread  # noqa: E402
from neurocircuit.network.calibrate.simulate import ChipRun, simulate_chips  # noqa: E402
from neurocircuit.noise import causes as registry  # noqa: E402
from neurocircuit.noise.model import CAUSES  # noqa: E402
from neurocircuit.snn.encode import Encoding, encode  # noqa: E402
from neurocircuit.snn.hardware.noisy import NoisyNetwork  # noqa: E402
from neurocircuit.snn.hardware.noisy_windows import NoisyWindows  # noqa: E402
from neurocircuit.snn.layers import SpikingLinear  # noqa: E402
from neurocircuit.snn.model import Model  # noqa: E402
from neurocircuit.snn.relu import PixelNetwork, SpikesOf  # noqa: E402
from tests.network.test_windowed import random_network  # noqa: E402
from tests.network.test_windowed_circuit import mapped  # noqa: E402

SETTINGS = ("epochs=2", "data.held_out=200", "encoding.alpha=2", "averaging=0")


@dataclass
class Kicks:
    """Normal kicks of the membrane, other ones for each neuron and event, on top of a constant lack."""

    name: str
    spread: float
    lack: float = 0.0

    def draw(self, chip: int, layer: Any, event: int) -> Any:
        rng = np.random.default_rng([chip, layer.number, event])
        return self.lack + self.spread * rng.standard_normal(layer.neurons)


@pytest.fixture(autouse=True)
def forgotten() -> Iterator[None]:
    yield
    registry._registered.clear()


@pytest.fixture(scope="module")
def model() -> Model:
    torch.manual_seed(0)
    module = torch.nn.Sequential(torch.nn.Flatten(), SpikingLinear(64, 24), SpikingLinear(24, 10))
    return Model.of(module, nc.data.digits("train").data, Encoding(kind="bright_first", alpha=2.0))


@pytest.fixture(scope="module")
def images() -> Any:
    return nc.data.digits("train")


def calibrated(model: Model, images: Any) -> tuple[Any, Any]:
    network = nc.map(model, images=images[:40])
    return network, nc.calibrate(network, images[:5], chips=12, points=80)


def crossing(times: Any, weights: Any, threshold: float) -> float:
    """When V(t) = Σ w (1 - e^(t_i - t)) first reaches a threshold, eq. (3), on a fine grid; inf: not within 6 τ."""
    grid = np.arange(0.0, 6.0, 5e-4)
    since = np.maximum(grid[:, None] - times, 0.0)
    above = (-np.expm1(-since) @ weights) >= threshold
    return float(grid[above.argmax()]) if above.any() else np.inf


@pytest.mark.parametrize("level", ["averaged", "edge"])
def test_a_lack_delays_the_neurons_of_the_circuit(model: Model, images: Any, level: str) -> None:
    """By eq. (3) within 15 %: the second pole of the loop makes the membrane steeper, as κ of noise tables says."""
    network = nc.map(model, images=images[:40])
    spikes = network.encoded(images[:1]).spikes[0]
    plain = network.circuit.chip(1, 0)
    nc.register_cause(Kicks("kicks", 0.0, lack=0.05))
    kicked = type(network.circuit).of(network.mapped, network.circuit.physical).chip(1, 0)
    before, after = (chip.run(spikes, 0, level)[0].t_over_tau for chip in (plain, kicked))
    received = zip(*network.circuit.received(0, spikes), strict=True)
    expected = np.array([crossing(t, w, 1.05) - crossing(t, w, 1.0) for t, w in received])
    both = np.isfinite(before) & np.isfinite(after) & np.isfinite(expected)
    assert both.sum() >= 20
    assert np.median((after - before)[both] / expected[both]) == pytest.approx(1.0, abs=0.15)
    assert network.circuit.chip(1, 0, nc.Variation()).causes == ()


def test_table_budget_report_and_verification_have_it(model: Model, images: Any, tmp_path: Path) -> None:
    nc.register_cause(Kicks("kicks", 0.05))
    network, table = calibrated(model, images)
    assert table.own_causes == ["kicks"]
    result = table.result(table.budget(chips=40))
    for row, points in zip(result.budget, table._source.points, strict=True):
        # The same spread as an error of the threshold, drawn by the chip: 40 chips each, median over some 60 neurons.
        neuron = points.spec
        error = 0.05 * neuron.fixed_lead_rad / (neuron.fixed_lead_rad + neuron.ripple_guard_rad)
        alone = nc.Variation(neuron=nc.Variation().neuron.replace(threshold=error))
        runs = [ChipRun(points, 50_000 + chip, "edge", None, alone) for chip in range(40)]
        t = np.stack([run.t_over_tau for run in simulate_chips(network.circuit, runs, 1, IN_PROCESS)])
        assert row.registered["kicks"] == pytest.approx(_median_spread(t[:, points.point.fired]), rel=0.12)
    result.save(tmp_path / "table.nc")
    page = nc.report(tmp_path / "table.calibration.json")
    assert "kicks" in page.with_suffix(".md").read_text()
    replay = nc.verify(network, images[:12], level="edge", chips=2, table=table).images
    for layer in replay.layers:
        assert 0.7 < layer.deviation[0] / layer.model_deviation[0] < 1.4, layer.name
    nc.unregister_cause("kicks")
    again = nc.map(model, images=images[:40])
    with pytest.raises(InputError, match=r"must be those of the noise table \(kicks\), registered are none"):
        nc.verify(again, images[:2], level="edge", chips=1, table=table)
    with pytest.raises(InputError, match="the noise table has the cause kicks, which is not registered"):
        nc.evaluate(model, images[:5], noise=table, chips=1, tables=0)


@pytest.mark.parametrize("first_passage_neurons", [0, 128])
def test_networks_in_torch_have_it(model: Model, images: Any, first_passage_neurons: int) -> None:
    lack = 0.05
    _, table = calibrated(model, images)
    z = encode(torch.from_numpy(images[:20].pixels.astype(np.float32) / 255), model.subject.encoding)
    nc.register_cause(Kicks("kicks", 0.0, lack=lack))
    named = nc.NoiseTable.from_fits(list(table.layers), {**table.provenance, "own_causes": ["kicks"]})
    times = []
    for noise in (table, named):
        noisy = NoisyNetwork(
            model.network.eval(), noise, CAUSES, "nearest", first_passage_neurons=first_passage_neurons
        )
        noisy.new_chips(0, [0, 1])
        noisy.heard = []
        uniform = torch.full((1,), 0.5)
        noisy.draws = lambda k, shape, uniform=uniform: uniform.expand(shape).clone()
        noisy(z)
        times.append(noisy.heard[0])
    point_slope = _slopes(model, z)
    both = torch.isfinite(times[0]) & torch.isfinite(times[1])
    expected = torch.log(point_slope / (point_slope - lack)).repeat(2, 1)
    ratio = ((times[1] - times[0])[both] / expected[both]).median()
    assert float(ratio) == pytest.approx(1.0, abs=0.15)


def _slopes(model: Model, z: Any) -> Any:
    layer = model.network.m1
    layer.keep_slope = True
    layer(z.flatten(1))
    layer.keep_slope = False
    return layer.slope.detach()


@pytest.mark.parametrize("acting", [True, False])
def test_windowed_networks_in_torch_have_it(acting: bool) -> None:
    """As neurons of the circuit do, within 5 %: on a ramp a lack moves every spike alike, by T m/(r T)."""
    lack = 0.02
    nc.register_cause(Kicks("kicks", 0.0, lack=lack))
    network, images = mapped("ramp")
    module, pixels = random_network(1, "ramp")
    stack = PixelNetwork(torch.nn.Identity(), module, SpikesOf())
    table = fit_table(network.circuit, images.spikes, chip_count=4, points_per_layer=60, axes=())[0]
    named = nc.NoiseTable.from_fits(list(table.layers), {**table.provenance, "own_causes": ["kicks"] if acting else []})
    unnamed = nc.NoiseTable.from_fits(list(table.layers), {**table.provenance, "own_causes": []})
    times = []
    for noise in (named, unnamed):
        noisy = NoisyWindows(stack.eval(), module, noise, CAUSES)
        noisy.new_chips(0, [0, 1])
        noisy.heard = []
        noisy.draws = lambda k, shape: torch.full(shape, 0.5)
        with torch.no_grad():
            noisy(pixels)
        times.append(noisy.heard[0].numpy())
    moved = _median_shift(*times)
    chip = replace(network.circuit.chip(1, 0, nc.Variation()), causes=())
    lacking = replace(chip, causes=network.circuit.causes)
    plain, kicked = (
        np.stack([part.run(spikes, 0, "averaged", until=1)[0].t_over_tau for spikes in images.spikes])
        for part in (chip, lacking)
    )
    assert (moved == pytest.approx(_median_shift(kicked, plain), rel=0.05)) == acting


def _median_shift(later: Any, earlier: Any) -> float:
    both = np.isfinite(later) & np.isfinite(earlier)
    assert both.sum() > 20
    return float(np.median(later[both] - earlier[both]))


def test_training_meets_it(model: Model, images: Any, tmp_path: Path) -> None:
    nc.register_cause(Kicks("kicks", 0.05))
    _, table = calibrated(model, images)
    settings = ("epochs=1", "data.held_out=1000", "encoding.alpha=2", "averaging=0")
    module = torch.nn.Sequential(torch.nn.Flatten(), SpikingLinear(64, 24), SpikingLinear(24, 10))
    out = tmp_path / "run"
    nc.snn.train("digits", network=module, noise=table, settings=settings, out=out, threads=1)
    nc.unregister_cause("kicks")
    with pytest.raises(InputError, match="which is not registered"):
        nc.snn.train("digits", network=module, noise=table, settings=settings, out=tmp_path / "other", threads=1)


def test_what_is_no_cause_is_refused() -> None:
    with pytest.raises(InputError, match="must have a name of its own of lower-case letters, got 'event'"):
        nc.register_cause(Kicks("event", 0.1))
    with pytest.raises(InputError, match="got None"):
        nc.register_cause(object())  # type: ignore[arg-type]
    nc.register_cause(Kicks("kicks", 0.1))
    with pytest.raises(InputError, match="cause kicks is registered"):
        nc.register_cause(Kicks("kicks", 0.2))
    nc.unregister_cause("kicks")
    with pytest.raises(InputError, match="no cause 'kicks' is registered"):
        nc.unregister_cause("kicks")

    class Short(Kicks):
        def draw(self, chip: int, layer: Any, event: int) -> Any:
            return np.zeros(3)

    layer = registry.CircuitLayer(0, "out", 10, nc.NeuronSpec())
    with pytest.raises(
        InputError, match=r"must draw 10 finite numbers, one for each neuron of layer out, got shape \(3,\)"
    ):
        registry.drawn(Short("short", 0.1), 0, layer, 0)
