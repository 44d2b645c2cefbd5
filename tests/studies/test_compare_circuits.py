"""Two circuits: what differs is said, from specs, sweeps, mappings and runs alike; equal ones do not move."""

import pytest
from click.testing import CliRunner

from neurocircuit.cli.compare import command
from neurocircuit.errors import InputError
from neurocircuit.kinds import load
from neurocircuit.rendering import write_report
from neurocircuit.spec import NeuronSpec
from neurocircuit.studies.compare_circuits import _fields as compare_fields
from neurocircuit.studies.compare_circuits import compare_circuits, side_of
from tests.pictures import assert_drawn


@pytest.fixture(scope="module")
def slower():
    """The embedded circuit with tau alone changed: the threshold moves."""
    return compare_circuits(NeuronSpec(), NeuronSpec(name="slower", tau_s=40e-9), trials=300)


def test_fields_derived_quantities_and_rows_that_moved_are_named(slower):
    assert [str(change) for change in slower.fields] == ["tau 20 ns → 40 ns"]
    derived = {change.name: (change.before, change.after) for change in slower.derived}
    assert derived["threshold"] == ("1", "0.5")
    assert derived["f0·tau"] == ("15.28", "30.56")
    moved = {(row.half, row.value) for row in slower.moved}
    assert ("bits", 4) in moved  # half the threshold: weights of 4 bit are rounded half as coarsely beside it
    for row in slower.rows:
        assert row.moved == (row.low > 0 or row.high < 0)
    text = slower.summary()
    assert len(text.splitlines()) <= 10 + len(slower.moved)
    assert f": {len(slower.moved)} of 7 rows differ by more than the 95 % interval" in text
    assert all(f"\n  {row.text}" in text for row in slower.moved)
    assert text.startswith("A: embedded, the circuit that comes with the package; B: slower\n")
    assert "limits: not compared, neither has a mapped network" in text


def test_a_neuron_of_half_the_threshold_fires_earlier_in_tau_and_costs_what_its_time_says(slower):
    latency, energy = slower.measured
    assert latency.unit == "s"
    assert latency.after[0] / 40e-9 < latency.before[0] / 20e-9
    assert energy.after[0] / energy.before[0] == pytest.approx(latency.after[0] / latency.before[0])


def test_phase_noise_has_no_prefix_that_would_be_squared_with_the_unit():
    assert [
        str(change) for change in compare_fields({"phase_noise": ["1 rad2/s"] * 4}, {"phase_noise": ["40 krad2/s"] * 4})
    ] == ["phase_noise 1 rad²/s → 40 000 rad²/s"]


def test_equal_circuits_do_not_move():
    same = compare_circuits(NeuronSpec(), NeuronSpec(name="copy"), trials=20)
    assert same.fields == same.derived == same.moved == ()
    assert all(row.change == 0 for row in same.rows)
    assert "the circuits are the same in every field" in same.summary()


def test_energy_is_left_out_where_no_power_is_characterised():
    fast = compare_circuits(NeuronSpec(), NeuronSpec(name="fast", f0_Hz=7e9), trials=20)
    assert not any(quantity.unit == "J" for quantity in fast.measured)
    assert "energy: f0 must be within" in fast.summary()


def test_the_result_is_saved_with_a_report_and_a_figure(slower, tmp_path):
    folder = slower.save(tmp_path / "out")
    assert load(folder).to_dict() == slower.to_dict()
    page = write_report(folder)
    assert slower.rows_sentence() in page.read_text()
    assert_drawn(folder / "figures" / "circuits.svg")


def test_files_and_folders_of_every_kind_are_circuits(tmp_path):
    (tmp_path / "mine.toml").write_text('f0 = "700 MHz"\n')
    assert side_of(tmp_path / "mine.toml").spec.f0_Hz == 700e6
    assert side_of("embedded").spec == NeuronSpec()
    published = "reports/published"
    mapped = side_of(f"{published}/mnist-network/stressed")
    assert mapped.mapping is not None
    assert mapped.spec == mapped.mapping.mapped.neuron
    assert side_of(f"{published}/mnist-network/stressed/network.toml").mapping is not None
    assert side_of(f"{published}/datasheet-generic65").spec.circuit is not None
    swept = side_of(f"{published}/table3")
    assert swept.sweep is not None
    (tmp_path / "empty").mkdir()
    with pytest.raises(InputError, match=r"empty must hold a circuit"):
        side_of(tmp_path / "empty")
    with pytest.raises(InputError, match=r"nowhere does not exist"):
        side_of(tmp_path / "nowhere")


def test_limits_of_two_mappings_are_set_side_by_side():
    published = "reports/published/mnist-network"
    both = compare_circuits(f"{published}/embedded", f"{published}/stressed", trials=4)
    names = [limit.name for limit in both.limits]
    assert "layer 1 XOR range" in names
    assert all(limit.met_after for limit in both.limits)
    assert "limits: all are met in both" in both.summary()


def test_the_command_prints_the_comparison(tmp_path):
    (tmp_path / "mine.toml").write_text('loop_filter = "200 Mrad/s"\n')
    arguments = ["embedded", str(tmp_path / "mine.toml"), "--trials", "20", "--out", str(tmp_path / "out")]
    done = CliRunner().invoke(command, arguments, catch_exceptions=False, standalone_mode=False)
    assert "fields: loop_filter 400 Mrad/s → 200 Mrad/s" in done.stdout
    assert (tmp_path / "out/report.html").is_file()
