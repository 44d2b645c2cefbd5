import struct
import subprocess

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from neurocircuit.errors import SimulatorBadOutput
from neurocircuit.spice.ngspice import find_ngspice
from neurocircuit.spice.rawfile import parse_raw, read_raw

DECK = """\
* charging of a capacitor
V1 a 0 PWL(0 0 1e-9 1)
R1 a b 1e3
C1 b 0 1e-12
.tran 1e-10 5e-9
{control}
.end
"""
ASCII = ".control\nset filetype=ascii\n.endc"


def ngspice(directory, control, *flags):
    (directory / "x.cir").write_text(DECK.format(control=control))
    command = [find_ngspice(), "-n", *flags]
    return subprocess.run(command, cwd=directory, capture_output=True, check=False, stdin=subprocess.DEVNULL)


@pytest.fixture(scope="module")
def binary(tmp_path_factory):
    """Bytes of a genuine binary raw file."""
    directory = tmp_path_factory.mktemp("binary")
    ngspice(directory, "", "-b", "-r", "x.raw", "x.cir")
    return (directory / "x.raw").read_bytes()


def header(variables=2, points=3, flags="real", rows=("0\ttime\ttime", "1\tv(a)\tvoltage"), extra=""):
    head = f"Title: t\nDate: d\nPlotname: Transient Analysis\nFlags: {flags}\n"
    lines = "".join(f"\t{row}\n" for row in rows)
    return f"{head}No. Variables: {variables}\nNo. Points: {points}\n{extra}Variables:\n{lines}".encode()


DATA = struct.pack("6d", 0.0, 1.0, 1.0, 2.0, 2.0, 4.0)


def test_binary_and_ascii_files_of_ngspice_agree(binary, tmp_path):
    ngspice(tmp_path, ASCII, "-b", "-r", "x.raw", "x.cir")
    text = read_raw(tmp_path / "x.raw")
    plot = parse_raw(binary)
    assert (plot.title, plot.name) == ("* charging of a capacitor", "Transient Analysis")
    assert list(plot.vectors) == list(text.vectors) == ["time", "v(a)", "v(b)", "i(v1)"]
    for name, vector in plot.vectors.items():
        assert vector.dtype == np.float64
        np.testing.assert_allclose(text.vectors[name], vector, rtol=1e-14, atol=0)
    # the node follows R C v' + v = u: v = u(t) - RC (1 - e^{-t/RC}) while the source ramps
    t, v = plot.vectors["time"] / 1e-9, plot.vectors["v(b)"]
    np.testing.assert_allclose(v[t <= 1], (t - 1 + np.exp(-t))[t <= 1], atol=2e-3)


def test_a_table_printed_into_the_header_is_skipped():
    table = (
        "No. of Data Columns : 2  \n\nInitial Transient Solution\n--------------------------\n\n"
        "Node                                   Voltage\n----                                   -------\n"
        "a                                            1\nv1#branch                                -1e-12\n\n"
    )
    for content in (
        header(extra=table) + b"Binary:\n" + DATA,
        header().replace(b"Variables:\n\t0", f"Variables:\n{table}\t0".encode()) + b"Binary:\n" + DATA,
    ):
        np.testing.assert_array_equal(parse_raw(content).vectors["v(a)"], [1, 2, 4])


def test_the_server_mode_of_ngspice_puts_that_table_there(tmp_path):
    """The header announces 0 points in that mode, so the file is refused, but for this reason alone."""
    (tmp_path / "x.cir").write_text(DECK.format(control=""))
    with (tmp_path / "x.cir").open() as deck:
        command = [find_ngspice(), "-n", "-s"]
        out = subprocess.run(command, stdin=deck, capture_output=True, check=False, cwd=tmp_path).stdout
    raw = out[out.index(b"Title:") :]
    assert b"Initial Transient Solution" in raw[: raw.index(b"Binary:")]
    with pytest.raises(SimulatorBadOutput, match="bytes beyond its 0 announced points"):
        parse_raw(raw)


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "empty"),
        (b"\x89PNG\r\n\x1a\n", "foreign: it does not start with Title:"),
        (b"Title: x\n", "truncated: no Binary: or Values: line"),
        (header() + b"Binary:\n" + DATA[:-1], "truncated: 2 of 3 announced points"),
        (header() + b"Binary:\n" + DATA + b"\0", "1 bytes beyond its 3 announced points"),
        (header(points=10**15 - 1) + b"Binary:\n" + DATA, "truncated: 3 of 999999999999999 announced points"),
        (header(points=10**15) + b"Binary:\n" + DATA, "No. Points: with a whole number, got '1000000000000000'"),
        (header(points=-3) + b"Binary:\n" + DATA, "No. Points: with a whole number, got '-3'"),
        (header(points="") + b"Binary:\n" + DATA, "No. Points: with a whole number, got ''"),
        (header(variables=3) + b"Binary:\n" + DATA, "announces 3 variables and lists 2"),
        (header(variables=0, rows=()) + b"Binary:\n", "announces 0 variables and lists 0"),
        (header(flags="complex") + b"Binary:\n" + DATA, "must have Flags: real, got 'complex'"),
        (header(rows=("0\ttime\ttime", "1\ttime\ttime")) + b"Binary:\n" + DATA, "lists a variable twice"),
        (header(rows=("0\ttime\ttime", "7\tv(a)\tvoltage")) + b"Binary:\n" + DATA, "foreign line .* its variables"),
        (header(extra="what is this line\n") + b"Binary:\n" + DATA, "foreign line 'what is this line'"),
        (header() + b"Binary:\n" + DATA[:-8] + struct.pack("d", np.nan), "v\\(a\\) is nan at point 2 of 3"),
        (header() + b"Binary:\n" + struct.pack("d", np.inf) + DATA[8:], "time is inf at point 0 of 3"),
        (header() + b"Values:\n0\t1.0\n\t2.0\n", "holds 1 of 3 announced points"),
        (header() + b"Values:\n0 1 2\n1 1 2\n2 1 x\n", "a value that is not a number"),
        (header() + b"Values:\n0 1 2\n1 1 2\n3 1 2\n", "does not count its points"),
        (header().replace(b"Variables:\n\t0", b"Variable:\n\t0") + b"Binary:\n" + DATA, "no Variables: line"),
    ],
)
def test_bad_files_are_refused_with_the_reason(content, reason):
    with pytest.raises(SimulatorBadOutput, match=reason) as caught:
        parse_raw(content)
    assert "\n" not in str(caught.value)


def test_an_absent_file_is_bad_output(tmp_path):
    with pytest.raises(SimulatorBadOutput, match="raw file cannot be read: No such file"):
        read_raw(tmp_path / "absent.raw")


def refused_or_whole(content):
    try:
        plot = parse_raw(content)
    except SimulatorBadOutput as error:
        assert "\n" not in str(error)  # noqa: PT017 - either outcome is right
        return False
    assert all(np.isfinite(vector).all() for vector in plot.vectors.values())
    return True


@given(st.binary(max_size=300), st.booleans())
def test_any_bytes_give_a_plot_or_bad_output(noise, with_title):
    refused_or_whole((b"Title:" if with_title else b"") + noise)


@given(st.binary(max_size=200), st.integers(1, 9), st.integers(0, 9), st.sampled_from([b"Binary:\n", b"Values:\n"]))
def test_any_data_behind_a_header_give_a_plot_or_bad_output(noise, variables, points, mark):
    rows = [f"{k}\tv({k})\tvoltage" for k in range(variables)]
    refused_or_whole(header(variables, points, rows=rows) + mark + noise)


@settings(max_examples=200)
@given(data=st.data())
def test_every_truncation_of_a_genuine_file_is_refused(binary, data):
    end = data.draw(st.integers(0, len(binary) - 1))
    assert not refused_or_whole(binary[:end])
    assert refused_or_whole(binary)


@settings(max_examples=200)
@given(data=st.data())
def test_any_changed_byte_of_a_genuine_file_gives_a_plot_or_bad_output(binary, data):
    changed = bytearray(binary)
    start = data.draw(st.integers(0, 500))
    changed[start : start + 3] = data.draw(st.binary(min_size=1, max_size=6))
    refused_or_whole(bytes(changed))
