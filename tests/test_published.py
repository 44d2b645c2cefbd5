"""Every published result is read by `nc.load` and says in text what it found."""

import csv
import json
from pathlib import Path

import pytest

import neurocircuit as nc
from neurocircuit.core.result import FolderResult
from neurocircuit.errors import FileFormatError
from neurocircuit.snn.training.runlog import Trained
from neurocircuit.studies.characterisation import Characterisation
from neurocircuit.studies.sweep.result import SweepRun

PUBLISHED = Path(__file__).parents[1] / "reports/published"


def kind_in(file: Path) -> str | None:
    values = json.loads(file.read_bytes())
    return values.get("kind") if isinstance(values, dict) else None


RESULTS = {
    file.relative_to(PUBLISHED).as_posix(): kind for file in PUBLISHED.rglob("*.json") if (kind := kind_in(file))
}


def test_there_are_results_of_every_kind_that_is_published() -> None:
    assert set(RESULTS.values()) >= {
        "sweep",
        "characterisation",
        "training",
        "conversion",
        "mapping",
        "calibration",
        "replay",
        "transfer_jitter",
        "evaluation",
        "evaluation_on_chips",
        "robustness",
        "compare",
        "circuit_curves",
        "pvt",
        "codesign",
    }


@pytest.mark.parametrize("name", sorted(RESULTS))
def test_a_published_result_loads_as_its_kind_and_has_a_summary(name: str) -> None:
    result = nc.load(PUBLISHED / name)
    assert result.kind == RESULTS[name]
    summary = result.summary()
    assert summary.strip()
    assert "None" not in summary


def test_a_sweep_comes_back_from_its_folder_with_its_table(tmp_path: Path) -> None:
    folder = PUBLISHED / "transistor"
    sweep = nc.load(folder)
    assert isinstance(sweep, SweepRun)
    with (folder / "table.csv").open(encoding="utf-8", newline="") as file:
        rows = [row for row in csv.DictReader(file) if row["half"] == "jitter"]
    assert {float(row["input_jitter[1]"]) for row in rows} == set(sweep.table.rows("jitter"))
    copied = nc.load(sweep.save(tmp_path / "copy"))
    assert isinstance(copied, SweepRun)
    assert copied.to_dict() == sweep.to_dict()
    assert copied.table.to_csv() == sweep.table.to_csv()
    assert copied.lost == sweep.lost


def test_a_characterisation_comes_back_with_its_neuron(tmp_path: Path) -> None:
    characterisation = nc.load(PUBLISHED / "datasheet-generic65")
    assert isinstance(characterisation, Characterisation)
    assert characterisation.spec == nc.NeuronSpec.from_toml(PUBLISHED / "datasheet-generic65/spec.toml")
    copied = nc.load(characterisation.save(tmp_path / "copy"))
    assert isinstance(copied, Characterisation)
    assert copied.spec == characterisation.spec
    assert len(copied.specs) == len(characterisation.specs)


def test_a_training_run_comes_back_with_its_network() -> None:
    trained = nc.load(PUBLISHED / "networks/mnist-seed1")
    assert isinstance(trained, Trained)
    assert "99.28%" in trained.summary()
    assert trained.model.weights == trained.weights


def test_a_run_stays_where_it_is_when_it_is_saved_there() -> None:
    for name in ("transistor", "datasheet-generic65"):
        folder = PUBLISHED / name
        before = {file: file.stat().st_mtime_ns for file in folder.rglob("*")}
        result = nc.load(folder)
        assert isinstance(result, FolderResult)
        assert result.save(folder) == folder
        assert {file: file.stat().st_mtime_ns for file in folder.rglob("*")} == before


def test_a_record_with_an_unknown_field_is_refused_by_name(tmp_path: Path) -> None:
    values = json.loads((PUBLISHED / "table3/run.json").read_bytes())
    (tmp_path / "run.json").write_text(json.dumps(values | {"luck": 7}))
    with pytest.raises(FileFormatError, match=r"SweepRun\.luck"):
        nc.load(tmp_path)
