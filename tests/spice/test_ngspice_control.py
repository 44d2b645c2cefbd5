"""Decks that run themselves: state files, an early stop, and the distrust of both."""

import numpy as np
import pytest

from neurocircuit.errors import SimulatorBadOutput
from neurocircuit.spice import ngspice
from tests.command_line import PATIENCE_s

RC = """* rc
V1 a 0 pulse(0.0 1.0 1e-9 1e-11 1e-11 1.0 2.0)
R1 a b 1e3
C1 b 0 1e-12
.control
set num_threads=1
save v(b)
{before}
tran 1e-11 5e-9 0.0 1e-11 uic
{after}
write out.raw v(b)
quit 0
.endc
.end
"""
GOOD = "raw(['time', 'v(b)'], [(k * 1e-9, 1.0) for k in range(6)])\n"
SHORT = "raw(['time', 'v(b)'], [(k * 1e-9, 1.0) for k in range(4)])\n"
MET = "print('14: condition met: stop  when v(b) > 0.5')\nprint('tran simulation interrupted')\n"


def run(before="", after="", **options):
    settings = {"timeout_s": PATIENCE_s, "first_by_s": 1e-11, **options}
    return ngspice.run_control(RC.format(before=before, after=after), ("v(b)",), 5e-9, **settings)


def test_a_whole_run(work_root):
    ran = run()
    assert not ran.stopped
    assert ran.vectors["time"][-1] == pytest.approx(5e-9)
    late = ran.vectors["time"] > 1.1e-9
    expected = 1 - np.exp(-(ran.vectors["time"][late] - 1.005e-9) / 1e-9)
    np.testing.assert_allclose(ran.vectors["v(b)"][late], expected, atol=2e-3)
    assert not list(work_root.iterdir())


def test_stop_when_ends_the_run_where_its_condition_is_met():
    ran = run("stop when v(b) > 0.5", may_stop=True)
    assert ran.stopped
    assert ran.vectors["time"][-1] == pytest.approx(1.005e-9 + np.log(2) * 1e-9, abs=2e-11)


def test_a_condition_that_is_never_met_leaves_a_whole_run():
    assert not run("stop when v(b) > 5", may_stop=True).stopped


def test_an_early_stop_that_was_not_allowed_is_refused():
    with pytest.raises(SimulatorBadOutput, match="interrupted"):
        run("stop when v(b) > 0.5")


def test_a_state_goes_on_where_it_was_taken():
    ran = run(after="wrnodev state.ic", outputs=("state.ic",))
    assert ".ic v(b)" in ran.texts["state.ic"]
    deck = RC.format(before="", after="").replace("pulse(0.0 1.0 1e-9 1e-11 1e-11 1.0 2.0)", "0.0")
    deck = deck.replace(".control", ".include state.ic\n.control", 1)
    state = "\n".join(line for line in ran.texts["state.ic"].splitlines() if "v(b)" in line)
    files = {"state.ic": state + "\n"}
    decay = ngspice.run_control(deck, ("v(b)",), 5e-9, timeout_s=PATIENCE_s, files=files, first_by_s=1e-11).vectors
    expected = ran.vectors["v(b)"][-1] * np.exp(-decay["time"] / 1e-9)
    np.testing.assert_allclose(decay["v(b)"], expected, atol=2e-3)


def test_links_and_variables_reach_the_deck(tmp_path):
    (tmp_path / "part.cir").write_text("R2 b 0 1e3\n")
    deck = RC.format(before="echo mode=$ngbehavior > mode.txt", after="").replace("C1", ".include 'parts/part.cir'\nC1")
    ran = ngspice.run_control(
        deck,
        ("v(b)",),
        5e-9,
        timeout_s=PATIENCE_s,
        links={"parts": tmp_path},
        variables={"ngbehavior": "hsa"},
        outputs=("mode.txt",),
        first_by_s=1e-11,
    )
    assert ran.vectors["v(b)"][-1] == pytest.approx(0.5, abs=2e-3)
    assert ran.texts["mode.txt"].strip() == "mode=hsa"


@pytest.mark.parametrize(
    ("body", "options", "reason"),
    [
        (SHORT, {}, "must deliver 0 … 5e-09 s, got 0 … 3e-09 s"),
        (SHORT, {"may_stop": True}, "must deliver 0 … 5e-09 s, got 0 … 3e-09 s"),
        (SHORT + MET, {}, "did not simply solve .* interrupted"),
        (SHORT + MET + "print('Error: more')", {"may_stop": True}, "did not simply solve .* Error: more"),
        ("raw(['time', 'v(b)'], [])\n" + MET, {"may_stop": True}, "got no point"),
        ("raw(['time', 'v(b)'], [(1e-9, 1.0), (5e-9, 1.0)])", {}, "got 1e-09 … 5e-09 s"),
        (GOOD, {"outputs": ("state.ic",)}, "did not write state.ic"),
        (GOOD + "open('state.ic', 'w')", {"outputs": ("state.ic",)}, "wrote an empty state.ic"),
        (GOOD + "print('warning, can\\'t find model')", {}, "can't find model"),
    ],
)
def test_bad_runs_are_refused(fake_ngspice, body, options, reason):
    fake_ngspice(body)
    with pytest.raises(SimulatorBadOutput, match=reason):
        run(**options)


def test_an_early_stop_is_believed_with_its_line(fake_ngspice):
    fake_ngspice(SHORT + MET)
    assert run(may_stop=True).stopped


def test_a_written_file_is_read(work_root):
    text = ngspice.written(
        "* r\nR1 a 0 1e3\n.control\nlisting expand > list.txt\nquit 0\n.endc\n.end\n", "list.txt", timeout_s=PATIENCE_s
    )
    assert "r1 a 0 1e3" in text
    assert not list(work_root.iterdir())
