"""neurocircuit convert, as a user calls it, on the digits."""

import json
import shlex

import pytest

pytest.importorskip("sklearn")
torch = pytest.importorskip("torch")

SMALL = (
    "name=small",
    "data.name=digits",
    "data.held_out=300",
    "network.widths=[8, 8, 8]",
    "shift_px=0",
    "rotate_deg=0",
    "zoom=0",
    "batch_size=100",
    "warmup_steps=5",
)


@pytest.fixture(scope="module")
def relu(tmp_path_factory):
    """A ReLU network for the digits after three epochs."""
    import neurocircuit as nc

    out = tmp_path_factory.mktemp("relu")
    nc.snn.train("mnist_windowed", settings=(*SMALL, "epochs=3"), out=out / "run", threads=1)
    return str(out / "run/weights.pt")


@pytest.mark.parametrize("form", ["forced", "ramp"])
def test_a_network_its_conversion_and_a_report(neurocircuit, tmp_path, relu, form):
    done = neurocircuit("convert", relu, "--form", form, "--window", "0.4", "--images", "80", "--out", "w.pt", "--json")
    assert done.returncode == 0, done.stderr
    values = json.loads(done.stdout)
    assert (values["kind"], values["form"], values["images"], values["quantile"]) == ("conversion", form, 80, 1.0)
    assert {row["window_over_tau"] for row in values["layers"]} == {0.4}
    again = neurocircuit("convert", relu, "--form", form, "--window", "0.4", "--images", "80", "--out", "w.pt")
    assert again.stdout.startswith(f"{form}: {values['same_decisions'] / 80:.1%} of 80 images are decided as before")
    assert ("fine-tune it" in again.stdout) == (form == "ramp")
    if form == "forced":
        assert (values["same_decisions"], max(row["clipped"] for row in values["layers"])) == (80, 0)
    assert json.loads((tmp_path / "w.conversion.json").read_text())["layers"] == values["layers"]
    html, markdown = ((tmp_path / f"w.conversion{suffix}").read_text() for suffix in (".html", ".md"))
    assert html.count("data:image/svg+xml") == markdown.count("](figures/") == 1
    assert values["report"] == "w.conversion.html"
    assert values["run"]["command"].split()[:2] == ["neurocircuit", "convert"]


def test_evaluate_and_report_read_it(neurocircuit, tmp_path, relu):
    assert neurocircuit("convert", relu, "--images", "80", "--out", "w.pt").returncode == 0
    done = neurocircuit("evaluate", "w.pt", "--json", "--out", "evaluated")
    assert done.returncode == 0, done.stderr
    values = json.loads(done.stdout)
    assert values["network"] == "windowed"
    assert values["accuracy"] > 0.3  # chance: 0.1
    assert values["exact"]["same_decisions"] == values["exact"]["images"] == 10
    assert (
        values["latency"]["maximum_over_tau"]
        <= json.loads((tmp_path / "w.conversion.json").read_text())["latency_over_tau"]
    )
    assert "By the armed rule" in (tmp_path / "evaluated/report.md").read_text()
    done = neurocircuit("evaluate", relu)
    assert (done.returncode, done.stderr.count("\n")) == (2, 1)
    assert "convert it first" in done.stderr


def test_it_is_fine_tuned_as_windowed_neurons(neurocircuit, tmp_path, relu):
    assert neurocircuit("convert", relu, "--out", "w.pt").returncode == 0  # form ramp
    changes = [part for setting in ("data.name=digits", "data.held_out=300", "epochs=4") for part in ("--set", setting)]
    command = ("train", "mnist_windowed_finetune", "--initial", "w.pt", *changes, "--threads", "1")
    done = neurocircuit(*command, "--out", "run")
    assert done.returncode == 0, done.stderr
    before, after = (json.loads(neurocircuit("evaluate", path, "--json").stdout) for path in ("w.pt", "run/weights.pt"))
    assert after["accuracy"] > before["accuracy"] + 0.1
    done = neurocircuit(*command, "--resume", "--out", "run", "--set", "alpha=1.0")
    assert (done.returncode, done.stderr.count("\n")) == (2, 1)
    assert "recipe's encoding" in done.stderr


def test_what_it_prints_is_the_next_command(neurocircuit, tmp_path, relu):
    """Data, encoding and augmentation are as in the converted network, which may be of any data set."""
    done = neurocircuit("convert", relu, "--window", "0.8", "--images", "80", "--out", "w.pt")
    (line,) = [line for line in done.stdout.splitlines() if "fine-tune it" in line]
    command = shlex.split(line.partition(": ")[2])
    assert command[:3] == ["neurocircuit", "train", "windowed_finetune"]
    tuned = neurocircuit(*command[1:], "--set", "epochs=1", "--threads", "1")
    assert tuned.returncode == 0, tuned.stderr
    assert "as in w.pt, for the recipe leaves it out: data (digits), encoding (t = ln(e^0.8" in tuned.stderr
    recipe = json.loads((tmp_path / "w-tuned/run.json").read_text())["recipe"]
    assert (recipe["data"]["name"], recipe["data"]["held_out"]) == ("digits", 300)
    assert (recipe["encoding"], recipe["augmentation"]["shift_px"]) == ({"kind": "linear", "alpha": 0.8}, 0)
    other = neurocircuit(*command[1:], "--set", "data.name=mnist", "--out", "other")
    assert (other.returncode, other.stderr.count("\n")) == (2, 1)


def test_a_lower_quantile_clips_that_share(neurocircuit, tmp_path, relu):
    done = neurocircuit("convert", relu, "--form", "forced", "--quantile", "0.99", "--slope", "3", "--out", "w.pt")
    assert done.returncode == 0, done.stderr
    assert "report: w.conversion.html" in done.stdout
    layers = json.loads((tmp_path / "w.conversion.json").read_text())["layers"]
    assert [row["clipped"] for row in layers[:-1]] == pytest.approx([0.01] * (len(layers) - 1), abs=1e-3)
    assert all(row["slope"] == pytest.approx([3.0] * 3) for row in layers)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("none.pt", "--out", "w.pt"), "cannot read none.pt"),
        (("{relu}", "--out", "no/w.pt"), "w.pt"),
        (("{relu}", "--out", "w.toml"), ".pt"),
        (("{relu}", "--out", "w.pt", "--window", "0"), "window must be > 0, got 0"),
        (("{relu}", "--out", "w.pt", "--quantile", "1.5"), "quantile must be within 0 … 1, got 1.5"),
        (("{relu}", "--out", "w.pt", "--images", "5000"), "images must be within 1 … 1137"),
        (("{relu}", "--out", "w.pt", "--form", "soft"), "form"),
        (("{module}", "--out", "w.pt"), "is not a checkpoint"),
    ],
)
def test_errors_are_one_line_and_leave_nothing_behind(neurocircuit, tmp_path, relu, arguments, message):
    module = tmp_path / "module.py"
    module.write_text("open('executed', 'w')")
    done = neurocircuit("convert", *(text.format(relu=relu, module=module) for text in arguments))
    assert (done.returncode, done.stdout) == (2, "")
    assert message in done.stderr
    assert done.stderr.startswith("neurocircuit: ")
    assert done.stderr.count("\n") == 1
    assert [path.name for path in tmp_path.iterdir()] == ["module.py"]


def test_a_whole_module_in_a_pickle_is_refused(neurocircuit, tmp_path):
    torch.save(torch.nn.Linear(2, 2), tmp_path / "module.pt")
    done = neurocircuit("convert", "module.pt", "--out", "w.pt")
    assert done.returncode == 2
    assert "module.pt is not a checkpoint" in done.stderr
    assert done.stderr.count("\n") == 1


def test_a_windowed_network_takes_another_window_and_nothing_else(neurocircuit, tmp_path, relu):
    import neurocircuit as nc

    assert neurocircuit("convert", relu, "--images", "20", "--out", "w.pt").returncode == 0
    assert neurocircuit("convert", "w.pt", "--images", "20", "--window", "1", "--out", "slow.pt").returncode == 0
    first, slow = (nc.snn.WindowedNetwork.load(tmp_path / name) for name in ("w.pt", "slow.pt"))
    assert (slow.graph.window_over_tau, slow.subject.encoding.alpha) == (1.0, 1.0)
    assert [layer.largest for layer in slow.graph.layers[:-1]] == [layer.largest for layer in first.graph.layers[:-1]]
    assert all(torch.equal(value, slow.state_dict()[name]) for name, value in first.state_dict().items())
    done = neurocircuit("convert", "w.pt", "--quantile", "0.9", "--out", "again.pt")
    assert (done.returncode, done.stderr.count("\n")) == (2, 1)
    assert "windowed already" in done.stderr


@pytest.mark.parametrize("form", ["forced", "ramp"])
def test_a_windowed_network_is_mapped_and_runs_on_chips(neurocircuit, tmp_path, relu, form):
    import neurocircuit as nc

    assert neurocircuit("convert", relu, "--form", form, "--images", "80", "--out", "w.pt").returncode == 0
    advice = neurocircuit("map", "w.pt", "--images", "20", "--out", "net.toml").stdout.count("convert --form ramp")
    assert advice == (form == "forced")
    done = neurocircuit("map", "w.pt", "--images", "20", "--out", "net.toml", "--json")
    assert done.returncode == 0, done.stderr
    layers = json.loads(done.stdout)["layers"]
    assert all(layer["window"]["window_over_tau"] == 0.5 for layer in layers)
    assert "What window and slope cost in noise" in (tmp_path / "net.mapping.md").read_text()
    done = neurocircuit("verify", "net.toml", "--images", "2", "--chips", "1", "--out", "replay", "--json")
    assert done.returncode == 0, done.stderr
    images = json.loads(done.stdout)["images"]
    assert [layer["name"] for layer in images["layers"]] == [layer["name"] for layer in layers]
    assert "decided" in (tmp_path / "replay/images.csv").read_text()
    few = neurocircuit("calibrate", "net.toml", "--images", "1", "--chips", "2", "--points", "40", "--out", "table.nc")
    assert few.returncode == 0 or (few.returncode == 2 and "give more images" in few.stderr)
    options = ("--images", "12", "--chips", "3", "--points", "40", "--out", "table.nc")
    assert neurocircuit("calibrate", "net.toml", *options).returncode == 0
    done = neurocircuit("evaluate", "w.pt", "--noise", "table.nc", "--images", "5", "--chips", "2", "--tables", "0")
    assert (done.returncode == 2 and "must be ramp" in done.stderr) if form == "forced" else done.returncode == 0
    network = nc.map(nc.snn.WindowedNetwork.load(tmp_path / "w.pt").float(), images=nc.data.digits("train")[:20])
    assert network.mapped.layers == nc.MappedNetwork.from_toml(tmp_path / "net.toml").layers


def test_ctrl_c_leaves_nothing(neurocircuit, tmp_path, relu, monkeypatch):
    import neurocircuit.snn.conversion as conversion

    def interrupt(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(conversion, "measure", interrupt)
    done = neurocircuit("convert", relu, "--images", "20", "--out", "w.pt")
    assert done.returncode == 130
    assert done.stderr.splitlines()[-1] == "neurocircuit: stopped"
    assert list(tmp_path.iterdir()) == []


def test_an_onnx_file_is_converted(neurocircuit, tmp_path):
    onnx = pytest.importorskip("onnx")
    import numpy as np

    weights = np.random.default_rng(0).normal(size=(64, 10)).astype(np.float32)
    nodes = [onnx.helper.make_node("Flatten", ["x"], ["f"]), onnx.helper.make_node("Gemm", ["f", "w"], ["y"])]
    inputs, outputs = (
        [onnx.helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, shape)]
        for name, shape in (("x", ["N", 1, 8, 8]), ("y", ["N", 10]))
    )
    graph = onnx.helper.make_graph(nodes, "g", inputs, outputs, [onnx.numpy_helper.from_array(weights, "w")])
    onnx.save(onnx.helper.make_model(graph), "net.onnx")
    call = ("convert", "net.onnx", "--images", "40", "--form", "forced", "--out", "w.pt")
    refused = neurocircuit(*call)
    assert (refused.returncode, refused.stderr.count("\n")) == (2, 1)
    assert "data_set must be given for an .onnx file" in refused.stderr
    assert not (tmp_path / "w.pt").exists()
    done = neurocircuit(*call, "--data-set", "digits", "--test", "50")
    assert done.returncode == 0, done.stderr
    assert neurocircuit("evaluate", "w.pt", "--json").returncode == 0
