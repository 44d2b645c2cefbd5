"""Training within the scales of a mapped network, and mapping and calibrating what came out, by one command."""

import json

import numpy as np
import pytest
import torch

from neurocircuit.network import limits
from neurocircuit.network.limits import Choice, Recorded
from neurocircuit.noise import NoiseTable
from neurocircuit.snn import unroll
from neurocircuit.snn.hardware.margins import Margins
from neurocircuit.snn.layers import SpikingLinear
from neurocircuit.snn.training.run import FINAL
from neurocircuit.spec import MappedNetwork
from tests.command_line import call
from tests.noise.tables import planted_table
from tests.snn.training.test_train import DIGITS, trainer

pytest.importorskip("sklearn")


@pytest.mark.parametrize("use", [0.9, 0.8])
def test_margins_of_a_mapping_are_the_shares_of_its_limits(use):
    """A layer that works at its margins uses the share of XOR range and wrap that `map` used, as `map` reckons them."""
    mapped = MappedNetwork.from_dict(planted_table(layers=3).provenance["network"])
    guarded = mapped.replace(use=use, layers=tuple(own.replace(ripple_guard_rad=0.05) for own in mapped.layers))
    currents, depths = limits.held(guarded)
    for own, current, depth in zip(guarded.layers, currents, depths, strict=True):
        at = Recorded(np.array([current]), np.array([depth]))
        found = limits.limits_of(own, guarded.neuron, at, Choice())
        assert [limit.value / limit.bound for limit in found[:2]] == pytest.approx([use, use])
    counter = guarded.replace(neuron=guarded.neuron.replace(comparator="phase_counter"))
    assert limits.held(counter)[1] == [np.inf] * 3


def test_training_keeps_to_the_share_of_the_limits_that_was_mapped_with(tmp_path):
    """Margins of a network mapped with `use` 0.8 are 0.8/0.9 of those at 0.9 in current, and tighter in depth."""
    margins = {}
    for use in (0.9, 0.8):
        table, path = planted_table(layers=3, use=use), tmp_path / f"{use}.nc"
        table.save(path)
        begun = trainer(tmp_path / f"{use}", f'hardware.noise="{path}"', "loss.margin=1.0")
        margins[use] = begun._margins
    for wide, tight in zip(margins[0.9].largest_current, margins[0.8].largest_current, strict=True):
        assert tight == pytest.approx(wide * 0.8 / 0.9)
    mapped = MappedNetwork.from_dict(table.provenance["network"])
    for wide, tight, layer in zip(margins[0.9].largest_depth, margins[0.8].largest_depth, mapped.layers, strict=True):
        assert tight < wide
        assert wide - tight == pytest.approx(0.1 * np.pi / layer.lead_rad)


def test_each_layer_has_margins_of_its_own():
    torch.manual_seed(0)
    network = torch.nn.Sequential(SpikingLinear(20, 8), SpikingLinear(8, 4))
    with torch.no_grad():
        for layer in network:
            layer.weight.mul_(10)
    z = torch.exp(2 * torch.rand(8, 20))
    terms = []
    for currents in ([1e9, 1e9], [0.1, 1e9], [1e9, 0.1], [0.1, 0.1]):
        margins = Margins(network, currents, [1e9, 1e9], 4.0)
        network(z)
        terms.append(float(margins.term(torch.Generator().manual_seed(1)).detach()))
    assert terms[0] == 0.0
    assert min(terms[1:3]) > 0
    assert terms[3] == pytest.approx(terms[1] + terms[2])


def test_train_and_recalibrate_leave_a_network_and_its_own_table(tmp_path):
    trainer(tmp_path / "start", "epochs=2").run()
    before = planted_table(layers=3, event=0.05, chip=0.02, false=0.1)
    before.save(tmp_path / "table.nc")
    done = call(
        "train",
        DIGITS,
        "--out",
        tmp_path / "run",
        "--noise",
        tmp_path / "table.nc",
        "--bits",
        4,
        "--initial",
        tmp_path / "start" / FINAL,
        "--recalibrate",
        3,
        "--threads",
        1,
        "--set",
        "epochs=1",
        "--set",
        "outside=nearest",
        "--set",
        "margin=1",
        "--json",
    )
    assert done.returncode == 0, done.stderr
    values = json.loads(done.stdout)
    mapped, unrolled = unroll.load_mapped(tmp_path / "run" / "network.toml")
    own = MappedNetwork.from_dict(before.provenance["network"])
    assert mapped.neuron == own.neuron.replace(window_s=mapped.neuron.window_s)
    assert mapped.neuron.window_over_tau == pytest.approx(own.neuron.window_over_tau)
    assert [now for now, _ in values["lead_rad_and_before"]] == [one.lead_rad for one in mapped.layers]
    for one, layer in zip(mapped.layers, unrolled.physical.layers, strict=True):
        assert one.weight_bank.excitatory.max_weight >= layer.kernel.max()
    NoiseTable.load(tmp_path / "run" / "table.nc").check_network(mapped, "network.toml")
    assert values["limits_met"] is True
    run = json.loads((tmp_path / "run" / "run.json").read_text())
    assert len(run["noise_sha256"]) == len(run["initial_sha256"]) == 64
    assert run["share_outside_noise_table"] == 0.0


def test_recalibrating_nothing_is_refused():
    done = call("train", DIGITS, "--recalibrate", 3)
    assert done.returncode == 2
    assert "--recalibrate needs the noise table of a mapped network" in done.stderr
