"""NIR: what a graph of ours does by NIR's definitions, round trips to the bit, graphs of other writers, refusals."""

import itertools
from pathlib import Path
from typing import Any

import nir
import numpy as np
import pytest
import torch
from torch import nn

import neurocircuit as nc
from neurocircuit.errors import FileFormatError, InputError
from neurocircuit.snn import checkpoint
from neurocircuit.snn.data.library import DataSpec
from neurocircuit.snn.encode import Encoding
from neurocircuit.snn.exchange.nir_parts import narrowed, widened
from neurocircuit.snn.functional.geometry import Padding
from neurocircuit.snn.layer_graph import LayerGraphNetwork
from neurocircuit.snn.model import Model
from neurocircuit.snn.models import NetworkSpec
from neurocircuit.snn.recipe import Subject
from neurocircuit.snn.trace import trace
from tests.snn.exchange.nir_simulator import first_spikes
from tests.snn.own_networks import Branches, OwnClock

DIGITS = DataSpec(name="digits")
TWO_TAU = Encoding(kind="bright_first", alpha=2.0)
TAU_s = 20e-9


def built(name: str) -> Model:
    spec = NetworkSpec(name="mnist_scnn", initial_sum=3.0, initial_spread=0.7, clock="absolute")
    subject = Subject(name="scnn", data=DIGITS, network=spec, encoding=TWO_TAU)
    if name == "scnn":  # weights of learned sums
        return Model(subject, checkpoint.new_network(subject, torch.Generator().manual_seed(3)))
    torch.manual_seed(2)
    module = {"branches": Branches, "own_clock": OwnClock}[name]()
    with torch.no_grad():
        for parameter in (p for n, p in module.named_parameters() if n.endswith("bias")):
            parameter.uniform_(-0.3, 0.3)
        module.train()
        module(1.0 + 5.0 * torch.rand(8, 1, 8, 8))  # a clock learns its spread
    return Model.of(module.eval(), DIGITS, TWO_TAU)


@pytest.mark.parametrize("name", ["scnn", "branches", "own_clock"])
def test_a_graph_does_what_the_network_does(name: str) -> None:
    model = built(name)
    graph = nc.snn.to_nir(model)
    generator = np.random.default_rng(4)
    t = generator.uniform(0.0, 2.0, (1, 8, 8))
    model.network.eval()
    expected = trace(model.network, torch.from_numpy(np.exp(t)).float()[None])
    step = 1e-3 * TAU_s
    found = first_spikes(graph, {"input": t * TAU_s}, 5.0 * TAU_s, step)
    layers = [n for n in graph.nodes if f"{n}_synapse" in graph.nodes]
    assert len(layers) == len(expected.names)
    fired = 0
    for layer, reference in zip(layers, expected.t_over_tau, strict=True):
        wanted = reference[0].double().numpy()
        times = found[layer].ravel() / TAU_s
        both = np.isfinite(times) & np.isfinite(wanted)
        assert np.mean(np.isfinite(times) == (wanted < 5.0)) > 0.99
        np.testing.assert_allclose(times[both], wanted[both], atol=0.02)  # steps add up over steep and flat crossings
        assert np.median(np.abs(times[both] - wanted[both])) < 4e-3
        fired += int(both.sum())
    assert fired > 50


def test_wrong_weights_would_be_noticed() -> None:
    model = built("branches")
    graph = nc.snn.to_nir(model)
    t = np.random.default_rng(4).uniform(0.0, 2.0, (1, 8, 8))
    expected = trace(model.network.eval(), torch.from_numpy(np.exp(t)).float()[None]).t_over_tau[-1][0].numpy()
    graph.nodes["out_w0"].weight = graph.nodes["out_w0"].weight[:, ::-1].copy()
    found = first_spikes(graph, {"input": t * TAU_s}, 5.0 * TAU_s, 5e-3 * TAU_s)["out"] / TAU_s
    both = np.isfinite(found) & np.isfinite(expected)
    assert np.max(np.abs(found[both] - expected[both])) > 0.05


@pytest.mark.parametrize("name", ["scnn", "branches", "own_clock"])
def test_round_trip_to_the_bit(name: str, tmp_path: Path) -> None:
    model = built(name)
    nc.snn.write_nir(model, tmp_path / "net.nir")
    again = nc.snn.from_nir(tmp_path / "net.nir")
    z = 1.0 + 5.0 * torch.rand(6, 1, 8, 8, generator=torch.Generator().manual_seed(1))
    assert torch.equal(again.network.eval()(z), model.network.eval()(z))
    assert again.subject.encoding == model.subject.encoding
    for first, second in zip(nc.snn.to_nir(model).nodes.items(), nc.snn.to_nir(again).nodes.items(), strict=True):
        assert first[0] == second[0]
        for key, value in first[1].to_dict().items():
            if isinstance(value, np.ndarray) and isinstance(getattr(second[1], key, None), np.ndarray):
                assert value.dtype == getattr(second[1], key).dtype
                np.testing.assert_array_equal(value, getattr(second[1], key))
    assert {p.name for p in tmp_path.iterdir()} == {"net.nir"}


def test_a_circuit_comes_back_with_its_network(tmp_path: Path) -> None:
    model = built("branches")
    images = model.images("train")[:40]
    network = nc.map(model, images=images)
    network.save(tmp_path / "net.toml")
    nc.snn.write_nir(tmp_path / "net.toml", tmp_path / "net.nir")
    graph = nir.read(tmp_path / "net.nir", type_check=False)
    scale = network.mapped.layers[-1]
    assert float(graph.nodes["out"].metadata["phase_per_weight_rad"]) == scale.phase_per_weight_rad
    assert float(graph.nodes["out"].metadata["lead_rad"]) == scale.lead_rad
    assert graph.nodes["out_synapse"].tau.flat[0] == network.mapped.neuron.tau_s
    again = nc.snn.circuit_from_nir(tmp_path / "net.nir")
    assert again.mapped.layers == network.mapped.layers
    assert again.mapped.neuron == network.mapped.neuron
    again.save(tmp_path / "again.toml")
    loaded = nc.snn.NetworkOnCircuit.load(tmp_path / "again.toml")
    image = np.log(1.0 + 5.0 * np.random.default_rng(0).random(64))
    for first, second in zip(loaded.circuit.ideal(image), network.circuit.ideal(image), strict=True):
        np.testing.assert_array_equal(first.at, second.at)
    with pytest.raises(InputError, match="must hold a circuit"):
        nc.snn.circuit_from_nir(nc.snn.to_nir(model))


@pytest.mark.parametrize("sides", [(0, 0, 0, 0), (1, 2, 0, 1), (2, 1, 1, 0), (0, 3, 2, 2)])
@pytest.mark.parametrize("stride", [1, 2, 3])
def test_a_widened_kernel_meets_the_same_pixels(sides: tuple[int, int, int, int], stride: int) -> None:
    rng = np.random.default_rng(0)
    kernel, image = torch.from_numpy(rng.normal(size=(2, 3, 4, 3))), torch.from_numpy(rng.normal(size=(1, 3, 9, 8)))
    expected = nn.functional.conv2d(nn.functional.pad(image, sides), kernel, stride=stride)
    wide, padding = widened(kernel.numpy(), Padding(*sides))
    made = nn.functional.conv2d(image, torch.from_numpy(wide), stride=stride, padding=padding)
    torch.testing.assert_close(made, expected)
    np.testing.assert_array_equal(narrowed(wide, (4, 3), Padding(*sides)), kernel.numpy())


def foreign(*, tau2: float = 1.0, bias: float = 0.0, last: Any = None) -> nir.NIRGraph:
    """Linear, LI, IF twice, as a writer that knows nothing of us makes it: gains and thresholds of its own."""
    rng = np.random.default_rng(7)
    first, second = rng.uniform(0.0, 0.4, (20, 64)), rng.uniform(0.0, 0.6, (10, 20))
    nodes = {
        "input": nir.Input({"input": np.array([64])}),
        "fc1": nir.Affine(first, np.full(20, bias)),
        "syn1": nir.LI(tau=np.full(20, 2e-3), r=np.full(20, 2.0), v_leak=np.zeros(20)),
        "n.1": nir.IF(r=np.full(20, 0.5), v_threshold=np.linspace(1.0, 3.0, 20), v_reset=np.full(20, -1e6)),
        "fc2": nir.Linear(second),
        "syn2": nir.LI(tau=np.full(10, 2e-3 * tau2), r=np.ones(10), v_leak=np.zeros(10)),
        "n2": last or nir.IF(r=np.ones(10), v_threshold=np.ones(10), v_reset=np.full(10, -1e6)),
        "output": nir.Output({"output": np.array([10])}),
    }
    names = list(nodes)
    return nir.NIRGraph(nodes, list(itertools.pairwise(names)))


@pytest.mark.parametrize("tau2", [1.0, 2.5])
def test_another_writers_neurons_of_li_and_if(tau2: float, tmp_path: Path) -> None:
    graph = foreign(tau2=tau2)
    nir.write(tmp_path / "other.nir", graph)
    model = nc.snn.from_nir(tmp_path / "other.nir", "digits", TWO_TAU)
    t = np.random.default_rng(1).uniform(0.0, 2.0, (1, 8, 8))
    model.network.eval()
    expected = trace(model.network, torch.from_numpy(np.exp(t)).float()[None])
    found = first_spikes(graph, {"input": t.ravel() * 2e-3}, 5.0 * 2e-3, 1e-3 * 2e-3)
    for name, reference in zip(("n.1", "n2"), expected.t_over_tau, strict=True):
        wanted = reference[0].double().numpy()
        assert np.isfinite(wanted).any()
        np.testing.assert_allclose(found[name] / 2e-3, wanted, atol=0.01)
    mapped = nc.map(model, images=model.images("test")[:10])
    assert [layer.tau_over_base for layer in mapped.mapped.layers] == pytest.approx([1.0, tau2])


def test_another_writers_rates_of_if_are_relu() -> None:
    rng = np.random.default_rng(3)
    conv, bias = rng.normal(size=(4, 1, 3, 3)).astype(np.float32), rng.normal(size=4).astype(np.float32)
    last = rng.normal(size=(10, 64)).astype(np.float32)
    threshold = np.broadcast_to(np.array([1.0, 2.0, 0.5, 1.0])[:, None, None], (4, 8, 8)).copy()
    nodes = {
        "input": nir.Input({"input": np.array([1, 8, 8])}),
        "conv": nir.Conv2d((8, 8), conv, 1, "same", 1, 1, bias),
        "spikes": nir.IF(r=np.ones((4, 8, 8)), v_threshold=threshold),
        "pool": nir.AvgPool2d(np.array([2, 2]), np.array([2, 2]), np.array([0, 0])),
        "flat": nir.Flatten({"input": np.array([4, 4, 4])}, start_dim=0),
        "fc": nir.Affine(last, np.zeros(10, dtype=np.float32)),
        "out": nir.IF(r=np.ones(10), v_threshold=np.ones(10)),
        "output": nir.Output({"output": np.array([10])}),
    }
    names = list(nodes)
    graph = nir.NIRGraph(nodes, list(itertools.pairwise(names)), type_check=False)
    model = nc.snn.from_nir(graph, nc.data.digits("test"))
    x = torch.rand(5, 1, 8, 8)
    # Rates of IF neurons with soft reset, counted over many steps (Rueckauer et al., Front. Neurosci. 2017, eq. 5).
    drive = nn.functional.conv2d(x, torch.from_numpy(conv), torch.from_numpy(bias), padding=1).numpy()
    v, count, steps = np.zeros_like(drive), np.zeros_like(drive), 4000
    for _ in range(steps):
        v += 0.02 * drive
        fired = v >= threshold
        count += fired
        v -= fired * threshold
    pooled = nn.functional.avg_pool2d(torch.from_numpy(count / (0.02 * steps)).double(), 2).flatten(1)
    expected = pooled @ torch.from_numpy(last).double().t()
    traced = checkpoint.traced_in(model.network)
    assert isinstance(traced, LayerGraphNetwork)
    torch.testing.assert_close(traced(x).double(), expected, atol=0.05, rtol=0.02)
    images = model.images("train")[:50]
    assert nc.snn.convert(model, images, form="forced", quantile=None).conversion.same_decisions == 50


@pytest.mark.parametrize(
    ("graph", "said"),
    [
        (lambda: foreign(bias=0.1), r"fc1 must have bias 0: a constant current has no meaning for n-LIF"),
        (
            lambda: foreign(last=nir.LIF(tau=np.ones(10), r=np.ones(10), v_leak=np.zeros(10), v_threshold=np.ones(10))),
            r"NIR node n2 \(LIF\) has no meaning here: the membrane of n-LIF has no leak.*LI followed by IF",
        ),
        (lambda: foreign(last=nir.Threshold(np.ones(10))), r"NIR node n2 \(Threshold\).*it has no membrane"),
        (lambda: foreign(last=nir.Scale(np.ones(10))), r"NIR node n2 \(Scale\).*the factor in the weights"),
    ],
)
def test_a_node_that_means_something_else_is_named(graph: Any, said: str) -> None:
    with pytest.raises(InputError, match=said):
        nc.snn.from_nir(graph(), "digits", TWO_TAU)


def test_graphs_and_files_that_do_not_fit_are_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="images must name the data set"):
        nc.snn.from_nir(foreign())
    with pytest.raises(InputError, match="encoding must be given"):
        nc.snn.from_nir(foreign(), "digits")
    with pytest.raises(InputError, match=r"Input\) must be \[1, 28, 28\] as the images are, got \[64\]"):
        nc.snn.from_nir(foreign(), "mnist", TWO_TAU)
    loop = foreign()
    loop.edges.append(("n2", "fc1"))
    with pytest.raises(InputError, match="NIR nodes must be without a loop"):
        nc.snn.from_nir(loop, "digits", TWO_TAU)
    with pytest.raises(InputError, match="cannot read"):
        nc.snn.from_nir(tmp_path / "none.nir")
    (tmp_path / "bad.nir").write_bytes(b"no HDF5")
    with pytest.raises(FileFormatError, match=r"bad\.nir is not a NIR file"):
        nc.snn.from_nir(tmp_path / "bad.nir")
    graph = nc.snn.to_nir(built("branches"))
    graph.nodes["out_w1"].weight = graph.nodes["out_w1"].weight[:, :-1]
    with pytest.raises(FileFormatError, match=r"weight of out must have the shape \(10, 176\), got \(10, 175\)"):
        nc.snn.from_nir(graph)
    relu = Model.of(nn.Sequential(nn.Flatten(), nn.Linear(64, 10)), DIGITS)
    with pytest.raises(InputError, match=r"a ReLU network must go by torch\.onnx, .*: NIR has no node for ReLU"):
        nc.snn.to_nir(relu)
    windowed = nc.snn.convert(relu, nc.data.digits("train")[:20])
    with pytest.raises(InputError, match=r"a windowed network must stay a file of weights .* in a window"):
        nc.snn.to_nir(windowed)
    with pytest.raises(InputError, match=r"must be a \.nir file"):
        nc.snn.write_nir(built("branches"), tmp_path / "net.h5")
