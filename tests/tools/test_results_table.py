"""README's table of results is what the published files say, each kind of result has a row, a change shows."""

import json
import os
import shutil
from pathlib import Path

import pytest

from neurocircuit.errors import FileFormatError, InputError
from tools import marks
from tools import results_table as results

ROOT = Path(__file__).parents[2]
PUBLISHED = ROOT / "reports/published"
KINDS = (
    "Table 3, input jitter",
    "in transistors",
    "as ngspice decks",
    "accuracy, MNIST",
    "Table 4, MNIST",
    "Fig. 2, MNIST",
    "Table 4, Fashion-MNIST",
    "Fig. 2, Fashion-MNIST",
    "spike-time jitter of 1/5/10 %, Fashion-MNIST",
    "Table 4, CIFAR-10",
    "Fig. 2, CIFAR-10",
    "spike-time jitter",
    "whole images on 3 chips of the stressed",
    "noise characterised on the devices of generic65",
    "characterised neuron of generic65_low_noise, all noise of its devices",
    "noise-aware training on the stressed",
    "base of the curves over 5 circuit quantities, stressed",
    "noise-aware training on the embedded",
    "process, voltage, temperature: trimmed and mapped",
    "co-design, balanced",
)


@pytest.mark.parametrize("file", ["README.md", "docs/results.md"])
def test_texts_hold_the_tables_of_the_published_files(file, tmp_path):
    path = ROOT / file
    text = path.read_text(encoding="utf-8")
    assert results.BEGIN in text or results.BEGIN_MAIN in text
    assert results.filled(text, PUBLISHED, os.path.relpath(PUBLISHED, path.parent)) == text


def test_the_main_table_has_both_neurons_with_everything_on_and_says_what_is_free_of_noise():
    table = results.table(PUBLISHED, chosen=results.MAIN)
    assert 5 <= table.count("\n") - 2 <= 6
    assert "neuron of generic65, in windows, all noise" in table
    assert "neuron of generic65_low_noise, in windows, all noise" in table
    assert "oscillators free of noise" in table
    assert set(table.splitlines()) < set(results.table(PUBLISHED).splitlines())


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_of_result_has_a_row(kind):
    assert kind in results.table(PUBLISHED)


def test_a_changed_file_changes_its_row_alone_and_a_missing_one_takes_it_away(tmp_path):
    for name in ("robustness/table4", "robustness/jitter"):
        shutil.copytree(PUBLISHED / name, tmp_path / name)
    before = results.table(tmp_path).splitlines()
    path = tmp_path / "robustness/table4/result.json"
    values = json.loads(path.read_bytes())
    values["studies"]["table4"]["quantisers"]["bank"][-1]["retrained"] = 0.123
    path.write_text(json.dumps(values))
    after = results.table(tmp_path).splitlines()
    changed = [line for line in after if line not in before]
    assert len(changed) == 1
    assert "/12.3 %" in changed[0]
    path.unlink()
    assert [line for line in results.table(tmp_path).splitlines() if "Table 4" in line] == []


def test_the_command_replaces_what_stands_between_the_marks(tmp_path):
    readme = tmp_path / "README.md"
    readme.write_text(f"before\n{results.BEGIN}\nold\n{results.END}\nafter\n")
    assert results.main([str(PUBLISHED), "--into", str(readme)]) == 0
    text = readme.read_text()
    assert text.startswith("before\n")
    assert text.endswith(f"{results.END}\nafter\n")
    assert results.table(PUBLISHED, os.path.relpath(PUBLISHED, tmp_path)) in text
    assert "old\n" not in text
    readme.write_text(f"{results.BEGIN}\nno end\n")
    assert results.main([str(PUBLISHED), "--into", str(readme)]) == 2
    with pytest.raises(FileFormatError, match="must hold the line"):
        results.into(readme, PUBLISHED)
    with pytest.raises(InputError, match="must hold published results"):
        results.table(tmp_path)


@pytest.mark.parametrize(
    "name",
    [
        "README.md",
        "netlists/README.md",
        "training/README.md",
        "docs/neuron.md",
        "docs/studies.md",
        "docs/transistors.md",
        "docs/concepts/tables.md",
    ],
)
def test_every_marked_number_is_what_the_published_files_say(name):
    text = (ROOT / name).read_text(encoding="utf-8")
    assert "<!-- " in text
    assert results.filled(text, PUBLISHED) == text


def test_a_marked_number_follows_its_file(tmp_path):
    (tmp_path / "a.json").write_text(json.dumps({"rows": [{"kind": "x", "v": [0.5]}, {"kind": None, "v": [0.25]}]}))
    mark = "<!-- = a.json rows[kind=null].v.0 100*.1f -->"
    assert marks.fill(f"now {mark}9<!-- / --> %", tmp_path) == f"now {mark}25.0<!-- / --> %"
    with pytest.raises(FileFormatError, match="leads nowhere at kind=y"):
        marks.fill("<!-- = a.json rows[kind=y].v.0 .1f -->9<!-- / -->", tmp_path)
    with pytest.raises(
        FileFormatError, match="must be among codesign, codesign_windowed, codesign_device_noise, embedded_circuit"
    ):
        marks.fill("<!-- table other --><!-- / -->", tmp_path)
