import pytest


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--corner", "xx"), "corner of process generic65 must be one of tt, ss, ff, sf, fs, got 'xx'"),
        (("--process", "nowhere"), "process must be one of "),
        (("--only", "trim,colour"), "--only must be among trim, untrimmed, cco, "),
        (("--temp", "27,27"), "--temp must name one or more different values"),
        (("--temp", "hot"), "--temp must be a finite number"),
        (("--temp", "400"), "Condition.temperature_C must be <= 175"),
        (("--resume",), "--resume must name the directory of a run"),
    ],
)
def test_what_is_wrong_is_told_before_anything_is_written(neurocircuit, tmp_path, arguments, message):
    out = tmp_path / "out"
    done = neurocircuit("characterize", *arguments, "--out", str(out))
    assert done.returncode == 2
    assert done.stderr.startswith(f"neurocircuit: {message}")
    assert done.stderr.count("\n") == 1
    assert done.stdout == ""
    assert not out.exists()
