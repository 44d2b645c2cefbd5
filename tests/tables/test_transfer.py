import csv
import io
import json
import math
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import xarray as xr
from click.testing import CliRunner
from hypothesis import given, settings
from hypothesis import strategies as st

from neurocircuit.cli import main
from neurocircuit.cli.table import command
from neurocircuit.core.netcdf import dataset_bytes, seal
from neurocircuit.errors import FileFormatError, InputError
from neurocircuit.tables import STATISTICS, TransferTable, percent_text
from neurocircuit.tables.compare import compare
from neurocircuit.tables.jitter import output_jitter

LEVELS = ("edge", "ideal")
AMPLITUDES = (0.01, 0.03, 0.05)
PROVENANCE = {
    "testbench": {"metric": "mean", "summary": "τ, Δ"},
    "seed": 1,
    "spec_sha256": "ab",
    "engines": {"edge": "x"},
}


def statistics(scale: float, *, n: int = 200, floor: float = 1e-9, seed: int = 0) -> dict[str, float]:
    draws = np.random.default_rng(seed).normal(size=n)
    return output_jitter(np.ones(n), 1 + scale * draws, floor=floor)


def make_table(*, scale: float = 1.0, bits: bool = True, provenance: dict[str, Any] = PROVENANCE) -> TransferTable:
    jitter = {(level, a): statistics(scale * a / 5) for level in LEVELS for a in AMPLITUDES}
    quantised = {("edge", b): statistics(0.3 / 2**b, floor=1e-5) for b in (4, 24)} if bits else {}
    return TransferTable.from_statistics(jitter, quantised, {"edge": (1.0, 0.9, 1.1)}, provenance)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    make_table().save(str(tmp_path / "table.nc"))
    return tmp_path / "table.nc"


def test_axes_and_variables_carry_units_and_names() -> None:
    dataset = make_table().dataset
    assert dataset["jitter_mean"].dims == ("level", "input_jitter")
    assert dataset["bits_mean"].dims == ("level", "bits")
    for name in [*dataset.data_vars, "input_jitter", "bits"]:
        assert dataset[name].attrs["units"] in ("1", "bit")
        assert dataset[name].attrs["long_name"]
    assert dataset.attrs["schema_version"] == 1
    assert {name.removeprefix("jitter_") for name in map(str, dataset) if name.startswith("jitter_")} == set(STATISTICS)


def test_what_is_saved_comes_back(path: Path) -> None:
    before, after = make_table(), TransferTable.load(path)
    xr.testing.assert_equal(before.dataset, after.dataset)
    assert compare(after, before).identical
    assert after.provenance == PROVENANCE
    assert (after.levels, after.rows("jitter"), after.rows("bits")) == (LEVELS, AMPLITUDES, (4, 24))
    assert after.row("jitter", "ideal", 0.03)["mean"] == statistics(0.03 / 5)["mean"]
    assert math.isnan(after.row("bits", "ideal", 4)["n"])
    assert after.exponent("edge") == (1.0, 0.9, 1.1)


finite = st.floats(0, 1e3)


@settings(max_examples=30, deadline=None)
@given(
    st.dictionaries(
        st.tuples(st.sampled_from(["edge", "ideal", "bsource"]), st.floats(1e-4, 0.2)),
        st.fixed_dictionaries({name: st.one_of(finite, st.just(math.nan)) for name in STATISTICS}),
        max_size=5,
    ),
    st.dictionaries(
        st.tuples(st.sampled_from(["edge", "ideal"]), st.integers(1, 52)),
        st.fixed_dictionaries(dict.fromkeys(STATISTICS, finite)),
        min_size=1,
        max_size=4,
    ),
    st.dictionaries(st.text(max_size=5), st.one_of(st.text(), st.integers(), st.floats(allow_nan=False)), max_size=4),
)
def test_round_trip_and_equal_bytes(
    tmp_path_factory: pytest.TempPathFactory, jitter: Any, bits: Any, provenance: dict[str, Any]
) -> None:
    provenance = {key: value for key, value in provenance.items() if value not in (math.inf, -math.inf)}
    table = TransferTable.from_statistics(jitter, bits, {}, provenance)
    first, second = (tmp_path_factory.mktemp("t") / name for name in ("a.nc", "b.nc"))
    table.save(first)
    again = TransferTable.load(first)
    again.save(second)
    assert first.read_bytes() == second.read_bytes()
    assert compare(table, again).identical
    assert again.provenance == provenance
    for (level, row), values in jitter.items():
        assert again.row("jitter", level, row) == pytest.approx(values, nan_ok=True, rel=0, abs=0)


def test_a_second_process_writes_the_same_bytes(path: Path, tmp_path: Path) -> None:
    code = (
        "import sys; from pathlib import Path; from neurocircuit.tables import TransferTable as T\n"
        "t = T.load(Path(sys.argv[1])); t.save(Path(sys.argv[2]))\n"
        "j, b = ({(l, v): t.row(h, l, v) for l in t.levels for v in t.rows(h)} for h in ('jitter', 'bits'))\n"
        "T.from_statistics(j, b, {l: t.exponent(l) for l in t.levels}, t.provenance).save(Path(sys.argv[3]))"
    )
    copies = [tmp_path / "again.nc", tmp_path / "rebuilt.nc"]
    subprocess.run([sys.executable, "-c", code, path, *copies], check=True, env={"PYTHONHASHSEED": "2"})
    assert [copy.read_bytes() for copy in copies] == [path.read_bytes()] * 2


def test_an_absent_half_leaves_no_variables(tmp_path: Path) -> None:
    table = make_table(bits=False)
    assert table.halves == ("jitter",)
    assert not [name for name in map(str, table.dataset) if name.startswith("bits_")]
    assert table.rows("bits") == ()
    assert "weight bits" not in table.to_text()
    table.save(tmp_path / "a.nc")
    assert TransferTable.load(tmp_path / "a.nc").halves == ("jitter",)
    with pytest.raises(InputError, match="at least one row"):
        TransferTable.from_statistics({}, {}, {}, {})


def test_every_truncation_is_refused_in_one_line(path: Path) -> None:
    data, cut = path.read_bytes(), path.with_name("cut.nc")
    positions = sorted({*range(0, len(data), 37), *range(300), *range(len(data) - 300, len(data))})
    for position in positions:
        cut.write_bytes(data[:position])
        with pytest.raises(FileFormatError, match=r"cut\.nc") as caught:
            TransferTable.load(cut)
        assert len(str(caught.value)) < 500


def test_changed_bytes_are_refused_or_do_not_matter(path: Path) -> None:
    """Flips one byte at many places: either the load refuses, or what it read is what was written."""
    data, edited = path.read_bytes(), path.with_name("edited.nc")
    refused = 0
    for position in range(0, len(data), 41):
        edited.write_bytes(data[:position] + bytes([data[position] ^ 0x15]) + data[position + 1 :])
        try:
            table = TransferTable.load(edited)
        except FileFormatError:
            refused += 1
        else:
            assert compare(table, make_table()).identical
    assert refused > 0.8 * len(data) / 41


def resealed(path: Path, name: str, **attributes: Any) -> Path:
    changed = path.with_name(name)
    changed.write_bytes(dataset_bytes(seal(make_table().dataset.assign_attrs(attributes))))
    return changed


def test_foreign_files_are_refused_by_name(path: Path, tmp_path: Path) -> None:
    text, foreign = tmp_path / "notes.txt", tmp_path / "foreign.nc"
    text.write_text("not a table")
    foreign.write_bytes(bytes(xr.Dataset({"a": ("x", np.ones(3))}).to_netcdf(engine="scipy")))
    for file, message in [
        (text, r"notes\.txt must be a netCDF 3 file, got one that starts with b'not a ta'"),
        (foreign, r"foreign\.nc must be a transfer table of neurocircuit"),
        (resealed(path, "newer.nc", schema_version=2), r"newer\.nc has schema version 2; this program reads version 1"),
        (resealed(path, "changed.nc", provenance="{"), r"changed\.nc lacks readable provenance"),
    ]:
        with pytest.raises(FileFormatError, match=message):
            TransferTable.load(file)
    with pytest.raises(InputError, match=r"cannot read .*missing\.nc: No such file"):
        TransferTable.load(tmp_path / "missing.nc")
    with pytest.raises(InputError, match=r"cannot read .*: Is a directory"):
        TransferTable.load(tmp_path)


def test_edited_data_and_a_missing_axis_are_refused(path: Path) -> None:
    dataset = make_table().dataset
    edited = dataset.copy(deep=True)
    edited["jitter_mean"][0, 0] = 0.5
    path.write_bytes(dataset_bytes(edited))
    with pytest.raises(FileFormatError, match="was changed after it was written"):
        TransferTable.load(path)
    path.write_bytes(dataset_bytes(seal(dataset.drop_vars("input_jitter"))))
    with pytest.raises(FileFormatError, match="lacks the axis input_jitter"):
        TransferTable.load(path)


def test_a_table_that_xarray_opened_and_saved_is_unchanged(path: Path, tmp_path: Path) -> None:
    make_table().save(path)
    with xr.open_dataset(path) as opened:
        opened.to_netcdf(tmp_path / "saved.nc", engine="scipy")
        edited = opened.load().copy(deep=True)
    assert TransferTable.load(tmp_path / "saved.nc").to_csv() == make_table().to_csv()
    edited["jitter_mean"][0, 0] = 0.5
    edited.to_netcdf(tmp_path / "edited.nc", engine="scipy")
    with pytest.raises(FileFormatError, match="was changed after it was written"):
        TransferTable.load(tmp_path / "edited.nc")


def test_csv_holds_every_digit() -> None:
    table = make_table()
    lines = list(csv.DictReader(io.StringIO(table.to_csv())))
    assert len(lines) == 2 * 3 + 2
    for line in lines:
        half, key = ("jitter", "input_jitter[1]") if line["input_jitter[1]"] else ("bits", "bits[bit]")
        assert line["half"] == half
        row = table.row(half, line["level"], float(line[key]))
        for name, value in row.items():
            text = line[name if name in ("fired", "n", "pulse_moves") else f"{name}[1]"]
            assert float(text) == value if text else math.isnan(value)
    assert lines[0]["exponent_low[1]"] == "0.9"
    assert lines[0]["n"] == "200"


def test_values_below_the_floor_are_printed_as_such() -> None:
    table = make_table()
    assert table.row("bits", "edge", 24)["mean"] < 1e-5
    assert "< 0.0010" in table.to_text()
    assert "$< 0.0010$" in table.to_latex()
    assert "<" not in make_table(bits=False).to_text()


@pytest.mark.parametrize(
    ("ratio", "text"),
    [
        (0.00024, "0.024"),
        (0.00997, "0.997"),
        (0.0, "0.000"),
        (9.9e-5, "0.0099"),
        (1.2e-5, "0.0012"),
        (6e-9, "6.0e-07"),
        (0.1234567, "12.346"),
        (math.nan, "-"),
        (-0.0651, "-6.510"),
    ],
)
def test_percent_text(ratio: float, text: str) -> None:
    assert percent_text(ratio) == text


def test_latex_looks_like_table_3_with_the_papers_column() -> None:
    text = make_table().to_latex({"jitter": {0.01: 0.00024}, "bits": {4: 0.00957}})
    assert text.count(r"\toprule") == text.count(r"\bottomrule") == 1
    assert r"input jitter (\%) & paper & edge & ideal \\" in text
    rows = [line for line in text.splitlines() if line.startswith(("1 &", "4 &", "24 &"))]
    assert rows[0].startswith("1 & 0.024 & 0.1")
    assert rows[1].endswith(r"& -- \\")
    assert rows[2].startswith("24 & -- & $<")


def test_show_and_diff_on_the_command_line(path: Path, tmp_path: Path) -> None:
    run = CliRunner().invoke
    assert "output jitter, mean (%)" in run(command, ["show", str(path)]).stdout
    assert run(command, ["show", str(path), "--csv"]).stdout == make_table().to_csv()
    assert run(command, ["show", str(path), "--latex"]).stdout == make_table().to_latex()
    shown = json.loads(run(command, ["show", str(path), "--json"]).stdout)
    assert len(shown["rows"]) == 8
    assert shown["rows"][0]["mean"] == make_table().row("jitter", "edge", 0.01)["mean"]
    assert run(command, ["diff", str(path), str(path)]).stdout == "no difference\n"
    make_table(scale=2).save(tmp_path / "b.nc")
    result = run(command, ["diff", str(path), str(tmp_path / "b.nc"), "--json"])
    assert result.exit_code == 0
    changed = json.loads(result.stdout)
    assert changed["identical"] is False
    assert [row["low"] > 0 for row in changed["rows"]] == [row["half"] == "jitter" for row in changed["rows"]]
    assert json.loads(run(command, ["diff", str(path), str(path), "--json"]).stdout)["identical"] is True


@pytest.mark.parametrize(
    "arguments",
    [["show", "missing.nc", "--json"], ["diff", "x.txt", "x.txt"], ["show"], ["show", "x.txt", "--json", "--csv"]],
)
def test_errors_are_one_line_and_exit_code_2(
    arguments: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("x.txt").write_text("x")
    monkeypatch.setattr(sys, "argv", ["neurocircuit", "table", *arguments])
    with pytest.raises(SystemExit) as stopped:
        main()
    assert stopped.value.code == 2
    printed = capsys.readouterr()
    assert printed.out == ""
    assert printed.err.count("\n") == 1
