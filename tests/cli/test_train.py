"""neurocircuit train, evaluate and import-weights, as a user calls them."""

import json
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("sklearn")
torch = pytest.importorskip("torch")
DIGITS = str(Path(__file__).parents[2] / "training" / "digits.toml")
QUICK = ("--set", "epochs=1", "--set", "batch_size=100", "--threads", "1")


@pytest.fixture
def trained(neurocircuit, tmp_path):
    done = neurocircuit("train", DIGITS, *QUICK, "--out", "run")
    assert done.returncode == 0, done.stderr
    return tmp_path / "run"


def test_a_run_leaves_weights_log_identity_and_report(neurocircuit, trained):
    assert {path.name for path in trained.iterdir()} == {
        "weights.pt",
        "best.pt",
        "checkpoint.pt",
        "log.csv",
        "run.json",
        "report.html",
        "report.md",
        "figures",
    }
    record = json.loads((trained / "run.json").read_text())
    assert record["finished"] is True
    assert record["threads"] == 1

    done = neurocircuit("train", DIGITS, *QUICK, "--out", "run")
    assert (done.returncode, done.stdout) == (2, "")
    assert "holds a run" in done.stderr
    assert done.stderr.count("\n") == 1


def test_evaluate_gives_stable_keys(neurocircuit, trained):
    done = neurocircuit("evaluate", str(trained / "weights.pt"), "--json")

    assert done.returncode == 0, done.stderr
    values = json.loads(done.stdout)
    assert values["images"]["n"] == 360
    assert 0 <= values["accuracy_low"] <= values["accuracy"] <= values["accuracy_high"] <= 1
    assert values["layers"][0]["neurons"] == 512
    assert values["energy_per_spike_J"] == pytest.approx(10e-12)
    assert values["latency"]["tau_s"] == pytest.approx(20e-9)
    assert values["images"]["split"] == "test"
    assert (values["kind"], values["run"]["command"].split()[:2]) == ("evaluation", ["neurocircuit", "evaluate"])


def test_evaluate_leaves_a_report_where_it_says(neurocircuit, trained, tmp_path):
    """By content: the same weights and images lead to the same folder; a script that wants JSON leaves none."""
    done = neurocircuit("evaluate", "run/weights.pt")

    page = Path(done.stdout.splitlines()[-1].removeprefix("report: "))
    assert page.parent.parent == Path("reports")
    html = (tmp_path / page).read_text()
    assert "Confusion matrix" in html
    assert "Sparsity and latency by layer" in html
    assert neurocircuit("evaluate", "run/weights.pt").stdout.splitlines()[-1] == f"report: {page}"
    other = neurocircuit("evaluate", "run/weights.pt", "--split", "held_out").stdout.splitlines()[-1]
    assert other != f"report: {page}"

    before = sorted((tmp_path / "reports").iterdir())
    values = json.loads(neurocircuit("evaluate", "run/weights.pt", "--bits", "2", "--json").stdout)
    assert sorted((tmp_path / "reports").iterdir()) == before
    assert "report" not in values
    by_class = {(image_class, decided): times for image_class, decided, times in values["confusion"]["counts"]}
    assert sum(by_class.values()) == values["images"]["n"]
    assert sum(times for (k, m), times in by_class.items() if k == m) == round(
        values["accuracy"] * values["images"]["n"]
    )


def test_numbers_are_printed_even_where_no_report_can_be_written(neurocircuit, trained, tmp_path):
    (tmp_path / "reports").write_text("a file")
    done = neurocircuit("evaluate", "run/weights.pt")
    assert done.returncode == 2
    assert done.stdout.startswith("accuracy ")
    assert "reports" in done.stderr.splitlines()[-1]


def test_the_report_of_training_shows_what_the_weights_do_with_held_out_images(trained):
    record = json.loads((trained / "run.json").read_text())
    held_out = record["held_out"]
    assert held_out["accuracy"] == record["held_out_accuracy"]  # no noise here
    assert sum(times for *_, times in held_out["confusion"]["counts"]) == record["held_out_images"]
    page = (trained / "report.md").read_text()
    assert "## Confusion matrix" in page
    assert "## Sparsity and latency by layer" in page


def test_evaluate_speaks_in_words(neurocircuit, trained):
    done = neurocircuit("evaluate", str(trained / "weights.pt"), "--energy-per-spike", "3 pJ", "--split", "held_out")

    assert done.returncode == 0, done.stderr
    assert "137 images" in done.stdout
    assert "spikes x 3 pJ" in done.stdout
    assert "by the paper's formula" in done.stdout


def test_energy_of_a_spike_is_taken_from_a_characterised_condition(neurocircuit, trained, tmp_path):
    condition = Path(__file__).parents[2] / "reports/published/datasheet-generic65/conditions/tt_27C_1V"
    measured = json.loads((condition / "energy.json").read_text())["quantities"]
    spike_J = next(one["value"] for one in measured if one["key"] == "spike")

    done = neurocircuit("evaluate", str(trained / "weights.pt"), "--energy-per-spike", str(condition), "--json")

    assert json.loads(done.stdout)["energy_per_spike_J"] == spike_J
    assert 1e-12 < spike_J < 10e-12
    done = neurocircuit("evaluate", str(trained / "weights.pt"), "--energy-per-spike", str(tmp_path))
    assert done.returncode == 2
    assert "energy.json" in done.stderr
    assert len(done.stderr.splitlines()) == 1


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("train", "none.toml"), "cannot read none.toml: No such file or directory"),
        (("train", DIGITS, "--set", "lr=-1"), "Recipe.schedule.lr must be > 0, got -1"),
        (("train", DIGITS, "--set", "batch_size=5000"), "schedule.batch_size must be <= 1300 training images"),
        (("train", DIGITS, "--resume", "--out", "none"), "cannot read none/checkpoint.pt: No such file or directory"),
        (("evaluate", "none.pt"), "cannot read none.pt: No such file or directory"),
        (("evaluate", DIGITS), "is not a checkpoint"),
        (("evaluate", "none.pt", "--energy-per-spike", "10"), "energy-per-spike must carry the unit J"),
        (("import-weights", "none", "--network", "mnist_scnn", "--out", "w.pt"), "DIR must be a directory, got none"),
        (("import-weights", ".", "--network", "vgg", "--out", "w.pt"), "must be"),
        (("import-weights", ".", "--network", "mnist_scnn", "--out", "no/w.pt"), "--out must lie in an existing"),
    ],
)
def test_errors_are_one_line_and_leave_nothing_behind(neurocircuit, tmp_path, arguments, message):
    done = neurocircuit(*arguments)

    assert done.returncode == 2
    assert message in done.stderr
    assert done.stderr.startswith("neurocircuit: ")
    assert done.stderr.count("\n") == 1
    assert list(tmp_path.iterdir()) == []


def test_imported_weights_are_evaluated(neurocircuit, tmp_path):
    """Every weight positive and alike: all neurons of the first layer spike, no output is told from another."""
    (tmp_path / "published").mkdir()
    for number, (rows, columns) in enumerate(((26, 32), (801, 16), (785, 10)), start=1):
        np.save(tmp_path / "published" / f"w{number}.npy", np.full((rows, columns), 3.0 / rows, np.float32))
    pixels, labels = np.zeros((5, 28, 28), np.uint8), np.arange(5, dtype=np.uint8)
    images = tmp_path / "t10k-images-idx3-ubyte"
    images.write_bytes(bytes((0, 0, 8, 3, 0, 0, 0, 5, 0, 0, 0, 28, 0, 0, 0, 28)) + pixels.tobytes())
    (tmp_path / "t10k-labels-idx1-ubyte").write_bytes(bytes((0, 0, 8, 1, 0, 0, 0, 5)) + labels.tobytes())

    imported = neurocircuit("import-weights", "published", "--network", "mnist_scnn", "--out", "w.pt", "--json")
    done = neurocircuit("evaluate", "w.pt", "--data", str(images), "--json")

    told = json.loads(imported.stdout)
    assert told["weights"] == 21498
    assert told["subject"]["encoding"] == {"kind": "bright_first", "alpha": 3.0}
    values = json.loads(done.stdout)
    assert values["images"]["n"] == 5
    assert values["accuracy"] == 0.2  # class 0, the lowest of equal outputs
    assert values["images"]["canonical"] is False


def test_a_network_of_ones_own_runs_its_code_only_where_that_was_allowed(neurocircuit, tmp_path):
    (tmp_path / "mine.py").write_text(
        "from pathlib import Path\n"
        "from torch import nn\n"
        "from neurocircuit.snn.layers import SpikingLinear\n"
        "Path('ran').touch()\n"
        "def build():\n"
        "    return nn.Sequential(nn.Flatten(), SpikingLinear(64, 20), SpikingLinear(20, 10))\n"
    )
    before, after = Path(DIGITS).read_text().split("[network]")
    recipe = f'network = "mine:build"\n{before}[loss]{after.split("[loss]")[1]}'
    (tmp_path / "mine.toml").write_text(recipe)
    call = ("train", "mine.toml", *QUICK, "--out", "run")

    refused = neurocircuit(*call)
    assert (refused.returncode, refused.stderr.count("\n")) == (2, 1)
    assert "network.code mine:build is code that training would run: give --allow-code" in refused.stderr
    assert not (tmp_path / "ran").exists()
    assert not (tmp_path / "run").exists()

    done = neurocircuit(*call, "--allow-code")
    assert done.returncode == 0, done.stderr
    (tmp_path / "mine.py").unlink()  # neither files nor commands need it from here on
    done = neurocircuit("evaluate", "run/weights.pt", "--json")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["network"] == "own"
    done = neurocircuit("map", "run/weights.pt", "--images", "30", "--out", "net.toml")
    assert done.returncode in (0, 3), done.stderr

    for text, said in (("mine:other", "has no attribute"), ("math:pi", "not callable"), ("os:getcwd", "must return")):
        (tmp_path / "mine.toml").write_text(recipe.replace("mine:build", text))
        refused = neurocircuit(*call, "--allow-code")
        assert (refused.returncode, refused.stderr.count("\n")) == (2, 1)
        assert said in refused.stderr
    (tmp_path / "mine.toml").write_text(recipe.replace("mine:build", "not a name"))
    assert "network.code" in neurocircuit(*call).stderr


def test_a_network_goes_to_nir_and_back(neurocircuit, trained):
    pytest.importorskip("nir")
    done = neurocircuit("map", "run/weights.pt", "--images", "20", "--out", "net.toml")
    assert done.returncode in (0, 3), done.stderr
    done = neurocircuit("export", "net.toml", "--out", "net.nir")
    assert (done.returncode, done.stdout) == (0, "net.toml as a NIR graph: net.nir\n")
    done = neurocircuit("import-weights", "net.nir", "--out", "again.pt", "--circuit", "again.toml")
    assert done.returncode == 0, done.stderr
    first, second = (neurocircuit("evaluate", path, "--json") for path in ("run/weights.pt", "again.pt"))
    one, other = json.loads(first.stdout), json.loads(second.stdout)
    assert (one["accuracy"], one["spikes"]) == (other["accuracy"], other["spikes"])
    done = neurocircuit("calibrate", "again.toml", "--images", "3", "--chips", "10", "--points", "60", "--out", "t.nc")
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("import-weights", "x.nir", "--network", "mnist_scnn", "--out", "w.pt"), "--network must be left out"),
        (("import-weights", "x.nir", "--out", "w.pt"), "cannot read x.nir"),
        (("import-weights", ".", "--out", "w.pt"), "--network must name the architecture"),
        (("import-weights", ".", "--circuit", "n.toml", "--out", "w.pt"), "--circuit is for a .nir file, got ."),
        (("export", "none.pt", "--out", "net.nir"), "cannot read none.pt"),
        (("export", "none.pt", "--out", "net.h5"), "--out must be a .nir file"),
    ],
)
def test_what_does_not_fit_nir_is_one_line(neurocircuit, tmp_path, arguments, said):
    pytest.importorskip("nir")
    done = neurocircuit(*arguments)
    assert (done.returncode, done.stderr.count("\n")) == (2, 1)
    assert said in done.stderr
    assert list(tmp_path.iterdir()) == []
