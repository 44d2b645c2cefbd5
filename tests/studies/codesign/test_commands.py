"""neurocircuit codesign and pvt on a tiny network: files, resume, one-line errors with exit code 2."""

import json

import pytest
from click.testing import CliRunner

from neurocircuit.cli.study.codesign import command as codesign
from neurocircuit.cli.study.pvt import command as pvt
from neurocircuit.core.files import file_sha256
from neurocircuit.errors import InputError, NeurocircuitError, SpecError, TimeUp
from neurocircuit.noise import NoiseTable
from neurocircuit.spec import MappedNetwork, NeuronSpec, Variation
from tests.pictures import assert_drawn
from tests.studies.pvt.test_pvt import spec, write


def invoke(command, *arguments):
    return CliRunner().invoke(command, [str(one) for one in arguments], catch_exceptions=False, standalone_mode=False)


@pytest.fixture(scope="module")
def finished(study_path, tmp_path_factory):
    out = tmp_path_factory.mktemp("codesign") / "study"
    result = invoke(codesign, study_path, "--out", out, "--json")
    return out, json.loads(result.stdout)


def test_study_ends_with_report_and_designs(finished):
    out, numbers = finished
    coarse, fine = (one["trials"] for one in numbers["fidelities"])
    sources = {row["source"] for row in fine}
    assert len(coarse) == 4
    assert len(fine) == len(sources) == len({"trial 0"} | sources)  # the base circuit is among them
    assert 2 <= len(fine) <= 3  # or beside the two
    assert set(numbers["recommended"]) == {"accuracy", "energy", "balanced"}
    html = (out / "report.html").read_text()
    assert "http" not in html.split("</head>")[1].replace("http://www.w3.org", "")  # offline
    for name in ("front", "values"):
        assert_drawn(out / "figures" / f"{name}.svg")
    assert len((out / "trials.csv").read_text().splitlines()) == 1 + 4 + len(fine)


def test_recommended_files_are_read_back_and_hold_the_design(finished):
    out, numbers = finished
    for role, one in numbers["recommended"].items():
        folder = out / "designs" / role
        network = MappedNetwork.from_toml(folder / "network.toml")
        circuit = NeuronSpec.from_toml(folder / "circuit.toml")
        assert Variation.from_toml(folder / "variation.toml") == network.variation
        assert network.checkpoint_path(folder / "network.toml").is_file()
        assert circuit.cycles_per_tau == pytest.approx(one["values"]["cycles_per_tau"])
        assert network.layers[0].weight_bank.excitatory.bits == one["values"]["weight_bits"]
        assert network.neuron.window_s == circuit.window_s


def test_recommended_designs_are_retrained_under_their_own_noise(finished, weights):
    """Other weights, mapped on the same circuit, trained by a table of that circuit, run on the same images."""
    out, numbers = finished
    for role, one in numbers["recommended"].items():
        found = one["verification"]["retrained"]
        assert (found["images"], found["chips"], found["steps"]) == (2, 1, 17)  # 340 images left, 20 a step
        folder = out / one["folder"] / "retrained"
        if not folder.exists():  # a role that shares another one's design
            assert sum(other["trial"] == one["trial"] for other in numbers["recommended"].values()) > 1
            continue
        network = MappedNetwork.from_toml(folder / "network.toml")
        before = MappedNetwork.from_toml(folder.parent / "network.toml")
        assert network.neuron.replace(window_s=before.neuron.window_s) == before.neuron  # the map chose the window
        assert network.checkpoint_sha256 == file_sha256(folder / "weights.pt") != file_sha256(weights)
        table = NoiseTable.load(folder / "before.nc")
        trained_by = NeuronSpec.from_dict(table.provenance["network"]["neuron"])
        assert trained_by.tau_s == pytest.approx(before.neuron.tau_s), role
    assert "Retrained at their own circuit" in (out / "report.md").read_text()


def test_finished_study_is_not_evaluated_again(finished, study_path):
    out, numbers = finished
    again = json.loads(invoke(codesign, study_path, "--out", out, "--json").stdout)
    assert again["fidelities"] == numbers["fidelities"]
    assert again["recommended"] == numbers["recommended"]


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("cycles_per_tau =", "cycles_per_taus =", r"StudySpec\.parameters\.cycles_per_taus is not a known field"),
        ("low = 8.0", "low = 80.0", r"cycles_per_tau\.high must be > low = 80, got 20"),
        ("high = 5 }", "high = 50 }", r"weight_bits\.high must be within 1 … 16, got 50"),
        ('"6 uA"', '"6 uV"', r"bias\.low must carry the unit A"),
        ("low = 8.0, ", "", r"parameters\.cycles_per_tau\.low is missing"),
        ('["accuracy", "energy", "latency"]', '["energy", "latency"]', "objectives must differ and hold accuracy"),
        ("designs = 2", "", r"fidelities\[1\] must have designs"),
        ('method = "table"', 'method = "tables"', r"fidelities\[0\]\.method must be 'table' or 'circuit'"),
        ('sampler = "x"', "", ""),
    ],
)
def test_wrong_study_files_are_one_line(study_text, weights, old, new, message):
    if old not in study_text:
        study_text, new, old, message = "sampler = 'x'\n" + study_text, "", "\0", "sampler must be 'tpe' or 'nsga2'"
    path = weights.parent / "wrong.toml"
    path.write_text(study_text.replace(old, new, 1))
    with pytest.raises(SpecError, match=message) as caught:
        invoke(codesign, path, "--out", weights.parent / "wrong")
    assert "\n" not in str(caught.value)
    assert caught.value.exit_code == 2
    assert not (weights.parent / "wrong").exists()


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("network.bias=true", "network.bias=false", "retraining.recipe must have the network of the study's"),
        ("epochs=1", "epoch=1", "--set must name a field of the recipe, got 'epoch'"),
    ],
)
def test_a_recipe_that_does_not_fit_is_told_before_the_trials(study_text, weights, old, new, message):
    path = weights.parent / "wrong.toml"
    path.write_text(study_text.replace(old, new, 1))
    with pytest.raises(InputError, match=message):
        invoke(codesign, path, "--out", weights.parent / "wrong")
    assert not (weights.parent / "wrong").exists()


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        (
            '"6 uA"',
            '"5 uA"',
            r"parameters\.bias must be within 5\.296 … 37\.44 uA, the characterised currents, got 5 uA",
        ),
        (
            '"20 uA"',
            '"38 uA"',
            r"parameters\.bias must be within 5\.296 … 37\.44 uA, the characterised currents, got 38",
        ),
        (
            "largest_fan_in = 1000",
            "",
            r"checkpoint must have at most 41 synapses on a neuron, .* has \d+; mapping\.largest_fan_in assumes",
        ),
    ],
)
def test_what_was_not_characterised_is_refused_before_the_trials(study_text, weights, old, new, message):
    assert old in study_text
    path = weights.parent / "beyond.toml"
    path.write_text(study_text.replace(old, new, 1))
    with pytest.raises(InputError, match=message) as caught:
        invoke(codesign, path, "--out", weights.parent / "beyond")
    assert "\n" not in str(caught.value)
    assert not (weights.parent / "beyond").exists()


def test_missing_files_are_named_and_nothing_is_written(study_text, weights, tmp_path):
    cases = {
        "none.toml": None,
        "checkpoint.toml": study_text.replace(weights.name, "none.pt"),
        "circuit.toml": study_text.replace('split = "train"', 'split = "train"\ncircuit = "none.toml"', 1),
    }
    for name, text in cases.items():
        path = weights.parent / name
        if text is not None:
            path.write_text(text)
        with pytest.raises(InputError, match=r"cannot read .*none\.(toml|pt)"):
            invoke(codesign, path, "--out", tmp_path / "out")
    assert list(tmp_path.iterdir()) == []


def test_a_study_that_does_not_ship_is_named_with_those_that_do(tmp_path):
    with pytest.raises(InputError, match=r"STUDY must be a TOML file or one of .*mnist.*, got 'mnits'"):
        invoke(codesign, "mnits", "--out", tmp_path / "out")


def test_time_that_is_up_is_said_and_the_study_goes_on(study_path, tmp_path):
    out = tmp_path / "out"
    with pytest.raises(TimeUp, match="the same command continues") as caught:
        invoke(codesign, study_path, "--out", out, "--timeout", "0")
    assert caught.value.exit_code == 4
    assert not (out / "result.json").exists()
    assert "none is replayed" in invoke(codesign, study_path, "--out", out, "--trials", "2", "--no-verify").stdout
    assert not (out / "result.json").exists()
    rows = invoke(codesign, study_path, "--out", out, "--trials", "2", "--json")
    assert len(json.loads(rows.stdout)["fidelities"][0]["trials"]) == 2


def test_changed_study_is_refused(finished, study_text, weights):
    path = weights.parent / "changed.toml"
    path.write_text(study_text.replace("high = 20.0", "high = 21.0"))
    with pytest.raises(InputError, match=r"another study\.parameters\.cycles_per_tau\.high \(20\.0, now 21\.0\)"):
        invoke(codesign, path, "--out", finished[0])


def test_limits_that_no_design_keeps_are_named(study_text, weights, tmp_path):
    path = weights.parent / "hopeless.toml"
    path.write_text(
        study_text.replace("accuracy_at_least = 0.0", "accuracy_at_least = 1.0").replace("trials = 4", "trials = 2")
    )
    with pytest.raises(
        NeurocircuitError, match="no design of 2 at fidelity table keeps all limits: 2 break 'accuracy'"
    ):
        invoke(codesign, path, "--out", tmp_path / "out", "--json")


def test_pvt_writes_table_and_figure(mapped, tmp_path):
    folder = write(tmp_path / "sheet", spec("tt"), spec("ss", tau_s=22e-9))
    out = tmp_path / "pvt"
    result = invoke(
        pvt, mapped, "--datasheet", folder, "--images", "2", "--chips", "1", "--split", "train", "--out", out, "--json"
    )
    numbers = json.loads(result.stdout)
    assert [row["trim"] for row in numbers["rows"]] == ["mapped", "again", "nominal"] * 2
    assert numbers["rows"][0]["energy_J"] is None  # no energy.json
    assert "ss, 27 °C, 1 V" in (out / "report.md").read_text()
    assert_drawn(out / "figures" / "conditions.svg")
    with pytest.raises(InputError, match=r"--temp must be among the characterised 27\.0, got 85\.0"):
        invoke(pvt, mapped, "--datasheet", folder, "--temp", "85")


def test_pvt_takes_the_conditions_that_are_asked_for(mapped, weights, tmp_path):
    folder = write(tmp_path / "sheet", spec("tt"), spec("ss", tau_s=22e-9))
    asked = ("--datasheet", folder, "--corner", "ss", "--temp", "27", "--vdd", "1.0", "--images", 2, "--chips", 1)
    rows = json.loads(invoke(pvt, mapped, *asked, "--split", "held_out", "--json").stdout)["rows"]
    assert {row["label"] for row in rows} == {"ss, 27 °C, 1 V"}
    for arguments, message in (
        ((weights,), "must be a mapped network"),
        ((mapped, "--process", "sky130"), "comes without a characterisation"),
        ((mapped, "--process", "none"), "process none"),
    ):
        with pytest.raises(InputError, match=message):
            invoke(pvt, *arguments)
