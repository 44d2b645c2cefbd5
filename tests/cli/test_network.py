"""neurocircuit map, calibrate and verify, as a user calls them, on the digits."""

import json

import pytest

pytest.importorskip("sklearn")
torch = pytest.importorskip("torch")


@pytest.fixture(scope="module")
def weights(tmp_path_factory):
    from neurocircuit.snn import checkpoint
    from neurocircuit.snn.data.spec import DataSpec
    from neurocircuit.snn.models import NetworkSpec
    from neurocircuit.snn.recipe import Subject

    network = NetworkSpec(name="mnist_scnn", bias=True, clock="absolute", initial_sum=3.0, initial_spread=0.7)
    subject = Subject(name="tiny", data=DataSpec(name="digits"), network=network)
    path = tmp_path_factory.mktemp("weights") / "tiny.pt"
    built = checkpoint.new_network(subject, torch.Generator().manual_seed(4))
    checkpoint.save(path, subject, built)
    return str(path)


def test_the_whole_way(neurocircuit, tmp_path, weights):
    done = neurocircuit("map", weights, "--images", "4", "--out", "net.toml")
    assert done.returncode == 0, done.stderr
    assert "layer conv2: 64 neurons x 801" in done.stdout
    done = neurocircuit(
        "calibrate",
        "net.toml",
        "--images",
        "3",
        "--chips",
        "8",
        "--points",
        "80",
        "--budget",
        "--out",
        "t.nc",
        "--json",
    )
    assert done.returncode == 0, done.stderr
    assert [layer["name"] for layer in json.loads(done.stdout)["layers"]] == ["conv1", "conv2", "fc1"]
    done = neurocircuit(
        "verify",
        "net.toml",
        "--table",
        "t.nc",
        "--images",
        "2",
        "--chips",
        "2",
        "--runs",
        "40",
        "--layers",
        "conv1",
        "--without",
        "mismatch,rounding",
        "--without-images",
        "1",
        "--out",
        "replay",
    )
    assert done.returncode == 0, done.stderr
    assert "agreement circuit and noise model" in done.stdout
    assert "without mismatch, 1 images: accuracy" in done.stdout
    report = (tmp_path / "replay/report.md").read_text()
    assert "| cause | images | accuracy with it | without it | gain |" in report
    assert "| rounding | 1 |" in report
    for name in ("net.mapping", "t.calibration", "replay/report"):
        html, markdown = ((tmp_path / f"{name}{suffix}").read_text() for suffix in (".html", ".md"))
        assert html.count("<h1>") == 1
        assert html.count("data:image/svg+xml") == markdown.count("](figures/") > 0
        assert html.count("<table>") == markdown.count("\n|---|") > 1
    lines = (tmp_path / "replay/images.csv").read_text().splitlines()
    assert len({tuple(line.split(",")[:2]) for line in lines[1:]}) == len(lines) - 1 > 1  # one for each image and chip
    assert "http" not in (tmp_path / "replay" / "report.html").read_text().replace("http-equiv", "")

    other = (tmp_path / "net.toml").read_text().replace('synapses = "unrolled"', 'synapses = "shared"')
    (tmp_path / "other.toml").write_text(other)
    done = neurocircuit("verify", "other.toml", "--table", "t.nc", "--images", "1")
    assert done.returncode == 2
    assert "belongs to another network: its synapses differs" in done.stderr


def test_a_broken_limit_is_exit_code_3_and_says_what_helps(neurocircuit, tmp_path, weights):
    (tmp_path / "hot.toml").write_text("phase_per_weight = '5 rad'\nvco4_swing = '7.5 MHz'\n")
    done = neurocircuit("map", weights, "--images", "2", "--keep-scale", "--spec", "hot.toml", "--out", "net.toml")
    assert done.returncode == 3, done.stderr
    assert "BROKEN layer conv2 XOR range" in done.stdout
    assert "would help: a <= " in done.stdout


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("map", "none.pt", "--out", "n.toml"), "cannot read none.pt"),
        (("map", "none.pt", "--out", "n.txt"), "--out must be a .toml file"),
        (("calibrate", "none.toml", "--out", "t.nc"), "cannot read none.toml"),
        (("verify", "none.toml", "--level", "x"), "level must be among"),
        (("verify", "none.toml", "--runs", "5"), "runs must come with a table"),
        (("verify", "none.toml", "--without", "thermal"), "without must name causes among white, flicker"),
        (("verify", "none.toml", "--without", "die", "--no-images"), "without must come with whole images"),
        (("verify", "none.toml"), "cannot read none.toml"),
        (("verify", "none.toml", "--level", "transistor"), "level transistor must run single neurons only"),
        (("calibrate", "none.toml", "--out", "t.json", "--mode", "transfer"), "--curve must be given with --mode"),
        (("calibrate", "none.toml", "--out", "t.nc", "--curve", "c.nc"), "--curve must be given with --mode"),
    ],
)
def test_errors_are_one_line_and_leave_nothing_behind(neurocircuit, tmp_path, arguments, message):
    before = set(tmp_path.iterdir())
    done = neurocircuit(*arguments)
    assert done.returncode == 2
    assert message in done.stderr
    assert done.stderr.count("\n") == 1
    assert set(tmp_path.iterdir()) == before
