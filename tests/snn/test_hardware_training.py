"""Training under a circuit's noise and weight bank: exact where it must be, gradients against finite differences."""

import json

import numpy as np
import pytest
import torch

from neurocircuit.errors import InputError, SpecError
from neurocircuit.neuron.operating_points import operate
from neurocircuit.noise import NoiseTable
from neurocircuit.noise.curves import QUANTILES
from neurocircuit.snn import checkpoint
from neurocircuit.snn.hardware.approach import closest
from neurocircuit.snn.hardware.noisy import NoisyNetwork
from neurocircuit.snn.hardware.quantise import Rounding, round_to, set_rounding, to_words
from neurocircuit.snn.hardware_spec import HardwareSpec
from neurocircuit.snn.layers import SpikingConv2d, SpikingLinear
from neurocircuit.snn.loss import LossSpec, spike_loss
from neurocircuit.snn.models import spiking_layers
from neurocircuit.snn.training.run import FINAL
from neurocircuit.spec import Bank, MappedNetwork, WeightBank
from tests.noise.tables import planted_table
from tests.snn.training.test_train import SHORT, assert_same_bits, trainer, weights

pytest.importorskip("sklearn")
BANKS = {
    "conductance": WeightBank(),
    "resistance": WeightBank(excitatory=Bank(code="resistance"), inhibitory=Bank(code="resistance")),
    "measured": WeightBank(
        excitatory=Bank(bits=2, weights=(0.5, 1.2, 2.0)), inhibitory=Bank(bits=2, weights=(0.7, 1.3, 2.0))
    ),
}


@pytest.fixture(scope="module")
def table(tmp_path_factory):
    path = tmp_path_factory.mktemp("table") / "table.nc"
    planted_table(layers=3, event=0.05, chip=0.03, false=0.2).save(path)
    return path


@pytest.fixture(scope="module")
def clean(tmp_path_factory):
    directory = tmp_path_factory.mktemp("clean")
    trainer(directory, *SHORT).run()
    return directory


def test_with_the_noise_off_training_ends_in_the_same_bits(tmp_path, clean, table):
    """The noise table is there, and all its causes are off."""
    trainer(tmp_path, *SHORT, f"hardware.noise={json.dumps(str(table))}", "hardware.causes=[]").run()
    assert_same_bits(weights(tmp_path), weights(clean))


@pytest.mark.parametrize("chips", ["fresh", "fixed"])
def test_an_interrupted_noisy_run_resumes_to_the_same_bits(tmp_path, table, clean, chips):
    """Noise, a falling number of bits and noise on the weights: every generator has a part."""
    settings = (
        *SHORT,
        f"hardware.noise={json.dumps(str(table))}",
        f"hardware.chips={chips}",
        "hardware.bits=4",
        "hardware.gradual=[8]",
        "hardware.weight_snr_dB=30",
        "hardware.outside=nearest",
    )

    def stop(step, steps, label):
        if step == 70:
            raise KeyboardInterrupt

    (tmp_path / "cut").mkdir()
    trainer(tmp_path / "whole", *settings).run()
    with pytest.raises(KeyboardInterrupt):
        trainer(tmp_path / "cut", *settings).run(stop)
    resumed = trainer(tmp_path / "cut", *settings)
    resumed.resume()
    assert resumed.step == 60
    resumed.run()

    assert_same_bits(weights(tmp_path / "cut"), weights(tmp_path / "whole"))
    assert resumed.conditions.share_outside == trainer_share(tmp_path, settings)
    assert any(not torch.equal(one, weights(clean)[name]) for name, one in weights(tmp_path / "whole").items())


def trainer_share(tmp_path, settings):
    again = trainer(tmp_path / "again", *settings)
    again.run()
    return again.conditions.share_outside


def test_resuming_under_another_noise_table_is_refused(tmp_path, table):
    other = tmp_path / "table.nc"
    other.write_bytes(table.read_bytes())
    settings = (*SHORT, "epochs=1", f"hardware.noise={json.dumps(str(other))}", "hardware.outside=nearest")
    first = trainer(tmp_path / "run", *settings)
    first.run()
    assert first.identity()["noise_sha256"]
    planted_table(layers=3, event=0.06).save(other)
    with pytest.raises(InputError, match=r"trained under another noise table .* its sha256 differs"):
        trainer(tmp_path / "run", *settings).resume()


def test_training_goes_on_from_given_weights(tmp_path, clean):
    run = trainer(tmp_path, *SHORT, f"initial={json.dumps(str(clean / FINAL))}")
    assert_same_bits(dict(run.network.state_dict()), weights(clean))
    assert len(run.identity()["initial_sha256"]) == 64
    _, network = checkpoint.load_network(clean / FINAL)
    assert spiking_layers(network)
    with pytest.raises(Exception, match="must be for the recipe's encoding"):
        trainer(tmp_path, *SHORT, f"initial={json.dumps(str(clean / FINAL))}", "alpha=2.0")


@pytest.mark.parametrize("name", BANKS)
def test_rounded_weights_are_those_that_the_mapped_bank_makes(name):
    rng = np.random.default_rng(3)
    weights = rng.normal(0.02, 0.2, 500)
    bank = BANKS[name].with_bits(BANKS[name].excitatory.bits).spanning(weights)
    np.testing.assert_array_equal(round_to(weights, "bank", bank.excitatory.bits, BANKS[name]), bank.quantise(weights))
    assert bank.excitatory.max_weight >= weights.max() > 0.99 * bank.excitatory.max_weight
    assert bank.inhibitory.max_weight >= -weights.min() > 0.99 * bank.inhibitory.max_weight
    bank.codes(bank.quantise(weights))


@pytest.mark.parametrize("bits", [2, 3, 4, 8])
def test_words_have_their_levels_and_no_other_step_is_closer(bits):
    rng = np.random.default_rng(4)
    weights, top = rng.normal(0, 1, 4000), 2 ** (bits - 1) - 1
    made = to_words(weights, bits)
    assert len(np.unique(made)) <= 2 * top + 1
    error = np.mean((made - weights) ** 2)
    for step in np.linspace(0.01, 2, 400) / top * np.abs(weights).max():
        other = np.clip(np.round(weights / step), -top, top) * step
        assert error <= np.mean((other - weights) ** 2) * 1.02  # steps are tried 2 % of full scale apart


@pytest.mark.parametrize(("snr_dB", "bits"), [(20.0, 32), (30.0, 6), (14.0, 32)])
def test_noise_on_weights_has_the_stated_ratio_to_their_root_mean_square(snr_dB, bits):
    """SNR = 20 log10(rms of weights and bias / rms of the noise), beside rounding, drawn anew at every call.

    40 000 weights that are mostly positive: the error of the noise's rms is 0.35 %, five of them 1.8 %. With the
    standard deviation of the weights for their rms it would be 2.2 times too small, with 10 log10 far off.
    """
    generator = torch.Generator().manual_seed(3)
    weight = torch.from_numpy(np.random.default_rng(3).normal(1.0, 0.5, (200, 199)))
    bias = torch.full((200,), 0.5, dtype=torch.float64)
    noisy = Rounding("bank", bits, WeightBank(), snr_dB=snr_dB, generator=generator)
    plain = torch.cat([part.flatten() for part in Rounding("bank", bits, WeightBank())(weight, bias)])
    drawn = [torch.cat([part.flatten() for part in noisy(weight, bias)]) - plain for _ in range(2)]
    rms = float(torch.cat([weight.flatten(), bias]).square().mean().sqrt())
    for noise in drawn:
        assert float(noise.square().mean().sqrt()) == pytest.approx(rms * 10 ** (-snr_dB / 20), rel=0.018)
        assert abs(float(noise.mean())) < 5 * float(noise.std()) / np.sqrt(len(noise))
        assert float(noise[-200:].std()) > 0.5 * float(noise.std())  # the bias is a weight like others
    assert abs(float(torch.corrcoef(torch.stack(drawn))[0, 1])) < 5 / np.sqrt(len(plain))


def test_straight_through_gradients_are_those_of_the_unrounded_loss_at_the_rounded_weights():
    """Central differences in float64; a weight that changes a causal set within them is told by its own second step."""
    torch.manual_seed(5)
    network = torch.nn.Sequential(SpikingLinear(12, 9, dtype=torch.float64), SpikingLinear(9, 4, dtype=torch.float64))
    z, target = torch.exp(2 * torch.rand(6, 12, dtype=torch.float64)), torch.arange(6) % 4
    spec = LossSpec(kind="relative", kappa=3.0)
    rounding = Rounding("bank", 3, WeightBank())
    made = [rounding(layer.weight, layer.bias) for layer in spiking_layers(network)]
    set_rounding(network, rounding)
    torch.autograd.backward(spike_loss(network(z), target, spec))
    found = [layer.weight.grad.clone() for layer in spiking_layers(network)]
    set_rounding(network, None)
    with torch.no_grad():
        for layer, (weight, bias) in zip(spiking_layers(network), made, strict=True):
            layer.weight.copy_(weight)
            layer.bias.copy_(bias)
    checked = 0
    for layer, gradient in zip(spiking_layers(network), found, strict=True):
        for place in list(np.ndindex(*layer.weight.shape))[::5]:
            first, second = (difference(network, layer.weight, place, z, target, spec, h) for h in (1e-6, 5e-7))
            if abs(first - second) < 1e-6:
                assert float(gradient[place]) == pytest.approx(first, rel=1e-4, abs=1e-6)
                checked += abs(first) > 1e-6
    assert checked >= 15


def difference(network, weight, place, z, target, spec, h):
    with torch.no_grad():
        kept = float(weight[place])
        losses = []
        for value in (kept + h, kept - h):
            weight[place] = value
            losses.append(float(spike_loss(network(z), target, spec)))
        weight[place] = kept
    return (losses[0] - losses[1]) / (2 * h)


@pytest.mark.parametrize("through", ["slope", "ideal"])
def test_gradients_of_moved_spikes_hold_the_disturbance_constant(through):
    """With a fixed m for all: z' = z s/(s - m), differentiated by hand through a layer's own gradients."""
    torch.manual_seed(6)
    table = planted_table(layers=1, event=0.0, bias=0.2)
    layer = SpikingLinear(10, 5, bias=False)
    network = torch.nn.Sequential(layer)
    z = torch.exp(torch.rand(4, 10))
    noisy = NoisyNetwork(network, table, causes=("systematic",), outside="nearest", gradient=through)
    moved = noisy(z)
    kept = torch.isfinite(moved)
    weight = torch.randn(moved.shape)
    torch.autograd.backward((moved[kept] * weight[kept]).sum())
    found, layer.weight.grad = layer.weight.grad.clone(), None
    layer.keep_slope = True
    fired, slope = layer(z), layer.slope
    share = slope / (slope - 0.2)
    by_hand = fired * (share if through == "slope" else share.detach())
    assert kept.sum() > 10
    torch.testing.assert_close(moved[kept], by_hand[kept])
    torch.autograd.backward((by_hand[kept] * weight[kept]).sum())
    torch.testing.assert_close(found, layer.weight.grad, rtol=1e-4, atol=1e-5)


def test_bits_fall_in_equal_shares_of_the_steps():
    spec = HardwareSpec(bits=2, gradual=(8, 4))
    assert [spec.bits_at(step, 9) for step in range(9)] == [8, 8, 8, 4, 4, 4, 2, 2, 2]
    assert HardwareSpec(bits=4).bits_at(0, 5) == 4
    for bad, message in (
        ({"bits": 8, "gradual": (4,)}, "gradual must fall"),
        ({"bits": 1, "quantiser": "word"}, "bits"),
    ):
        with pytest.raises(SpecError, match=message):
            HardwareSpec.from_dict(bad)


def test_lookup_draws_are_the_tables_distribution():
    """The event's quantiles come back from 200 000 draws within 5 standard errors of each (false alarm 1e-5)."""
    table = planted_table(layers=1, event=0.1, bias=0.02)
    lookup = NoisyNetwork(torch.nn.Sequential(SpikingLinear(4, 4)), table, outside="nearest")._lookup[0]
    even = torch.rand(200_000, generator=torch.Generator().manual_seed(1))
    s = torch.full_like(even, 1.0)
    drawn = lookup.disturb(lookup.cells(s, s), even).double().numpy()
    fit = table.layers[0]
    for q, value in zip(QUANTILES[3:-3], fit.quantiles.reshape(-1, len(QUANTILES))[0][3:-3], strict=True):
        share = np.mean(drawn <= 0.02 + value)
        assert abs(share - q) < 5 * np.sqrt(q * (1 - q) / len(drawn)) + 1 / 2048


def test_silent_neurons_fire_as_often_as_the_table_says():
    """Neurons that stay a tenth below the threshold, planted share 0.2: 5 standard errors, false alarm 6e-7."""
    table = planted_table(layers=1, event=0.0, false=0.2)
    layer = SpikingLinear(1, 400, bias=False)
    with torch.no_grad():
        layer.weight.fill_(0.95)
    noisy = NoisyNetwork(torch.nn.Sequential(layer), table, causes=("systematic", "event"))
    found = torch.isfinite(noisy(torch.ones(50, 1)))
    share = float(found.float().mean())
    assert abs(share - 0.2) < 5 * np.sqrt(0.2 * 0.8 / found.numel())


@pytest.mark.parametrize("kind", ["linear", "convolution"])
def test_closest_approach_is_that_of_the_trajectory(kind):
    """At 300 moments against the exact membrane: within largest current x half a step, and never above."""
    torch.manual_seed(8)
    if kind == "linear":
        layer, z = SpikingLinear(12, 30, dtype=torch.float64), torch.exp(3 * torch.rand(9, 12, dtype=torch.float64))
    else:  # one position that sees the whole image: the same sums
        layer = SpikingConv2d(3, 30, 2, dtype=torch.float64)
        z = torch.exp(3 * torch.rand(9, 3, 2, 2, dtype=torch.float64))
    with torch.no_grad():
        layer.weight.normal_(0.03, 0.25)
        layer.bias.normal_(0.0, 0.1)
        fired = layer(z).flatten(1)
    highest, _ = closest(layer, z, [4.7 * (k + 1) / 300 for k in range(300)])
    times = torch.cat([z.flatten(1).log(), torch.zeros(9, 1)], dim=1).numpy()
    weights = torch.cat([layer.weight.flatten(1), layer.bias[:, None]], dim=1).detach().numpy()
    compared = 0
    for j in range(30):
        point = operate(times, np.tile(weights[j], (9, 1)), 4.7)
        silent = ~point.fired & ~np.isfinite(fired[:, j].numpy())
        lacking = (point.highest - highest.flatten(1)[:, j].numpy())[silent]
        assert np.all(lacking < point.peak_current[silent] * 4.7 / 300 + 1e-9)
        assert np.all(lacking > -1e-6)
        compared += silent.sum()
    assert compared > 50


def test_two_chips_at_once_are_the_two_one_after_the_other():
    torch.manual_seed(7)
    table = planted_table(layers=2, event=0.05, chip=0.05, false=0.1)
    network = torch.nn.Sequential(SpikingLinear(30, 20, bias=False), SpikingLinear(20, 6, bias=False))
    z = torch.exp(2 * torch.rand(8, 30))
    even = [torch.rand(3, 8, 20), torch.rand(3, 8, 6)]
    model = NoisyNetwork(network, table, outside="nearest")
    model.new_chips(1, [4, 9, 2])
    model.draws = lambda k, shape: even[k].view(shape)
    together = model(z)
    for place, chip in enumerate((4, 9, 2)):
        model.new_chip(1, chip)
        model.draws = lambda k, shape, place=place: even[k][place].view(shape)
        torch.testing.assert_close(model(z), together[8 * place : 8 * place + 8], rtol=0, atol=0)


def test_the_planted_table_is_a_table(table):
    assert len(NoiseTable.load(table).layers) == 3
    MappedNetwork.from_dict(NoiseTable.load(table).provenance["network"])
