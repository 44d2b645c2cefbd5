"""The transistor section, from a planted transistor.csv beside a run."""

import json
import re
import shutil
from dataclasses import fields
from pathlib import Path

import pytest

from neurocircuit.errors import FileFormatError
from neurocircuit.rendering import write_report
from neurocircuit.rendering.read.sweep import read_run
from neurocircuit.rendering.renderers import sweep_transistors as transistors
from neurocircuit.spec import Bias, Circuit, Components, Condition, NeuronSpec
from neurocircuit.studies.sweep import control
from neurocircuit.tables.transistor_rows import ControlledRow, read
from tests.pictures import assert_drawn

COLUMNS = [field.name for field in fields(ControlledRow)]


def planted(row, difference=0.0, resolved="yes", correlation=0.95, method="control variate"):
    mean = row / 8
    values = {
        "half": "jitter",
        "row": row,
        "n": 40,
        "method": method,
        "mean": mean,
        "ci_low": 0.9 * mean,
        "ci_high": 1.1 * mean,
        "plain_mean": 1.05 * mean,
        "plain_ci_low": 0.7 * mean,
        "plain_ci_high": 1.4 * mean,
        "correlation": correlation,
        "correlation_edge": 0.9,
        "correlation_ideal": 0.8,
        "variance_reduction": 10.0,
        "edge_mean": mean - difference,
        "edge_error": 1e-6,
        "edge_n": 100_000,
        "difference": difference,
        "difference_ci_low": difference - 1e-4,
        "difference_ci_high": difference + 1e-4,
        "floor": mean / 30,
        "floor_n": 8,
        "resolved": resolved,
    }
    return ",".join(str(values[name]) for name in COLUMNS)


ROWS = (planted(0.01, resolved="no"), planted(0.03), planted(0.05, 4e-4), planted(0.09, correlation=""))


@pytest.fixture
def with_rows(written_run, tmp_path):
    def make(*rows: str) -> Path:
        out = tmp_path / "run"
        shutil.copytree(written_run, out)
        (out / "transistor.csv").write_text("\n".join([",".join(COLUMNS), *rows]) + "\n")
        return out

    return make


def test_the_sweep_writes_the_columns_that_the_report_reads():
    assert [field.name for field in fields(control.ControlledRow)] == COLUMNS


def test_the_section_says_where_transistors_and_edges_agree(with_rows):
    rows = read_run(with_rows(*ROWS)).transistor
    beside, _ = transistors.tables(rows)
    assert [(row[0], row[-1]) for row in beside.rows] == [("1", "–"), ("3", "yes"), ("5", "no"), ("9", "yes")]
    assert beside.rows[0][1] == transistors.NOT_RESOLVED
    assert beside.rows[2][1:] == ("0.625", "0.563 … 0.688", "0.585", "+0.040 [+0.030, +0.050]", "no")
    sentence = transistors.sentence(rows)
    agree, differ = re.search(r"agree[^;]*", sentence)[0], re.search(r"differ[^;]*", sentence)[0]
    assert re.findall(r"(\d) %[,; ]?", agree) == ["3", "9"]
    assert "5 %" in differ
    assert "+0.040" in differ


def test_the_page_shows_the_rows_and_a_run_without_transistors_has_no_such_section(with_rows, written_run):
    out = with_rows(*ROWS)
    write_report(out)
    figure = "figures/transistor_rows.png"
    assert figure in (out / "report.md").read_text(encoding="utf-8")
    assert_drawn(out / figure)
    assert figure not in (written_run / "report.md").read_text(encoding="utf-8")


def test_an_unused_control_variate_and_absent_numbers_are_shown_as_such(with_rows):
    plain = planted(0.09, correlation="", method="plain Monte Carlo")
    tables = transistors.tables(read(with_rows(plain) / "transistor.csv"))
    assert tables[1].rows[0][2:7] == ("0.9", "0.8", "–", "10", "plain Monte Carlo")


@pytest.mark.parametrize("damage", ["half,row\njitter,0.01\n", ",".join(COLUMNS) + "\njitter,much" + ",1" * 20 + "\n"])
def test_a_damaged_file_is_named(with_rows, damage):
    out = with_rows()
    (out / "transistor.csv").write_text(damage)
    with pytest.raises(FileFormatError, match=r"transistor\.csv is not a table of transistor rows"):
        write_report(out)


def test_chips_are_shown_with_the_yield_of_trim(with_rows):
    out = with_rows(*ROWS)
    request = json.loads((out / "request.json").read_text())
    nominal = NeuronSpec.from_dict(request["spec"])
    circuit = Circuit(
        process="generic65",
        condition=Condition(corner="tt", temperature_C=27.0, supply_V=1.0),
        components=Components(r1_Ohm=3e5, c_F=1e-14, r2_Ohm=1.3e6, r4_Ohm=8e4),
        bias=Bias(vco1_A=1.119e-5, vco2_A=9e-6, vco3_A=2.3e-5, vco4_A=8.6e-6, weight_A=1e-6),
        f1_Hz=7.49e8,
        f3_Hz=9.37e8,
        lead_rad=1.9,
        chip_seed=17,
    )
    chips = [nominal.replace(name=f"n chip {k}", circuit=circuit, threshold_vco_ratio=1.25) for k in (0, 2)]
    request |= {"chips": [chip.to_dict() for chip in chips], "lost_chips": {"n chip 1": "VCO2 does not lock"}}
    (out / "request.json").write_text(json.dumps(request))
    write_report(out)
    text = (out / "report.md").read_text(encoding="utf-8")
    # Wilson's 95 % interval of 2 of 3: (p + z²/2n ± z √(p(1-p)/n + z²/4n²)) / (1 + z²/n) = 0.208 … 0.939.
    assert "2 of 3 chips (21 … 94 %" in text
    assert "n chip 1" in text
    assert "VCO2 does not lock" in text
    assert "| n chip 2 | 17 | 11.190 | 9.000 | 23.000 | 8.600 | 749.00 | 937.00 | 1.900 | " in text
