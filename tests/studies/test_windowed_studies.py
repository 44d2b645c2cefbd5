"""Studies of circuits with a small windowed network: its own T as a parameter, corners, circuit quantities."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner

from neurocircuit.errors import InputError
from neurocircuit.network import mapping as mappings
from neurocircuit.network.calibrate import fit_table
from neurocircuit.network.limits import Choice
from neurocircuit.network.run import Circuit, EncodedImages, decide, spikes_of
from neurocircuit.network.windowed import WindowedNetwork
from neurocircuit.results.codesign import Evaluated
from neurocircuit.spec import NeuronSpec
from neurocircuit.spec.variation import EMBEDDED
from neurocircuit.studies import inference
from neurocircuit.studies.pvt import conditions
from neurocircuit.studies.pvt import run as pvt
from tests.studies.codesign.conftest import small_retraining, small_study
from tests.studies.pvt.test_pvt import spec, write

torch = pytest.importorskip("torch")
pytest.importorskip("optuna")
pytest.importorskip("sklearn")

FINETUNE = Path(__file__).parents[2] / "training/mnist_windowed_finetune.toml"
PARAMETERS = """
cycles_per_tau = { low = 14.0, high = 40.0 }
readout_window = { low = 0.25, high = 1.0, scale = "log" }

[conversion]
images = 50
"""
SETTINGS = ["data.name=digits", "data.held_out=1097", "hardware.full_scale=layer"]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """relu.pt: a ReLU network of digits, random weights; ramp.pt: it at T = 0.5."""
    import neurocircuit as nc
    from neurocircuit.snn.data.spec import DataSpec
    from neurocircuit.snn.encode import Encoding
    from neurocircuit.snn.model import Model
    from neurocircuit.snn.models import NetworkSpec
    from neurocircuit.snn.recipe import Subject

    folder = tmp_path_factory.mktemp("windowed")
    subject = Subject(
        name="tiny",
        data=DataSpec(name="digits", held_out=200),
        encoding=Encoding(kind="linear", alpha=0.5),
        network=NetworkSpec(name="relu_compact", widths=(4, 6, 6)),
    )
    from neurocircuit.snn import checkpoint

    network = checkpoint.new_network(subject, torch.Generator().manual_seed(3)).eval()
    model = Model(subject, network).save(folder / "relu.pt")
    ramp = nc.snn.convert(model, model.images("train").first(50), quantile=0.9999)
    ramp.save(folder / "ramp.pt")
    studies = {name: small_study(f"{name}.pt", PARAMETERS, few=3, trials=3, designs=1) for name in ("relu", "ramp")}
    (folder / "relu.toml").write_text(studies["relu"] + small_retraining(FINETUNE, SETTINGS, few=3))
    (folder / "ramp.toml").write_text(studies["ramp"])
    return folder


def problem_of(path: Path) -> Any:
    from neurocircuit.studies.codesign.study import StudySpec, files_of
    from neurocircuit.studies.codesign.trial import Problem

    study = StudySpec.from_toml(path)
    return Problem.load(study, files_of(path, study), None)


@pytest.fixture(scope="module")
def problem(folder: Path) -> Any:
    return problem_of(folder / "ramp.toml")


def test_the_network_of_a_design_is_the_one_converted_at_its_window(folder: Path, problem: Any) -> None:
    import neurocircuit as nc

    model = nc.snn.load(folder / "relu.pt")
    images = model.images("train").first(50)
    for source in (problem, problem_of(folder / "relu.toml")):
        for T in (0.25, 1.0):
            at = source.at({"readout_window": T})
            converted = nc.snn.convert(model, images, window=T, quantile=0.9999)
            converted.fit_readout(problem.pixels)
            assert at.windowed.graph == converted.graph
            assert at.subject.encoding.alpha == T
            pixels = torch.from_numpy(np.random.default_rng(1).random((4, 1, 8, 8)))
            assert torch.equal(at.windowed(pixels.float()), converted(pixels.float()))
    assert problem.base_values["readout_window"] == 0.5


def test_a_slope_of_its_own_rises_as_far_at_another_window(problem: Any) -> None:
    graph = problem.windowed.graph
    steep = graph.replace(
        nodes=tuple(node.replace(slope=3.0) if node.kind == "layer" else node for node in graph.nodes)
    )
    assert {layer.slope for layer in steep.with_windows(0.25).layers} == {6.0}
    assert {layer.slope for layer in graph.with_windows(0.25).layers} == {None}


def mapped(problem: Any, images: int = 3) -> Circuit:
    from neurocircuit.studies.codesign.design import design_of

    design = design_of(problem.base, problem.variation, problem.power, {})
    return Circuit.of(problem.mapping(design, problem.images("train", images)).mapped, problem.physical)


def test_network_as_built_gives_the_circuits_ideal_times(problem: Any) -> None:
    """The torch network with the banks' weights against eq. (4), neuron by neuron; the bias bank rounds to 8 bit."""
    from neurocircuit.snn.trace import trace

    circuit, images = mapped(problem), problem.images("train", 3)
    built = inference.as_built(problem.network, circuit)
    times = trace(built, images.z).t_over_tau
    worst = []
    for number, spikes in enumerate(images.spikes):
        for layer, point, t in zip(circuit.layers, circuit.ideal(spikes), times, strict=True):
            torch_times = t[number].double().numpy() - layer.origin_over_tau
            inside = point.fired & (torch_times < layer.closes_over_tau - layer.origin_over_tau - 0.05)
            worst.append(np.abs(torch_times[inside] - point.at[inside]).max(initial=0.0))
    assert max(worst) < 0.02


def test_both_ways_count_the_same_times(problem: Any) -> None:
    """Energy and latency of a table and of the circuit agree as far as a network at chance has them."""
    circuit, images = mapped(problem), problem.images("train", 6)
    table, _, _ = fit_table(circuit, images.spikes[:3], chip_count=6, points_per_layer=40)
    labels = torch.from_numpy(images.labels)
    by_table = inference.under_table(circuit, problem.network, table, images.z, labels, chips=range(2), seed=1)
    at_edge = inference.on_circuit(circuit, images.spikes, images.labels, range(2), "edge", 1)
    assert by_table.on.on.mean() == pytest.approx(at_edge.on.on.mean(), rel=0.1)
    assert by_table.on.ramp.mean() == pytest.approx(at_edge.on.ramp.mean(), rel=0.1)
    assert by_table.on.spikes.mean() == pytest.approx(at_edge.on.spikes.mean(), rel=0.15)
    assert by_table.on.latency.mean() == pytest.approx(at_edge.on.latency.mean(), abs=0.15)


def test_a_longer_window_costs_latency_and_energy_in_proportion(problem: Any) -> None:
    from neurocircuit.studies.codesign.trial import Evaluator

    evaluate, fidelity = Evaluator(problem), problem.study.fidelities[0]
    short, long = (evaluate({"readout_window": T}, fidelity) for T in (0.4, 0.8))
    assert isinstance(short.details, Evaluated)
    layers = len(problem.physical.layers)
    for outcome, T in ((short, 0.4), (long, 0.8)):
        assert layers * T <= outcome.details.latency_over_tau <= (layers + 1) * T
    # Spikes fall at the same shares of a window; the lock before it takes as long for any.
    assert long.details.energy_J / short.details.energy_J == pytest.approx(2.0, rel=0.15)
    assert long.details.lines.lock_J == pytest.approx(short.details.lines.lock_J, rel=1e-12)
    again = Evaluator(problem)({"readout_window": 0.4}, fidelity)
    assert (again.accuracy, again.energy, again.latency) == (short.accuracy, short.energy, short.latency)


def test_a_network_with_branches_is_a_design_too(folder: Path) -> None:
    """Sums and concatenations over several windows, by the noise table and at edge; latency follows T."""
    import neurocircuit as nc
    from neurocircuit.studies.codesign.trial import Evaluator
    from tests.snn.conversion.networks import LongBranches, settle

    images, generator = nc.data.digits("train", held_out=200)[:50], torch.Generator().manual_seed(1)
    torch.manual_seed(1)
    module = LongBranches(np.random.default_rng(1), channels=1, classes=10)
    settle(module, torch.from_numpy(images.pixels).float() / 255, generator)
    nc.snn.convert(module.float(), images, quantile=0.9999).save(folder / "branches.pt")
    (folder / "branches.toml").write_text((folder / "ramp.toml").read_text().replace("ramp.pt", "branches.pt"))
    problem = problem_of(folder / "branches.toml")
    evaluate, windows_deep = Evaluator(problem), len({layer.closes_over_tau for layer in problem.physical.layers})
    for T, fidelity in ((0.4, problem.study.fidelities[0]), (0.8, problem.study.fidelities[1])):
        details = evaluate({"readout_window": T}, fidelity).details
        assert isinstance(details, Evaluated)
        assert windows_deep * T - 1e-9 <= details.latency_over_tau <= (windows_deep + 1) * T


def test_parameters_of_the_other_kind_are_refused(folder: Path) -> None:
    path = folder / "wrong.toml"
    text = (folder / "ramp.toml").read_text()
    path.write_text(
        text.replace("readout_window = { low = 0.25", "window = { low = 1.25").replace("high = 1.0,", "high = 2.0,")
    )
    with pytest.raises(InputError, match="window is for free networks"):
        problem_of(path)


def test_a_study_ends_with_networks_of_its_windows_that_are_read_back(folder: Path, tmp_path: Path) -> None:
    from neurocircuit.cli.study.codesign import command
    from neurocircuit.snn.unroll import load_mapped

    result = CliRunner().invoke(
        command, [str(folder / "relu.toml"), "--out", str(tmp_path), "--json"], catch_exceptions=False
    )
    numbers = json.loads(result.stdout)
    assert numbers["base"]["readout_window"] == 0.5
    for design in numbers["recommended"].values():
        network, unrolled = load_mapped(tmp_path / design["folder"] / "network.toml")
        T = design["values"]["readout_window"]
        assert isinstance(unrolled.physical, WindowedNetwork)
        assert unrolled.physical.graph.window_over_tau == T
        window = network.layers[0].readout_window
        assert window is not None
        assert window.length_s == pytest.approx(T * network.neuron.tau_s)
        assert design["verification"]["retrained"]["steps"] == 3  # 300 images are left, 100 a step
    assert "readout window" in (tmp_path / "report.md").read_text()


def test_circuit_curves_map_a_windowed_network_as_map_does(folder: Path) -> None:
    from neurocircuit.snn import unroll
    from neurocircuit.studies.circuit_curves import run as curves
    from neurocircuit.studies.circuit_curves.quantities import Setting

    path = folder / "ramp.pt"
    images = unroll.load(path).images("train", None, 4)
    network = curves.Network("clean", 1, path, images)
    by_map = mappings.build(
        network.physical,
        NeuronSpec(),
        EMBEDDED,
        images,
        Choice(),
        name="clean-1",
        checkpoint=path.name,
        checkpoint_sha256=network.sha256,
    )
    setting = Setting(NeuronSpec(), EMBEDDED)
    by_study, broken = network.mapped(setting)
    assert by_study == by_map.mapped
    assert bool(broken) == (not by_map.met)
    outcome = curves.Task(network, curves.Point("c", None, None, setting), (0,), images.first(2), "edge", 1).run()
    assert isinstance(outcome, curves.Replayed)
    last = network.physical.layers[-1]
    assert last.origin_over_tau <= outcome.latency_over_tau <= last.closes_over_tau
    assert outcome.software is not None


def test_circuit_curves_compare_windows_by_noise_tables(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Labels are what eq. (4) decides: all right in torch, most under the circuit's noise; each net at its own T."""
    import neurocircuit as nc
    from neurocircuit.snn import unroll
    from neurocircuit.studies.circuit_curves import run as curves
    from neurocircuit.studies.circuit_curves.quantities import Setting
    from neurocircuit.studies.circuit_curves.study import circuit_curves

    for name, count in {"images": 12, "chips": 6, "points": 40}.items():
        monkeypatch.setitem(curves.TABLE, name, count)
    model = nc.snn.load(folder / "relu.pt")
    nc.snn.convert(model, model.images("train").first(50), window=1.0, quantile=0.9999).save(tmp_path / "slow.pt")
    files = {"T = 0.5": folder / "ramp.pt", "T = 1": tmp_path / "slow.pt"}
    for group, path in files.items():
        unrolled = unroll.load(path)
        network = curves.Network(group, 1, path, unrolled.images("train", None, 12))
        spikes = unrolled.images("train", None, 40).spikes
        circuit = network._within_window
        decisions = np.array([decide(spikes_of(circuit.ideal(image, exact_weights=True)[-1])) for image in spikes])
        images = EncodedImages(spikes, decisions)
        assert network.software(images, "table").sum() == (decisions >= 0).sum() > 30
        assert not network.software(EncodedImages(spikes, (decisions + 1) % 10), "table").any()
        point = curves.Point("c", None, None, Setting(NeuronSpec(), EMBEDDED))
        for labels, is_right in ((decisions, True), ((decisions + 1) % 10, False)):
            outcome = curves.Task(network, point, (0, 1), EncodedImages(spikes, labels), "edge", 1, "table").run()
            assert isinstance(outcome, curves.Replayed)
            assert (np.mean(outcome.right) > 0.8) == is_right
            assert np.shape(outcome.right) == (2, 40)
    result = circuit_curves(
        beside=list(files.items()),
        out=tmp_path / "out",
        quantity={"phase_noise": [3e5]},
        split="train",
        images=6,
        map_images=12,
        chips=2,
        method="table",
    )
    assert [row.group for row in result.rows] == 2 * list(files)
    assert result.gains == ()
    result.save(tmp_path / "out")
    nc.report(tmp_path / "out")
    assert "T = 0.5" in (tmp_path / "out" / "report.md").read_text()


def test_a_network_on_another_clock_hears_the_same_spikes(problem: Any) -> None:
    """Received times are those of the first clock times the factor, whatever neurons answer: here the latest input."""
    images = problem.images("train", 2)
    network, factor = problem.physical, 1.7

    def heard(physical: WindowedNetwork, spikes: Any, scale: float) -> list[Any]:
        received: list[Any] = []

        def step(k: int, times: Any) -> tuple[None, Any]:
            received.append(times)
            layer = physical.layers[k]
            answers = np.random.default_rng(k).random(layer.neurons)
            return None, scale * np.where(answers < 0.7, 0.4 + 0.5 * answers, np.inf)

        physical.propagate(spikes, step)
        return received

    first = heard(network, images.spikes[0], 1.0)
    other = heard(network.with_clock(factor), factor * images.spikes[0], factor)
    for before, after in zip(first, other, strict=True):
        np.testing.assert_allclose(after, factor * before, rtol=1e-12, atol=1e-12)
    for before, after in zip(network.layers, network.with_clock(factor).layers, strict=True):
        assert after.closes_over_tau == pytest.approx(factor * before.closes_over_tau)
        assert after.readout_window(1e-8 / factor).length_s == pytest.approx(before.readout_window(1e-8).length_s)


def test_a_slower_corner_mapped_there_decides_alike_and_one_whose_windows_stay_does_not(
    problem: Any, tmp_path: Path
) -> None:
    """All times of a neuron twice as long: windows that follow change nothing; those that stay are half as long."""
    circuit, images = mapped(problem), problem.images("train", 6)
    nominal = NeuronSpec()
    slow = spec(
        "ss",
        tau_s=2 * nominal.tau_s,
        f0_Hz=nominal.f0_Hz / 2,
        loop_filter_rad_per_s=nominal.loop_filter_rad_per_s / 2,
        vco4_swing_Hz=nominal.vco4_swing_Hz / 2,
        spike_width_s=2 * nominal.spike_width_s,
        output_delay_s=2 * nominal.output_delay_s,
    )
    at_nominal, all_conditions = conditions.read(write(tmp_path, spec("tt"), slow))
    rows = pvt.run(
        circuit.mapped,
        problem.physical,
        at_nominal,
        all_conditions,
        images.spikes[:3],
        images.spikes,
        images.labels,
        chips=1,
        level="averaged",
        seed=1,
        weights=1000,
    )
    there, stays = rows[3], rows[4]
    assert (there.label.split(",")[0], there.trim, stays.trim) == ("ss", "mapped", "again")
    assert not isinstance(there, pvt.FailedRow)
    assert not isinstance(stays, pvt.FailedRow)
    assert not isinstance(rows[0], pvt.FailedRow)
    assert there.spikes == pytest.approx(rows[0].spikes, rel=0.01)  # scales are rounded to three digits
    assert there.latency_s == pytest.approx(2 * rows[0].latency_s, rel=0.01)
    assert abs(stays.spikes / rows[0].spikes - 1.0) > 0.1
