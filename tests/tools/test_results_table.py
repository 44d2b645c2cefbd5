"""README's table of results is what the published files say, each kind of result has a row, a change shows."""

import json
import shutil
from pathlib import Path

import pytest

from neurocircuit.errors import FileFormatError, InputError
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
    "noise-aware training on the stressed",
    "base of the curves over 5 circuit quantities, stressed",
    "noise-aware training on the embedded",
    "process, voltage, temperature: trimmed and mapped",
    "co-design, balanced",
)


def test_readme_holds_the_table_of_the_published_files():
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    assert text.partition(results.BEGIN)[2].partition(results.END)[0].strip() == results.table(PUBLISHED).strip()


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
    assert results.table(PUBLISHED) in text
    assert "old\n" not in text
    readme.write_text("no marks\n")
    assert results.main([str(PUBLISHED), "--into", str(readme)]) == 2
    with pytest.raises(FileFormatError, match="must hold the lines"):
        results.into(readme, PUBLISHED)
    with pytest.raises(InputError, match="must hold published results"):
        results.table(tmp_path)


def test_readme_says_of_the_curves_what_their_file_says():
    values = json.loads((PUBLISHED / "robustness/circuit/result.json").read_bytes())
    found = {
        (row["circuit"], row["quantity"], row["value"], row["group"]): 100 * row["accuracy"] for row in values["rows"]
    }
    text = " ".join((ROOT / "README.md").read_text(encoding="utf-8").split())

    def both(*place):
        return [found[*place, group] for group in ("clean", "aware")]

    clean, aware = both("stressed", None, None)
    assert f"On the stressed circuit {clean:.1f} % (70 to 98) without and {aware:.1f} %" in text
    clean, aware = both("embedded", "phase_noise", 3e5)
    assert f"at 3·10⁵ {clean:.0f} and {aware:.0f} % are left" in text
    few, many = both("stressed", "cycles", 4.0), both("stressed", "cycles", 30.0)
    own = both("stressed", None, None)
    assert (
        f"{few[0]:.1f}, {own[0]:.1f}, {many[0]:.1f} % at 4, 15, 30 ({few[1]:.1f}, {own[1]:.1f}, {many[1]:.1f} %" in text
    )
    clean, aware = both("embedded", "mismatch", 3e-4)
    assert f"3·10⁻⁴ leaves {clean:.0f} and {aware:.0f} %" in text
    clean, aware = both("stressed", "headroom", 0.2)
    assert f"leaves {clean:.0f} and {aware:.0f} %" in text
