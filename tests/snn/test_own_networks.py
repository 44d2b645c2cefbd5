"""Torch modules of one's own: traced, trained, mapped, verified, evaluated; what has no meaning is named."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

import neurocircuit as nc
from neurocircuit.core.files import file_sha256
from neurocircuit.errors import InputError, SpecError
from neurocircuit.network import physical
from neurocircuit.network.run import Circuit, spikes_of
from neurocircuit.neuron.operating_points import operate
from neurocircuit.noise.model import CAUSES
from neurocircuit.snn import checkpoint, layers
from neurocircuit.snn.data.spec import DataSpec
from neurocircuit.snn.encode import Encoding, encode
from neurocircuit.snn.hardware.noisy import NoisyNetwork
from neurocircuit.snn.hardware.on_chips import NetworkOnChips
from neurocircuit.snn.layer_graph import LayerGraphNetwork
from neurocircuit.snn.model import Model
from neurocircuit.snn.models import NetworkSpec
from neurocircuit.snn.recipe import Recipe, ScheduleSpec, Subject
from neurocircuit.snn.retime import Retime
from neurocircuit.snn.trace import trace
from neurocircuit.snn.unroll import unroll
from neurocircuit.spec.layer_graph import LayerGraph, Node, name_of_path
from tests.snn.own_networks import Branches, OwnClock, Residual, TwoBlocks

SHAPE = (1, 8, 8)
TWO_TAU = Encoding(kind="bright_first", alpha=2.0)
PLAIN = (nn.Conv2d(1, 4, 3), nn.BatchNorm2d(4), nn.MaxPool2d(2), nn.ReLU(), nn.Flatten(), nn.Linear(36, 10))
SHORT = ("epochs=3", "data.held_out=200", "encoding.alpha=2", "averaging=0")


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Model:
    torch.manual_seed(0)
    out = tmp_path_factory.mktemp("own") / "run"
    return nc.snn.train("digits", network=Branches(), settings=SHORT, out=out, threads=1)


@pytest.fixture(scope="module")
def on_circuit(trained: Model) -> tuple[Any, nc.NoiseTable]:
    images = trained.images("train")
    network = nc.map(trained, images=images[:60])
    return network, nc.calibrate(network, images[:5], chips=10, points=100)


@pytest.mark.parametrize("kind", [Branches, OwnClock])
def test_the_neurons_fire_when_the_module_says_so(kind: type[nn.Module]) -> None:
    torch.manual_seed(1)
    module = kind().train()
    z = 1.0 + 5.0 * torch.rand(4, *SHAPE)
    module(z)  # a clock learns its spread
    module.eval()
    model = Model.of(module, DataSpec(name="digits"), TWO_TAU)
    assert torch.equal(model.network.eval()(z), module(z))
    neurons = unroll(model.subject, model.network)
    names = [layer.name for layer in neurons.layers]
    assert len(names) == 3 + (kind is OwnClock)
    for image in z:
        expected = trace(model.network, image[None])
        assert expected.names == names

        def fire(k: int, spikes: Any) -> Any:
            layer = neurons.layers[k]
            inputs = layer.inputs(spikes / layer.tau_over_base, 0.0)
            at = spikes_of(operate(inputs, layer.kernel[layer.row], 1e3))
            return at * layer.tau_over_base, at * layer.tau_over_base

        fired = neurons.propagate(np.log(image.double().numpy()).ravel(), fire)
        for times, reference in zip(fired, expected.t_over_tau, strict=True):
            wanted = reference[0].double().numpy()
            both = np.isfinite(wanted)
            np.testing.assert_array_equal(np.isfinite(times), both)
            np.testing.assert_allclose(times[both], wanted[both], rtol=3e-5, atol=3e-5)  # torch in float32


def test_the_whole_loop(trained: Model, on_circuit: tuple[Any, nc.NoiseTable], tmp_path: Path) -> None:
    held_out = trained.images("held_out")
    assert nc.evaluate(trained, held_out).accuracy > 0.7
    network, table = on_circuit
    network.save(tmp_path / "net.toml")
    again = nc.snn.NetworkOnCircuit.load(tmp_path / "net.toml")  # from files alone
    replay = nc.verify(again, held_out[:8], level="edge", chips=2, table=table).images
    assert abs(replay.accuracy["circuit"][0] - replay.accuracy["noise model"][0]) <= 0.25
    for layer in replay.layers:
        assert 0.4 < (layer.deviation[0] + 0.005) / (layer.model_deviation[0] + 0.005) < 2.5, layer.name
    noisy = nc.evaluate(trained, held_out[:60], noise=table, chips=2, tables=0)
    assert noisy.accuracy > 0.65
    settings = (*SHORT[1:], "epochs=1")
    aware = nc.snn.train(
        "digits", network=Branches(), initial=trained, noise=table, settings=settings, out=tmp_path / "aware", threads=1
    )
    assert nc.evaluate(aware, held_out).accuracy > 0.7


def test_chips_at_once_are_chips_one_by_one(on_circuit: tuple[Any, nc.NoiseTable]) -> None:
    """Branches that all chips have in common (image, gates) meet ones that each chip has for itself."""
    network, table = on_circuit
    z = 1.0 + 5.0 * torch.rand(3, *SHAPE, generator=torch.Generator().manual_seed(2))
    together, alone = (NoisyNetwork(network.model.network.eval(), table, CAUSES, "nearest") for _ in range(2))

    def events(chip: int, shape: tuple[int, ...]) -> torch.Tensor:
        return torch.rand(shape, generator=torch.Generator().manual_seed(int(np.prod(shape)) + chip))

    together.new_chips(0, [3, 5])
    together.draws = lambda k, shape: torch.stack([events(10 * k + chip, shape[1:]) for chip in (3, 5)])
    spikes = together(z).detach().view(2, 3, 10)
    for place, chip in enumerate((3, 5)):
        alone.new_chip(0, chip)
        alone.draws = lambda k, shape, chip=chip: events(10 * k + chip, shape[1:])[None]
        torch.testing.assert_close(spikes[place], alone(z).detach(), rtol=1e-5, atol=0)
    assert not torch.equal(spikes[0], spikes[1])
    assert isinstance(together, NetworkOnChips)


def test_a_checkpoint_needs_no_code(trained: Model, tmp_path: Path) -> None:
    saved = trained.save(tmp_path / "own.pt")
    loaded = nc.snn.load(tmp_path / "own.pt")
    assert isinstance(loaded.network, LayerGraphNetwork)
    z = 1.0 + torch.rand(5, *SHAPE)
    assert torch.equal(loaded.network.eval()(z), trained.network.eval()(z))
    assert loaded.subject == trained.subject
    assert file_sha256(tmp_path / "own.pt") == saved.sha256


def test_a_relu_module_is_trained_and_converted(tmp_path: Path) -> None:
    torch.manual_seed(0)
    settings = (*SHORT[:2], "averaging=0", "encoding.kind=linear", "encoding.alpha=0.5")
    model = nc.snn.train("digits", network=Residual(), settings=settings, out=tmp_path / "relu", threads=1)
    loaded = nc.snn.load(tmp_path / "relu/weights.pt")
    held_out = loaded.images("held_out")
    with pytest.raises(InputError, match="a ReLU network has no circuit: convert it first"):
        nc.map(model, images=held_out[:10])
    windowed = nc.snn.convert(loaded, loaded.images("train")[:100], form="forced", quantile=None, test=held_out)
    assert windowed.conversion is not None
    assert windowed.conversion.same_decisions == 100
    accuracy = windowed.conversion.accuracy
    assert accuracy is not None
    assert min(accuracy.right_before, accuracy.right_after) > 0.7 * accuracy.images


def test_a_short_recipe_of_a_relu_module_says_nothing_of_spikes(tmp_path: Path) -> None:
    """Encoding and loss are what a ReLU network wants, but for what the recipe states."""
    torch.manual_seed(0)
    recipe = Recipe(name="short", data=DataSpec(name="digits", held_out=200), schedule=ScheduleSpec(epochs=2))
    model = nc.snn.train(recipe, network=Residual(), out=tmp_path / "run", threads=1)
    assert model.subject.encoding == Encoding(kind="linear", alpha=0.5)
    record = Recipe.from_dict(json.loads((tmp_path / "run/run.json").read_text())["recipe"])
    assert (record.loss.kind, record.loss.kappa, record.loss.smoothing) == ("cross_entropy", 1.0, 0.0)
    assert json.loads((tmp_path / "run/run.json").read_text())["held_out_accuracy"] > 0.5  # chance: 0.1
    for settings, said in (("encoding.alpha=1", ("linear", 1.0)), ("loss.smoothing=0.1", ("linear", 0.5))):
        out = tmp_path / settings
        again = nc.snn.train(recipe, network=Residual(), settings=[settings, "epochs=1"], out=out, threads=1)
        assert (again.subject.encoding.kind, again.subject.encoding.alpha) == said
    stated = (
        'for a ReLU network, got dark_first: in the recipe .encoding. kind = "linear", or --set encoding.kind=linear'
    )
    with pytest.raises(SpecError, match=stated):
        nc.snn.train(recipe, network=Residual(), settings=["encoding.kind=dark_first"], out=tmp_path / "no", threads=1)


@pytest.mark.parametrize("kind", [Residual, TwoBlocks, lambda: nn.Sequential(*PLAIN)])
def test_layers_have_the_modules_names_from_module_and_checkpoint(tmp_path: Path, kind: Any) -> None:
    torch.manual_seed(0)
    module, images = kind().eval(), nc.data.digits("train")[:60]
    direct = nc.snn.convert(module, images, form="forced")
    Model.of(module, images).save(tmp_path / "relu.pt")
    from_file = nc.snn.convert(nc.snn.load(tmp_path / "relu.pt"), images, form="forced")
    assert [node.name for node in from_file.graph.nodes] == [node.name for node in direct.graph.nodes]
    weights = from_file.state_dict()
    assert all(torch.equal(value, weights[name]) for name, value in direct.state_dict().items())
    with_weights = [
        name_of_path(path) for path, layer in module.named_modules() if isinstance(layer, nn.Conv2d | nn.Linear)
    ]
    names = [node.name for node in direct.graph.layers]
    assert set(names) <= set(with_weights)
    assert names[-1] == with_weights[-1]


def test_evaluate_and_map_take_the_module_itself(trained: Model) -> None:
    images = trained.images("held_out")[:40]
    module = trained.network
    encoding = trained.subject.encoding
    assert nc.evaluate(module, images, encoding=encoding).accuracy == nc.evaluate(trained, images).accuracy
    mapped = nc.map(module, images=images, encoding=encoding)
    again = nc.map(trained, images=images)
    assert [layer.lead_rad for layer in mapped.mapped.layers] == [layer.lead_rad for layer in again.mapped.layers]
    with pytest.raises(InputError, match="encoding must be given with a module"):
        nc.map(module, images=images)
    with pytest.raises(InputError, match="encoding must be left out"):
        nc.map(trained, images=images, encoding=encoding)


class _Called(nn.Module):
    def __init__(self, layer: nn.Module | None, call: Any) -> None:
        super().__init__()
        self.block = nn.Sequential(nn.Identity(), layer) if layer is not None else nn.Identity()
        self.call, self.out = call, layers.SpikingLinear(64, 10)

    def forward(self, z: torch.Tensor) -> torch.Tensor:
        return self.out(self.call(self, z).flatten(1))


@pytest.mark.parametrize(
    ("layer", "call", "said"),
    [
        (nn.GELU(), lambda m, z: m.block(z), r"block\.1 \(GELU\) has no meaning here; what would serve: ReLU"),
        (nn.LayerNorm(8), lambda m, z: m.block(z), r"block\.1 \(LayerNorm\).*BatchNorm2d"),
        (nn.MaxPool2d(1), lambda m, z: m.block(z), r"block\.1 \(max_pool2d\) is no layer of spikes.*EarliestPool2d"),
        (None, lambda m, z: z + z, r"add.*is no layer of spikes.*torch\.cat of both"),
        (None, lambda m, z: torch.sigmoid(z), r"sigmoid \(sigmoid\) has no meaning here; what would serve: ReLU"),
        (None, lambda m, z: z * 2, r"mul \(mul\) has no meaning here"),
        (None, lambda m, z: z if z.sum() > 0 else -z, "cannot be traced"),
        (None, lambda m, z: m.out(m.out(z.flatten(1)).repeat(1, 7)), r"repeat"),
        (None, lambda m, z: torch.cat([z, z], dim=2), r"cat \(cat\) must join channels: dim=1"),
        (None, lambda m, z: z.view(-1, 2, 32)[:, :1], "getitem"),
    ],
)
def test_what_has_no_meaning_is_named_with_its_place(layer: nn.Module | None, call: Any, said: str) -> None:
    with pytest.raises(InputError, match=said):
        LayerGraphNetwork.of(_Called(layer, call), SHAPE)


def test_what_is_read_twice_has_synapses_twice() -> None:
    class Twice(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.out = layers.SpikingLinear(128, 10)

        def forward(self, z: torch.Tensor) -> torch.Tensor:
            return self.out(torch.cat([z, z], dim=1).flatten(1))

    model = Model.of(Twice(), DataSpec(name="digits"), TWO_TAU)
    assert unroll(model.subject, model.network).layers[0].fan_in == 129


def test_a_forward_that_is_more_than_its_layers_is_refused() -> None:
    class Shuffled(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.one = layers.SpikingConv2d(1, 4, 1)
            self.out = layers.SpikingLinear(64, 10)

        def forward(self, z: torch.Tensor) -> torch.Tensor:
            return self.out(self.one(z).view(-1, 64))  # four images out of each

    with pytest.raises(InputError, match=r"out cannot read|traced, it gives other values"):
        LayerGraphNetwork.of(Shuffled(), SHAPE)


def test_what_would_be_other_neurons_is_refused() -> None:
    same = layers.SpikingConv2d(1, 1, 1)
    with pytest.raises(InputError, match=r"1 \(SpikingConv2d\) must compute once: its neurons are physical"):
        LayerGraphNetwork.of(
            nn.Sequential(nn.Identity(), same, same, nn.Flatten(), layers.SpikingLinear(64, 10)), SHAPE
        )
    late = nn.Sequential(Retime(None), nn.Flatten(), layers.SpikingLinear(64, 10))
    with pytest.raises(InputError, match="2 must have no bias behind 0: a bias spike has an absolute time"):
        LayerGraphNetwork.of(late, SHAPE)
    odd = nn.Sequential(nn.Flatten(), layers.SpikingLinear(64, 10, bias_z=2.0))
    model = Model.of(odd, DataSpec(name="digits"), TWO_TAU)
    with pytest.raises(InputError, match=r"m1\.bias_z must be 1 on a circuit, whose bias spike comes at t = 0"):
        nc.map(model, images=model.images("test")[:5])

    class TwoClocks(OwnClock):
        def forward(self, z: torch.Tensor) -> torch.Tensor:
            z = self.first(z)
            return self.out(torch.cat([self.a(z), self.b(self.clock(z))], dim=1).flatten(1))

    with pytest.raises(InputError, match=r"cat joins spikes of different clocks \(clock, input\)"):
        LayerGraphNetwork.of(TwoClocks(), SHAPE)


def test_a_wrong_size_is_refused_by_name(trained: Model, on_circuit: tuple[Any, nc.NoiseTable]) -> None:
    with pytest.raises(InputError, match=r"m1 cannot read \[100\]"):
        LayerGraphNetwork.of(nn.Sequential(nn.Flatten(), layers.SpikingLinear(64, 10)), (1, 10, 10))
    with pytest.raises(InputError, match=r"layer 0 must read 16 spikes, got 64 of images \[1, 8, 8\]"):
        physical.unroll(SHAPE, [physical.Dense("0", np.ones((10, 16)), np.ones(10))])
    conv = physical.Convolution("0", np.ones((2, 4, 2, 2)), None, 1, (0, 0, 0, 0))
    with pytest.raises(InputError, match="layer 0 must read 4 channels, got 1"):
        physical.unroll(SHAPE, [conv])
    with pytest.raises(InputError, match="the network has 4 outputs, digits has 10 classes"):
        Model.of(nn.Sequential(nn.Flatten(), layers.SpikingLinear(64, 4)), DataSpec(name="digits"), TWO_TAU)
    circuit: Circuit = on_circuit[0].circuit
    for pixels in (63, 65, 784):
        with pytest.raises(InputError, match=f"an image must have 64 input spikes, as the network reads, got {pixels}"):
            circuit.ideal(np.ones(pixels))


def test_a_graph_is_checked() -> None:
    flat = Node(name="flat", kind="flatten", sources=("input",))
    out = Node(name="out", kind="spiking_linear", sources=("flat",), options={"in_features": 64, "out_features": 10})
    graph = LayerGraph(shape=SHAPE, nodes=(flat, out))
    assert LayerGraph.from_dict(graph.to_dict()) == graph
    with pytest.raises(SpecError, match="out must come after its source, got flat"):
        LayerGraph(shape=SHAPE, nodes=(out, flat))
    with pytest.raises(SpecError, match="of spiking layers or of a ReLU network, got out"):
        LayerGraph(shape=SHAPE, nodes=(flat, out, Node(name="relu", kind="relu", sources=("out",))))
    with pytest.raises(InputError, match=r"network node out \(spiking_linear\).*unexpected keyword"):
        LayerGraphNetwork(graph.replace(nodes=(flat, out.replace(options={"path": "x"}))))
    with pytest.raises(SpecError, match="name must be own where, and only where, there is code or graph"):
        NetworkSpec(graph=graph)
    with pytest.raises(SpecError, match="there is code or graph"):
        NetworkSpec(name="own")


def test_training_leaves_the_module_as_it_was(tmp_path: Path) -> None:
    module = nn.Sequential(nn.Flatten(), layers.SpikingLinear(64, 10))
    before = {name: value.clone() for name, value in module.state_dict().items()}
    settings = ("epochs=1", "data.held_out=1000")
    model = nc.snn.train("digits", network=module, settings=settings, out=tmp_path / "run", threads=1)
    assert all(torch.equal(before[name], value) for name, value in module.state_dict().items())
    assert not torch.equal(model.network.m1.weight, before["1.weight"])


def test_googlenet_is_mapped_branch_by_branch() -> None:
    network = NetworkSpec(name="spiking_googlenet", initial_sum=8.0, initial_spread=5.0)
    subject = Subject(name="googlenet", data=DataSpec(name="digits"), network=network, encoding=TWO_TAU)
    model = Model(subject, checkpoint.new_network(subject, torch.Generator().manual_seed(0)))
    images = model.images("test")[:20]
    z = encode(torch.from_numpy(images.pixels.astype(np.float32) / 255), TWO_TAU)
    model.network.train()
    model.network(z)  # clocks learn their spread
    model.network.eval()
    mapped = nc.map(model, images=images[:1])
    expected = trace(model.network, z[:1])
    names = [layer.name for layer in mapped.mapped.layers]
    assert names == expected.names
    assert len(names) == 58
    points = mapped.circuit.ideal(np.log(z[0].double().numpy()).ravel(), exact_weights=True)
    for layer, point, reference in zip(mapped.mapped.layers, points, expected.t_over_tau, strict=True):
        wanted = reference[0].double().numpy() / layer.tau_over_base
        fired = np.isfinite(spikes_of(point))
        assert np.mean(fired == np.isfinite(wanted)) > 0.97, layer.name  # some spike after the window
        both = fired & np.isfinite(wanted)
        np.testing.assert_allclose(point.at[both], wanted[both], rtol=0.02, atol=0.002)  # 30 layers in float32
