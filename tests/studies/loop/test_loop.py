"""A loop on the digits in the smallest size: one report, cached stages, kill -9 and on to the same results."""

import math
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from neurocircuit.core.files import locked
from neurocircuit.errors import InputError, SpecError
from neurocircuit.explore.network import OnChips
from neurocircuit.explore.subject import Subject
from neurocircuit.kinds import load
from neurocircuit.results.loop import LoopRun, TransferRow
from neurocircuit.spec import NeuronSpec
from neurocircuit.studies.loop.api import flat_jitter, run
from neurocircuit.studies.loop.cache import Stage, run_stages
from neurocircuit.studies.loop.project import new_project

SMALL = {
    "recipe.toml": {"epochs": "1", "held_out": "1200", "checkpoint_steps": "2"},
    "noise_aware.toml": {"epochs": "1", "held_out": "1200", "checkpoint_steps": "2"},
}
LOOP = """
name = "small"
[sweep]
jitter = [0.05]
bits = []
trials = 12
level = "averaged"
[mapping]
images = 20
[calibration]
images = 4
chips = 6
points = 40
[verification]
images = 3
chips = 2
level = "averaged"
[evaluation]
images = 20
chips = 2
tables = 0
"""
STAGES = ["sweep", "train", "map", "calibrate", "verify"]
STAGES += ["aware-train", "aware-map", "aware-calibrate", "aware-verify", "compare"]


def project(folder: Path) -> Path:
    """Write a project of the smallest size; return its loop."""
    new_project(folder)
    for name, changes in SMALL.items():
        text = (folder / name).read_text()
        for key, value in changes.items():
            text, count = re.subn(rf"(?m)^{key} = \S+", f"{key} = {value}", text)
            assert count == 1
        (folder / name).write_text(text)
    (folder / "loop.toml").write_text(LOOP)
    return folder / "loop.toml"


def ran(result: LoopRun) -> list[str]:
    return [stage.name for stage in result.stages if not stage.reused]


def numbers(result: LoopRun) -> dict:
    """What a run found, without when and how."""
    values = result.to_dict()
    return {name: value for name, value in values.items() if name not in ("run", "stages")}


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """A finished run, in a folder of its own from which it was called."""
    folder, before = tmp_path_factory.mktemp("loop"), Path.cwd()
    heard: list[tuple[float, float, str]] = []
    os.chdir(folder)
    try:
        result = run(project(Path("p")), progress=lambda *told: heard.append(told))
    finally:
        os.chdir(before)
    return folder, result, heard


def test_one_report_answers_first_and_links_the_others(finished):
    folder, result, _ = finished
    assert [stage.name for stage in result.stages] == STAGES == ran(result)
    assert load(folder / "p/run").to_dict() == result.to_dict()
    page = (folder / "p/run/report.html").read_text()
    first_screen = page[: page.index("<table>")]
    assert result.sentence().split(":")[0] in first_screen
    assert first_screen.count("<figure") == 1
    links = re.findall(r'<a href="([^"]+)"', page)
    assert len(links) == len(STAGES)
    for link in links:
        assert (folder / "p/run" / link).is_file()
    markdown = (folder / "p/run/report.md").read_text()
    assert all(f"]({link})" in markdown for link in links)
    assert NeuronSpec.from_toml(folder / "p/run/circuit.toml") == NeuronSpec()


def test_progress_is_of_the_whole_and_names_each_stage(finished):
    _, _, heard = finished
    for k in range(len(STAGES)):
        assert any(label.startswith(f"stage {k + 1} of {len(STAGES)}: ") for _, _, label in heard)
    assert all(0 <= done <= total for done, total, _ in heard)
    assert [done for done, _, _ in heard] == sorted(done for done, _, _ in heard)


@pytest.mark.parametrize("opened", ["p", "p/run"])
def test_explore_opens_a_project_and_a_run_with_both_networks(finished, opened):
    folder, result, _ = finished
    subject = Subject.open(folder / opened)
    assert subject.spec == NeuronSpec()
    assert [network.name for network in subject.networks] == ["noise-aware", "trained for no circuit in particular"]
    for network, (share, *_) in zip(subject.networks, (result.recovery.trained, result.recovery.clean), strict=True):
        on_chips = OnChips.open(network.weights, network.noise, images=20, chips=2)
        assert on_chips.accuracy({}).interval[0] == pytest.approx(share)


def test_explore_opens_a_project_that_has_not_run(tmp_path):
    project(tmp_path / "p")
    assert Subject.open(tmp_path / "p").networks == ()


@pytest.fixture
def copied(finished, tmp_path, monkeypatch):
    """A copy of the finished run, in the working directory."""
    shutil.copytree(finished[0] / "p", tmp_path / "p")
    monkeypatch.chdir(tmp_path)
    return Path("p/loop.toml")


def test_what_has_not_changed_does_not_run_again(copied, finished):
    again = run(copied)
    assert ran(again) == []
    assert numbers(again) == numbers(finished[1])
    text = copied.read_text()
    copied.write_text(text.replace("trials = 12", "trials = 16"))
    assert ran(run(copied)) == ["sweep"]
    copied.write_text(text.replace("trials = 12", "trials = 16").replace("images = 20\nchips", "images = 10\nchips"))
    result = run(copied)
    assert ran(result) == ["compare"]
    assert result.images == 10


def test_a_file_that_was_changed_or_removed_is_made_again(copied, finished):
    Path("p/run/calibrate/table.nc").write_bytes(b"mine")
    Path("p/run/verify/images.csv").unlink()
    again = run(copied)
    assert {"calibrate", "verify"} <= set(ran(again))
    assert numbers(again) == numbers(finished[1])


def killed_when(place: Path, loop: Path) -> None:
    """Run the loop in a process of its own, and kill -9 that when `place` appears."""
    command = [sys.executable, "-m", "neurocircuit", "run", str(loop)]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True)
    while not place.exists():
        assert process.poll() is None, "it ended before it was killed"
        time.sleep(0.005)
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def test_killed_and_continued_gives_the_same_results(finished, tmp_path, monkeypatch):
    """kill -9 within each training, and as a later stage begins; each time the next call goes on."""
    monkeypatch.chdir(tmp_path)
    loop = project(Path("p"))
    for place in ("train/checkpoint.pt", "aware-train/checkpoint.pt", "aware-calibrate"):
        killed_when(Path("p/run", place), loop)
        assert not Path("p/run/result.json").exists()
    result = run(loop)
    assert ran(result) == STAGES[STAGES.index("aware-calibrate") :]
    assert numbers(result) == numbers(finished[1])
    for name in ("train", "aware-train"):
        weights = Path("p/run", name, "weights.pt").read_bytes()
        assert weights == (finished[0] / "p/run" / name / "weights.pt").read_bytes()


@pytest.mark.parametrize(
    ("file", "old", "new", "message"),
    [
        ("loop.toml", "trials = 12", "trails = 12", "LoopSpec.sweep.trails is not a known field, got 12; did you mean"),
        ("loop.toml", "chips = 6", "chips = 1", "LoopSpec.calibration.chips must be >= 4, got 1"),
        ("loop.toml", 'name = "small"', 'name = "small"\ncircuit = "none.toml"', "cannot read p/none.toml"),
        ("circuit.toml", 'tau = "20 ns"', 'tau = "-20 ns"', "NeuronSpec.tau must be > 0"),
        (
            "noise_aware.toml",
            'name = "digits"  # one',
            'name = "mnist"  # one',
            "must have data.name digits, got mnist",
        ),
    ],
)
def test_what_is_wrong_is_told_before_anything_is_written(tmp_path, monkeypatch, file, old, new, message):
    monkeypatch.chdir(tmp_path)
    loop = project(Path("p"))
    text = Path("p", file).read_text()
    assert old in text
    Path("p", file).write_text(text.replace(old, new))
    with pytest.raises((InputError, SpecError), match=re.escape(message)):
        run(loop)
    assert not Path("p/run").exists()


def test_a_folder_with_other_files_is_refused(tmp_path):
    loop = project(tmp_path / "p")
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine/data.csv").write_text("1")
    with pytest.raises(InputError, match="holds other files and no run of a loop"):
        run(loop, tmp_path / "mine")


def test_a_folder_in_which_another_run_is_at_work_is_refused_in_one_line(tmp_path):
    """And is free again as soon as that one is dead."""
    loop, place = project(tmp_path / "p"), tmp_path / "p/run"
    (place / "stages").mkdir(parents=True)
    script = (
        "import sys, time; from pathlib import Path; from neurocircuit.core.files import locked\n"
        "with locked(Path(sys.argv[1]), ''): print('held', flush=True); time.sleep(600)"
    )
    command = [sys.executable, "-c", script, str(place / "stages/.lock")]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as other:
        assert other.stdout is not None
        assert other.stdout.readline() == "held\n"
        with pytest.raises(InputError, match=rf"must be free, another run is at work there; .*process {other.pid}\)$"):
            run(loop)
        assert [file.name for file in place.iterdir()] == ["stages"]
        other.kill()
    with locked(place / "stages/.lock", "busy"):
        pass


@pytest.mark.parametrize(
    ("gain", "words"),
    [
        ((-0.018, -0.042, 0.006), "no change beyond the interval: −1.8 points (−4.2 … +0.6)"),
        ((-0.03, -0.05, -0.01), "which is worse: −3.0 points"),
        ((0.04, 0.03, 0.05), "which is better: +4.0 points (+3.0 … +5.0)"),
    ],
)
def test_the_sentence_says_whether_noise_aware_training_helps(gain, words):
    published = load("reports/published/loop-digits")
    recovery = published.recovery.model_copy(update={"gain": gain})
    assert words in published.model_copy(update={"recovery": recovery}).sentence()


def test_jitter_that_hardly_grows_is_explained():
    def rows(*means: float) -> tuple[TransferRow, ...]:
        return tuple(
            TransferRow(half="jitter", value=value, mean=mean, low=mean, high=mean)
            for value, mean in zip((0.01, 0.05, 0.09), means, strict=True)
        )

    noisy = NeuronSpec(phase_noise=(4e4,) * 4)
    (text,) = flat_jitter(noisy, rows(0.021, 0.022, 0.024))
    assert text.startswith(
        "output jitter is 2.1 % at 1 % input jitter and 2.4 % at 9 %: most of it comes from the noise"
    )
    assert "edges" in flat_jitter(NeuronSpec(), rows(0.021, 0.022, 0.024))[0]
    assert flat_jitter(noisy, rows(0.002, 0.006, 0.009)) == ()
    assert flat_jitter(noisy, rows(math.nan, math.nan, math.nan)) == ()
    assert flat_jitter(noisy, rows(0.021, 0.022, 0.024)[:1]) == ()


# The cache alone, on stages of text files.


def stage(name: str, inputs: dict, reads: tuple[str, ...], log: list[str]) -> Stage:
    def work(folder: Path, resume: bool, progress) -> None:
        log.append(f"{name} resumed" if resume else name)
        before = "".join((folder.parent / other / "out.txt").read_text() for other in reads)
        (folder / "part.txt").write_text("begun")
        progress(1, 2, "half")
        if inputs.get("fails"):
            raise InputError("planted")
        (folder / "out.txt").write_text(f"{before}{inputs['text']}")

    return Stage(name, f"do {name}", {"text": inputs["text"]}, reads, ("out.txt",), 1.0, work, "part.txt")


def chain(log: list[str], first: str = "a", second: str = "b", fails: bool = False) -> list[Stage]:
    return [
        stage("one", {"text": first}, (), log),
        stage("two", {"text": second, "fails": fails}, ("one",), log),
        stage("three", {"text": "c"}, ("two",), log),
    ]


def test_a_stage_runs_for_its_inputs_and_for_what_it_reads_only(tmp_path):
    def ran_of(**options) -> list[str]:
        log: list[str] = []
        run_stages(chain(log, **options), tmp_path, lambda *told: None)
        return log

    assert ran_of() == ["one", "two", "three"]
    assert ran_of() == []
    assert ran_of(second="d") == ["two", "three"]
    assert ran_of(first="") == ["one", "two", "three"]
    assert (tmp_path / "three/out.txt").read_text() == "bc"
    (tmp_path / "one/out.txt").write_text("")  # as it was left: an empty file
    assert ran_of(first="") == []
    (tmp_path / "stages/two.json").write_text("{")
    assert ran_of(first="") == ["two"]  # the same content: what follows stands


def test_an_interrupted_stage_resumes_for_the_same_inputs_only(tmp_path):
    def ran_of(**options) -> list[str]:
        log: list[str] = []
        try:
            run_stages(chain(log, **options), tmp_path, lambda *told: None)
        except InputError:
            log.append("failed")
        return log

    assert ran_of(fails=True) == ["one", "two", "failed"]
    assert ran_of() == ["two resumed", "three"]
    assert ran_of(second="e", fails=True) == ["two", "failed"]
    assert ran_of(second="f") == ["two", "three"]
    (tmp_path / "stages/one.json").write_text("{}")  # no record of a task
    assert ran_of(second="f") == ["one"]
