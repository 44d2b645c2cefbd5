"""Accuracy against causes of a noise table, on a tiny network of digits; what a scaled table says."""

from pathlib import Path

import numpy as np
import pytest

import neurocircuit as nc
from neurocircuit.errors import InputError
from tests.test_obvious_way import SMALL

pytest.importorskip("sklearn")
pytest.importorskip("torch")


@pytest.fixture(scope="module")
def mapped(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder of a mapped network, its weights and its noise table."""
    folder = tmp_path_factory.mktemp("mapped")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        nc.snn.train("digits", settings=SMALL, out="start").save("weights.pt")
        train = nc.data.digits("train")
        net = nc.map(nc.snn.load("weights.pt"), nc.NeuronSpec(), images=train[:10])
        net.save("network.toml")
        nc.calibrate(net, images=train[:3], chips=4, points=40).save(Path("table.nc"))
    return folder


def test_the_tables_own_factors_are_the_tables_own_accuracy(mapped: Path) -> None:
    from neurocircuit.explore.network import OnChips

    opened = OnChips.open(mapped / "weights.pt", mapped / "table.nc", images=30, chips=2)
    own = nc.evaluate(opened.model, opened.images, noise=opened.table, chips=2, tables=0)
    shown = opened.accuracy({"event": 1.0})
    assert (shown.accuracy, shown.low, shown.high) == (own.accuracy, own.accuracy_low, own.accuracy_high)


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
    whole = network.evaluate
    monkeypatch.setattr(network, "evaluate", lambda *a, **k: calls.append(k) or whole(*a, **k))
    monkeypatch.setattr(network, "ALONG", (0.0, 1.0))
    opened = network.OnChips.open(mapped / "weights.pt", mapped / "table.nc", images=10, chips=1)
    points = list(opened.against("event", "neuron"))
    assert [(along, beside) for along, beside, _ in points[:2]] == [(0.0, 1.0), (1.0, 1.0)]
    assert len(points) == len(calls) == 6
    assert next(opened.against("neuron", "event"))[2] is opened.accuracy({"neuron": 0.0})
    list(opened.against("event", "neuron"))
    assert len(calls) == 6


@pytest.mark.parametrize(("pair", "names"), [(("event", "event"), "differ"), (("gravity", "event"), "systematic")])
def test_quantities_are_two_causes_of_the_table(mapped: Path, pair: tuple[str, str], names: str) -> None:
    from neurocircuit.explore.network import OnChips

    opened = OnChips.open(mapped / "weights.pt", mapped / "table.nc", images=2, chips=1)
    with pytest.raises(InputError, match=names):
        next(opened.against(*pair))


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
    assert subject.weights == mapped / "weights.pt"
    assert subject.noise == mapped / "table.nc"
    assert subject.file == Path("circuit.toml")
    assert Subject.open(noise=mapped / "table.nc").weights == mapped / "weights.pt"
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
    assert (subject.spec.tau_s, subject.testbench.name, subject.noise) == (21e-9, "own", None)
