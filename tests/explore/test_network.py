"""Accuracy against causes of a noise table, on a tiny network of digits; what a scaled table says."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

import neurocircuit as nc
from neurocircuit.errors import InputError
from neurocircuit.rendering.text import interval

pytest.importorskip("sklearn")
pytest.importorskip("torch")


def test_the_tables_own_factors_are_the_tables_own_accuracy(mapped: Path) -> None:
    from neurocircuit.explore.network import OnChips

    opened = OnChips.open(mapped / "weights.pt", mapped / "table.nc", images=30, chips=2)
    own = nc.evaluate(opened.model, opened.images, noise=opened.table, chips=2, tables=0)
    shown = opened.accuracy({"event": 1.0})
    assert shown.interval == own.interval
    assert shown.change == (0.0, 0.0, 0.0)
    assert opened.software == own.accuracy_software
    assert f"has {interval(own.interval, 1)} of 30 test images of digits" in opened.sentence()


def test_a_change_is_of_the_same_images_on_the_same_chips(mapped: Path) -> None:
    """Its mean is the difference of the accuracies; its interval is shorter than that of unpaired runs."""
    from neurocircuit.explore.network import OnChips

    opened = OnChips.open(mapped / "weights.pt", mapped / "table.nc", images=60, chips=2)
    own, other = opened.accuracy({}), opened.accuracy({"event": 3.0})
    change, low, high = other.change
    assert change == pytest.approx(other.interval[0] - own.interval[0])
    assert low <= change <= high
    spreads = [at.interval[2] - at.interval[1] for at in (own, other)]
    assert high - low < np.hypot(*spreads)


def test_chips_without_causes_of_their_own_spike_alike_and_louder_ones_apart(mapped: Path) -> None:
    """Spikes of an inference by chip: equal where nothing differs between chips and events."""
    model, images = nc.snn.load(mapped / "weights.pt"), nc.data.digits("test")[:20]
    table = nc.NoiseTable.load(mapped / "table.nc")

    def spikes(factor: float, chips: int) -> float:
        scaled = table.scaled(dict.fromkeys(("die", "neuron", "synapse", "event"), factor))
        return nc.evaluate(model, images, noise=scaled, chips=chips, tables=0).spikes

    assert spikes(0.0, 1) == pytest.approx(spikes(0.0, 3), rel=1e-12)
    assert spikes(3.0, 1) != pytest.approx(spikes(3.0, 3), rel=1e-4)


def test_each_point_is_computed_once(mapped: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from neurocircuit.explore import network

    calls = []
    whole = network.evaluate_on_chips
    monkeypatch.setattr(network, "evaluate_on_chips", lambda *a, **k: calls.append(k) or whole(*a, **k))
    opened = network.OnChips.open(mapped / "weights.pt", mapped / "table.nc", images=10, chips=1)
    along, beside = (0.0, 1.0), (0.0, 1.0, 2.0)
    points = list(opened.against("event", "neuron", along, beside))
    assert [(first, second) for first, second, _ in points[:3]] == [(1.0, 1.0), (0.0, 1.0), (1.0, 0.0)]
    assert len(points) == len(calls) == 6
    list(opened.against("neuron", "event", beside, along))
    assert len(calls) == 6


def test_two_tabs_that_ask_at_once_get_what_one_gets(mapped: Path) -> None:
    """Weights are rounded in place while a network is on chips: two calls must not meet."""
    from neurocircuit.explore.network import OnChips

    def opened() -> OnChips:
        return OnChips.open(mapped / "weights.pt", mapped / "table.nc", images=20, chips=2)

    factors = [{"event": factor} for factor in (0.0, 1.0, 2.0, 3.0)]
    alone, shared = opened(), opened()
    with ThreadPoolExecutor(4) as pool:
        together = [at.interval for at in pool.map(shared.accuracy, factors)]
    assert together == [alone.accuracy(each).interval for each in factors]
    assert opened().accuracy({}).interval == alone.accuracy({}).interval


@pytest.mark.parametrize(("pair", "names"), [(("event", "event"), "differ"), (("gravity", "event"), "systematic")])
def test_quantities_are_two_causes_of_the_table(mapped: Path, pair: tuple[str, str], names: str) -> None:
    from neurocircuit.explore.network import OnChips

    opened = OnChips.open(mapped / "weights.pt", mapped / "table.nc", images=2, chips=1)
    with pytest.raises(InputError, match=names):
        next(opened.against(*pair, (1.0,), (1.0,)))


def test_a_scaled_table_has_the_cause_so_many_times_as_large(mapped: Path) -> None:
    table = nc.NoiseTable.load(mapped / "table.nc")
    louder = table.scaled({"event": 2.0, "die": 0.5, "systematic": 3.0})
    for before, after in zip(table.layers, louder.layers, strict=True):
        np.testing.assert_allclose(after.rest_quantiles, 2.0 * before.rest_quantiles)
        np.testing.assert_allclose(after.kappa, before.kappa * [0.5, 1.0, 1.0])
        np.testing.assert_allclose(after.first_passage.bias, 3.0 * before.first_passage.bias)
        np.testing.assert_allclose(after.first_passage.kappa, before.first_passage.kappa * [0.5, 1.0, 1.0])
        np.testing.assert_array_equal(after.false_fire, before.false_fire)
    assert table.scaled({}).dataset.attrs["content_sha256"] == table.dataset.attrs["content_sha256"]
    with pytest.raises(InputError, match="factor of event must be >= 0, got -1"):
        table.scaled({"event": -1.0})


def test_a_folder_gives_circuit_weights_and_table(mapped: Path, tmp_path: Path) -> None:
    from neurocircuit.explore.subject import Subject

    subject = Subject.open(mapped)
    (network,) = subject.networks
    assert (network.weights, network.noise) == (mapped / "weights.pt", mapped / "table.nc")
    assert subject.file == Path("circuit.toml")
    assert Subject.open(noise=mapped / "table.nc").networks == (network,)
    with pytest.raises(InputError, match="--noise must stand beside --weights"):
        Subject.open(weights=mapped / "weights.pt")
    with pytest.raises(InputError, match="must hold one of request"):
        Subject.open(tmp_path)
    file = tmp_path / "mine.toml"
    file.write_text(nc.NeuronSpec(name="mine").to_toml())
    assert (Subject.open(file).spec.name, Subject.open(file).file) == ("mine", file)


def test_a_sweeps_folder_gives_its_circuit_and_its_testbench(tmp_path: Path) -> None:
    import json

    from neurocircuit.explore.subject import Subject
    from neurocircuit.studies.sweep import library

    bench = library.load_testbench("paper").replace(name="own", input_times_over_tau=(0.3, 0.3))
    request = {"spec": nc.NeuronSpec(tau_s=21e-9).to_dict(), "testbench": bench.to_dict()}
    (tmp_path / "request.json").write_text(json.dumps(request))
    subject = Subject.open(tmp_path)
    assert (subject.spec.tau_s, subject.testbench.name, subject.networks) == (21e-9, "own", ())
