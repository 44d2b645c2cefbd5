import os
import re
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import numpy as np
import pytest

from neurocircuit.errors import SimulatorBadOutput, SimulatorMissing, SimulatorTimeout
from neurocircuit.spice import ngspice
from tests.command_line import PATIENCE_s

DECK = "* rc\nV1 a 0 PWL(0 0 1e-9 1)\nR1 a b 1e3\nC1 b 0 1e-12\n.tran 1e-10 5e-9\n.end\n"
GOOD = """
rows = [(k * 1e-9, 1.0) for k in range(6)]
raw(["time", "v(b)"], rows)
"""


def run(deck=DECK, timeout_s=PATIENCE_s, t_stop_s=5e-9, wanted=("v(b)",)):
    return ngspice.run(deck, wanted, t_stop_s, timeout_s=timeout_s)


def kept_log(error):
    return Path(str(error.value).rpartition(" ")[2]) / "ngspice.log"


def dies(pid):
    """A kill is carried out when the kernel comes to it. A zombie is dead: nobody may be there to reap it."""
    give_up = time.monotonic() + PATIENCE_s
    while time.monotonic() < give_up:
        try:
            if Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z":
                return True
        except (FileNotFoundError, ProcessLookupError):
            return True
        time.sleep(0.01)
    return False


def test_a_good_run_leaves_nothing_behind(work_root):
    vectors = run()
    assert list(vectors) == ["time", "v(b)"]
    assert vectors["time"][0] == 0
    t = vectors["time"][vectors["time"] <= 1e-9] / 1e-9
    np.testing.assert_allclose(vectors["v(b)"][: len(t)], t - 1 + np.exp(-t), atol=2e-3)
    assert not list(work_root.iterdir())


def test_the_fake_of_these_tests_passes_when_it_behaves(fake_ngspice):
    fake_ngspice(GOOD)
    assert run()["v(b)"].shape == (6,)


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        ("", "raw file cannot be read: No such file or directory"),
        ("open('out.raw', 'wb').write(bytes(range(256)) * 99)", "raw file is foreign: it does not start with Title:"),
        ("raw(['time', 'v(b)'], [(0.0, 1.0)] * 3, points=6)", "raw file is truncated: 3 of 6 announced points"),
        ("raw(['time', 'v(b)'], [(0.0, 1.0), (5e-9, float('nan'))])", r"v\(b\) is nan at point 1 of 2"),
        ("raw(['time', 'v(b)'], [(0.0, 1.0), (4.9e-9, 1.0)])", "must deliver 0 … 5e-09 s, got 0 … 4.9e-09 s"),
        ("raw(['time', 'v(b)'], [(1e-10, 1.0), (5e-9, 1.0)])", "must deliver 0 … 5e-09 s, got 1e-10 … 5e-09 s"),
        ("raw(['time', 'v(b)'], [])", "must deliver 0 … 5e-09 s, got no point"),
        ("raw(['time', 'v(b)'], [(0.0, 1.0), (2e-9, 1.0), (2e-9, 1.0), (5e-9, 1.0)])", "time must rise"),
        ("raw(['time', 'v(c)'], [(0.0, 1.0), (5e-9, 1.0)])", r"did not deliver v\(b\)"),
        ("raw(['v(b)'], [(0.0,), (5e-9,)])", "did not deliver time"),
        ("os.kill(os.getpid(), signal.SIGKILL)", "ended with signal 9"),
        ("print('Error: out of luck'); sys.exit(1)", "ended with exit code 1: Error: out of luck"),
        ("sys.exit(3)", "ended with exit code 3"),
        (GOOD + "print('Note: Starting dynamic gmin stepping')", "did not simply solve .* dynamic gmin stepping"),
        (GOOD + "print('run simulation(s) aborted')", "did not simply solve .* aborted"),
        (GOOD + "print('Error:', os.getcwd() + '/deck.cir')", r"Error: \./deck.cir"),
    ],
)
def test_bad_runs_are_refused_and_their_log_is_kept(fake_ngspice, work_root, body, reason):
    fake_ngspice("print('started'); sys.stdout.flush()\n" + body)
    with pytest.raises(SimulatorBadOutput, match=reason) as caught:
        run()
    assert kept_log(caught).read_text().startswith("started")
    assert kept_log(caught).parent.parent == work_root
    assert str(work_root) not in ngspice.reason_of(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("closes_output", [False, True])
def test_a_hang_is_killed_with_its_offspring_even_one_that_ignores_sigterm(fake_ngspice, tmp_path, closes_output):
    pids = tmp_path / "pids"
    fake_ngspice(f"""
        child = "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN);"
        child += "print('ready', flush=True); time.sleep(1000)"
        grandchild = subprocess.Popen([sys.executable, "-c", child], stdout=subprocess.PIPE)
        grandchild.stdout.readline()
        open({str(pids)!r} + ".part", "w").write(f"{{os.getpid()}} {{grandchild.pid}}")
        os.rename({str(pids)!r} + ".part", {str(pids)!r})
        if {closes_output}:
            os.close(1), os.close(2)
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        time.sleep(1000)
    """)
    for timeout_s in (1.0, 10.0, 100.0):  # a loaded machine may need longer to come as far as the hang
        with pytest.raises(SimulatorTimeout, match=f"ran longer than {timeout_s:g} s and was killed"):
            run(timeout_s=timeout_s)
        if pids.exists():
            break
    assert all(dies(int(pid)) for pid in pids.read_text().split())


def test_offspring_that_holds_the_output_does_not_delay_the_result(fake_ngspice, tmp_path):
    pid = tmp_path / "pid"
    fake_ngspice(f"""
        child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(1000)"])
        open({str(pid)!r}, "w").write(str(child.pid))
        {GOOD.strip().replace(chr(10), chr(10) + " " * 8)}
    """)
    run()
    assert dies(int(pid.read_text()))


def test_a_flood_of_output_is_cut_off_in_bounded_memory(fake_ngspice, work_root):
    fake_ngspice("""
        line = b"x" * 65535 + b"\\n"
        while True:
            os.write(1, line)
    """)
    with pytest.raises(SimulatorBadOutput, match="printed more than 4 MiB and was killed") as caught:
        run()
    assert kept_log(caught).stat().st_size == 4 << 20


def test_ctrl_c_kills_the_group_and_removes_the_folder(fake_ngspice, work_root, tmp_path):
    """The signal comes as soon as the fake has said that it runs.

    Python has no handler of its own where the tests run in the background of a shell, which ignores SIGINT.
    """
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    pid, ready = tmp_path / "pid", tmp_path / "ready"
    os.mkfifo(ready)
    fake_ngspice(f"""
        open({str(pid)!r}, "w").write(str(os.getpid()))
        open({str(ready)!r}, "w").write("x")
        time.sleep(1000)
    """)

    def interrupt():
        ready.read_text()
        os.kill(os.getpid(), signal.SIGINT)

    thread = threading.Thread(target=interrupt)
    thread.start()
    try:
        with pytest.raises(KeyboardInterrupt):
            run()
    finally:
        signal.signal(signal.SIGINT, before)
    thread.join()
    assert dies(int(pid.read_text()))
    assert not list(work_root.iterdir())


def test_the_child_gets_an_empty_stdin_no_shell_and_one_thread(fake_ngspice, tmp_path):
    seen = tmp_path / "seen"
    fake_ngspice(f"""
        words = [repr(sys.stdin.read()), " ".join(sys.argv[1:]), os.environ["OMP_THREAD_LIMIT"]]
        words += [os.path.basename(os.getcwd()), str(os.getsid(0) == os.getpid())]
        open({str(seen)!r}, "w").write("|".join(words))
        {GOOD.strip().replace(chr(10), chr(10) + " " * 8)}
    """)
    run()
    assert re.fullmatch(r"''\|-n -b -r out\.raw deck\.cir\|1\|neurocircuit-ngspice-\w+\|True", seen.read_text())


# Circuits that ngspice 39 does not simply solve: some of them end with exit code 0 and a raw file all the same.
REAL_TROUBLE = {
    "a floating node": ("I1 0 a 1e-3\nC1 a 0 1e-9\nV1 b 0 1", "singular matrix"),
    "two sources in parallel": ("V1 a 0 1\nV2 a 0 2", "ended with exit code 1: Warning: singular matrix"),
    "a missing model": ("D1 b 0 absent\nV1 b 0 1", "ended with exit code 1"),
    "a missing include": (".include absent.cir\nV1 b 0 1", "ended with exit code 1: Error: Could not find include"),
    "an undefined parameter": ("V1 b 0 {absent}", "ended with exit code 1: Undefined parameter"),
    "an explosion": ("V1 b 0 1\nC1 c 0 1e-9\nB1 0 c I=V(c)^3\n.ic V(c)=1", "Timestep too small"),
}


@pytest.mark.parametrize("name", REAL_TROUBLE)
def test_real_ngspice_trouble_is_seen(work_root, name):
    lines, reason = REAL_TROUBLE[name]
    with pytest.raises(SimulatorBadOutput, match=reason):
        run(f"* trouble\n{lines}\n.tran 1e-10 5e-9\n.end\n")


def test_a_node_called_error_is_no_trouble():
    run("* error: a title\nV1 error 0 1\nR1 error b 1\nC1 b 0 1e-9\n.tran 1e-10 5e-9\n.end\n")


INVERTERS = """* ten inverters
.model n nmos level=14 version=4.8
.model p pmos level=14 version=4.8
Vdd vdd 0 1.8
Vin in0 0 PULSE(0 1.8 1e-10 1e-11 1e-11 1e-9 2e-9)
{stages}
.tran 1e-12 1e-9
.end
"""


@pytest.mark.parametrize("limited", [True, False])
def test_bsim4_runs_on_one_thread(monkeypatch, tmp_path, limited):
    """Its OpenMP load starts a second thread wherever there is a second core, unless we forbid it."""
    monkeypatch.setenv("OMP_NUM_THREADS", "2")
    monkeypatch.setenv("OMP_WAIT_POLICY", "passive")
    if not ngspice.version().openmp:
        pytest.skip("this ngspice has one thread anyway")
    if not limited:
        monkeypatch.setattr(ngspice, "_environment", lambda: dict(os.environ, OMP_THREAD_LIMIT="2"))
    count = tmp_path / "threads"
    wrapper = tmp_path / "wrapper"
    wrapper.write_text(f"""#!{sys.executable} -I
import os, subprocess, sys
child = subprocess.Popen([{str(ngspice.find_ngspice())!r}, *sys.argv[1:]])
most = 0
while child.poll() is None:
    try:
        most = max(most, len(os.listdir(f"/proc/{{child.pid}}/task")))
    except FileNotFoundError:
        pass
open({str(count)!r}, "w").write(str(most))
sys.exit(child.returncode)
""")
    wrapper.chmod(0o755)
    monkeypatch.setenv("NEUROCIRCUIT_NGSPICE", str(wrapper))
    stages = "\n".join(
        f"Mn{k} in{k + 1} in{k} 0 0 n w=1e-6 l=1.8e-7\nMp{k} in{k + 1} in{k} vdd vdd p w=2e-6 l=1.8e-7"
        for k in range(10)
    )
    run(INVERTERS.format(stages=stages), wanted=("v(in10)",), t_stop_s=1e-9)
    assert int(count.read_text()) == (1 if limited else 2)


def test_the_version_of_the_real_ngspice():
    said = subprocess.run([ngspice.find_ngspice(), "--version"], capture_output=True, text=True, check=False).stdout
    assert f"ngspice-{ngspice.version().number} " in said


def test_the_version_is_asked_once_for_each_state_of_the_file(fake_ngspice, tmp_path):
    path = fake_ngspice("")
    first = ngspice.version()
    assert first == ngspice.NgspiceVersion("39", openmp=False, xspice=True)
    assert ngspice.version() is first
    path.write_text(path.read_text().replace("ngspice-39", "ngspice-44.2").replace("XSPICE", "OpenMP multithreading"))
    assert ngspice.version() == ngspice.NgspiceVersion("44.2", openmp=True, xspice=False)


def test_what_ngspice_46_says_of_a_line_of_the_deck_is_its_reason_and_not_its_number(fake_ngspice):
    fake_ngspice("""
        print("Error in netlist line no. 4, new internal line no. 3:\\n\\nUndefined parameter [nope]")
        sys.exit(1)
    """)
    with pytest.raises(SimulatorBadOutput, match=r"^ngspice ended with exit code 1: Undefined parameter \[nope\];"):
        run()


def test_an_ngspice_that_dies_of_code_models_of_another_one_is_told_with_what_to_set(fake_ngspice):
    path = fake_ngspice("")
    path.write_text(path.read_text().replace('if "version -f" in deck:', "if True:\n    os.kill(os.getpid(), 11)"))
    message = f"^{path} cannot say its version: it ended with signal 11; .* set SPICE_LIB_DIR"
    with pytest.raises(SimulatorBadOutput, match=message):
        ngspice.version()


def test_a_missing_or_unusable_executable(monkeypatch, tmp_path):
    monkeypatch.setenv("NEUROCIRCUIT_NGSPICE", str(tmp_path / "absent"))
    with pytest.raises(SimulatorMissing, match=r"NEUROCIRCUIT_NGSPICE must name an executable file, got '.*absent'"):
        run()
    broken = tmp_path / "broken"
    broken.write_bytes(b"\x7fELF of another machine")
    broken.chmod(0o755)
    monkeypatch.setenv("NEUROCIRCUIT_NGSPICE", str(broken))
    with pytest.raises(SimulatorMissing, match="broken cannot be started: Exec format error"):
        run()
    monkeypatch.delenv("NEUROCIRCUIT_NGSPICE")
    monkeypatch.setenv("PATH", str(tmp_path / "empty"))
    with pytest.raises(SimulatorMissing, match="ngspice is not installed; type: apt-get install ngspice"):
        ngspice.version()
