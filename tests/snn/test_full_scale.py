"""One full scale of the bank for each neuron: the same synapses in training, mapping, noise tables and checks."""

import copy

import numpy as np
import pytest
import torch
from torch import nn

import neurocircuit as nc
from neurocircuit.errors import FileFormatError, InputError, SpecError
from neurocircuit.network.run import decide, spikes_of
from neurocircuit.network.verify import transistors
from neurocircuit.snn.hardware.evaluate import evaluate_on_chips
from neurocircuit.snn.hardware.quantise import Rounding, round_once
from neurocircuit.snn.mapping import NetworkOnCircuit, map_network
from neurocircuit.snn.models import spiking_layers
from neurocircuit.spec import NeuronSpec, WeightBank
from tests.noise.tables import planted_table
from tests.snn.digits_recipe import PLAIN_DIGITS
from tests.snn.training.test_train import SHORT, trainer

pytest.importorskip("sklearn")
BITS = 3
BASE = NeuronSpec(weight_bank=WeightBank().with_bits(BITS))
KINDS = ("free", "forced", "ramp")


def uneven(network):
    """Make neurons of a layer differ by up to ten in their weights, as folded batch norms do."""
    with torch.no_grad():
        for module in network.modules():
            if isinstance(module, nn.Conv2d | nn.Linear):
                factors = torch.logspace(-1, 0, len(module.weight)).to(module.weight)
                module.weight *= factors.view(-1, *(1 for _ in module.weight.shape[1:]))
    return network


@pytest.fixture(scope="module")
def models(tmp_path_factory):
    """By kind, a network for the digits and the file of its weights."""
    folder = tmp_path_factory.mktemp("models")
    trainer(folder / "free", "epochs=4").run()
    kept = {"free": nc.snn.load(folder / "free" / "weights.pt")}
    torch.manual_seed(5)
    layers = [nn.Conv2d(1, 6, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten()]
    relu = uneven(nn.Sequential(*layers, nn.Linear(96, 12), nn.ReLU(), nn.Linear(12, 10)))
    for form in ("forced", "ramp"):
        nc.snn.convert(relu, nc.data.digits("train")[:50], form=form).save(folder / f"{form}.pt")
        kept[form] = nc.snn.load(folder / f"{form}.pt")
    return kept


def mapped(model, full_scale):
    return map_network(model, BASE, images=nc.data.digits("train")[:12], full_scale=full_scale)


def synapses(model, kind, full_scale):
    """Return [neuron, input] of each layer as torch rounds them; without the bias spikes of windowed layers."""
    rounded = copy.deepcopy(model.network).double()
    round_once(rounded, Rounding("bank", BITS, WeightBank(), full_scale=full_scale))
    if kind != "free":
        from neurocircuit.snn.unroll import unrolled

        return [layer.kernel[:, :-2] for layer in unrolled(model.subject, rounded).physical.layers]
    matrices = []
    for layer in spiking_layers(rounded):
        weight, bias = layer.in_force()
        parts = [weight.flatten(1), *([] if bias is None else [bias[:, None]])]
        matrices.append(torch.cat(parts, dim=1).detach().numpy())
    return matrices


@pytest.mark.parametrize("full_scale", ["layer", "neuron"])
@pytest.mark.parametrize("kind", KINDS)
def test_synapses_on_the_circuit_are_those_of_training(models, kind, full_scale):
    """And those of the other full scale are not."""
    network = mapped(models[kind], full_scale)
    got = [w if kind == "free" else w[:, :-2] for w in network.circuit.weights]
    expected, others = (
        synapses(models[kind], kind, each) for each in (full_scale, {"layer": "neuron"}.get(full_scale, "layer"))
    )
    for w, right, other in zip(got, expected, others, strict=True):
        largest = np.abs(right).max()
        step = largest / (2**BITS - 1)
        assert np.abs(w - right).max() < 0.01 * largest  # three digits of a layer's full scale
        assert np.abs(w - other).max() > 0.2 * step
    assert network.mapped.layers[0].full_scale == network.fit.full_scale == full_scale
    spans = [layer.full_scale_span for layer in network.fit.layers]
    assert (max(spans) > 1) == (full_scale == "neuron")
    assert ("one full scale for each neuron" in str(network)) == (full_scale == "neuron")


@pytest.mark.parametrize("kind", KINDS)
def test_no_neuron_makes_more_weights_than_its_codes_and_errors_are_halves_of_its_own_step(models, kind):
    network = mapped(models[kind], "neuron")
    for layer, w in zip(network.circuit.layers, network.circuit.weights, strict=True):
        made, exact = (values if kind == "free" else values[:, :-2] for values in (w, layer.kernel))
        for row, wished in zip(made, exact, strict=True):
            for sign in (1, -1):
                top = max((sign * wished).max(), 0.0)
                of_sign = sign * wished > 0
                assert len(np.unique(np.round(row[of_sign], 9))) <= 2**BITS
                assert np.abs(row - wished)[of_sign].max(initial=0.0) <= top / (2**BITS - 1) / 2 * (1 + 1e-9)


@pytest.mark.parametrize("kind", ["free", "ramp"])
def test_files_tables_and_evaluation_keep_the_full_scale(models, kind, tmp_path):
    """A noise table knows it: software rounded by the table decides as the circuit does under eq. (4)."""
    network, other = (mapped(models[kind], full_scale) for full_scale in ("neuron", "layer"))
    network.save(tmp_path / "net.toml")
    again = NetworkOnCircuit.load(tmp_path / "net.toml")
    assert again.mapped.layers == network.mapped.layers
    for read, written in zip(again.circuit.weights, network.circuit.weights, strict=True):
        np.testing.assert_array_equal(read, written)
    train, test = nc.data.digits("train"), nc.data.digits("test")[:40]
    table = nc.calibrate(network, train[:6], chips=4, points=40)
    table.check_network(network.mapped, "the table")
    with pytest.raises(FileFormatError, match="its layers differs"):
        table.check_network(other.mapped, "the table")
    model = models[kind]
    right = {}
    for each in (network, other):
        decided = np.array([decide(spikes_of(each.circuit.ideal(s)[-1])) for s in each.encoded(test).spikes])
        right[each.fit.full_scale] = decided == test.labels
    result = evaluate_on_chips(copy.deepcopy(model.network), test, model.subject, table, 2, 1, causes=())
    assert np.mean(result.rounded == right["neuron"]) > 0.97
    assert nc.evaluate(model, test, noise=table, chips=2, tables=0).chips > 0
    replay = nc.verify(network, test[:2], chips=1, table=table)
    assert replay.images.accuracy["rounded weights"][0] == right["neuron"][:2].mean()
    nc.report(network.save(tmp_path / "net.toml"))
    assert "has a full scale for each neuron" in (tmp_path / "net.mapping.md").read_text()


def test_the_full_scale_of_training_travels_with_the_weights(models, tmp_path):
    """`map` and `evaluate` follow it, and another one is named."""
    settings = (*PLAIN_DIGITS, "epochs=1", "full_scale=neuron")
    initial = models["ramp"].path
    tuned = nc.snn.train(
        "mnist_windowed_finetune", initial=initial, settings=settings, bits=BITS, out=tmp_path / "a", threads=1
    )
    assert tuned.full_scale == "neuron"
    copied = tuned.save(tmp_path / "copy.pt")
    assert nc.snn.load(copied.path).full_scale == "neuron"
    assert nc.evaluate(copied, "held_out", bits=BITS, first=20).full_scale == "neuron"
    followed, other = mapped(copied, None), mapped(copied, "layer")
    assert followed.mapped.layers[0].full_scale == "neuron"
    assert "trained for another bank" not in str(followed)
    assert "trained for another bank: one full scale for each neuron, here for each layer" in str(other)
    nc.report(other.save(tmp_path / "other.toml"))
    assert "trained for another bank" in (tmp_path / "other.mapping.md").read_text()
    plain = nc.snn.train("mnist_windowed_finetune", initial=initial, settings=settings, out=tmp_path / "b", threads=1)
    assert plain.full_scale is None  # not rounded
    assert mapped(plain, None).mapped.layers[0].full_scale == "layer"


def test_training_under_the_noise_of_another_bank_is_refused(tmp_path):
    table = planted_table(layers=3, event=0.05)
    table.save(tmp_path / "table.nc")
    settings = (*SHORT, f"hardware.noise={str(tmp_path / 'table.nc')!r}", "full_scale=neuron")
    with pytest.raises(
        SpecError, match=r"hardware\.full_scale must be layer as on the circuit of .*table\.nc, got neuron"
    ):
        trainer(tmp_path / "run", *settings, "bits=4")
    trainer(tmp_path / "other", *settings)  # not rounded


def test_a_circuit_whose_currents_stand_has_one_full_scale(models):
    spec = NeuronSpec.from_toml("reports/published/datasheet-generic65/spec.toml")
    images = nc.data.digits("train")[:4]
    with pytest.raises(InputError, match="full_scale must be layer with keep_scale on a characterised circuit"):
        map_network(models["free"], spec, images=images, full_scale="neuron", keep_scale=True)
    network = map_network(models["free"], spec, images=images, full_scale="neuron")
    with pytest.raises(InputError, match="level transistor needs one full scale for each layer"):
        transistors.choose(network.circuit, network.encoded(images).spikes, 2, 1)
