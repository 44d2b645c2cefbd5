"""ngspice as a child process: one deck in, vectors out; believed only when the output proves itself."""

import functools
import os
import re
import shutil
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from neurocircuit.errors import SimulatorBadOutput, SimulatorError, SimulatorMissing, SimulatorTimeout
from neurocircuit.record import Floats
from neurocircuit.spice.child import Ended, LARGEST_LOG_bytes, run_child
from neurocircuit.spice.rawfile import read_raw

EXECUTABLE_VARIABLE = "NEUROCIRCUIT_NGSPICE"
RELATIVE_SLACK = 1e-9
_DECK, _LOG, _RAW = "deck.cir", "ngspice.log", "out.raw"
_KEPT = "; deck and log kept in "
# What ngspice 39 prints when it did not simply solve the circuit: it gave up, or it fell back on another one (gmin
# and source stepping, the transient operating point), often with exit code 0. From its messages and its strings.
_TROUBLE = re.compile(
    r"\b(errors?|fatal|gmin|singular|supplies reduced|transient op|failed|undefined|unknown|unrecognized)\b"
    r"|\babort|source step|timestep too small|iteration limit|convergence|trouble with|interrupted",
    re.IGNORECASE,
)
# The title of the deck, and a row of the table of node voltages: there the deck's author chose the words.
_QUOTED = re.compile(r"Circuit: .*|\S+ +[-+.\deE]+")
_VERSION_DECK = "* version\n.control\nversion -f\nquit 0\n.endc\n.end\n"
_VERSION_TIMEOUT_s = 10.0


@dataclass(frozen=True)
class NgspiceVersion:
    """What the ngspice executable says about itself."""

    number: str
    openmp: bool
    xspice: bool


def find_ngspice() -> Path:
    """The executable: $NEUROCIRCUIT_NGSPICE, else `ngspice` on the PATH.

    Raises SimulatorMissing with the line to type.
    """
    if given := os.environ.get(EXECUTABLE_VARIABLE):
        found = shutil.which(Path(given).absolute())
        if found is None:
            raise SimulatorMissing(f"{EXECUTABLE_VARIABLE} must name an executable file, got {given!r}")
    else:
        found = shutil.which("ngspice")
        if found is None:
            raise SimulatorMissing("ngspice is not installed; type: apt-get install ngspice")
    return Path(found)


def version() -> NgspiceVersion:
    """Version of the executable in use, asked once for each file and date of it.

    Raises SimulatorMissing when there is none, SimulatorBadOutput when it does not say its version,
    SimulatorTimeout when it hangs.
    """
    executable = find_ngspice()
    state = executable.stat()
    return _version(executable, state.st_mtime_ns, state.st_size)


def run(
    deck_text: str,
    wanted: tuple[str, ...],
    t_stop_s: float,
    *,
    timeout_s: float,
    files: Mapping[str, str] | None = None,
) -> dict[str, Floats]:
    """Run the transient analysis of a deck; the wanted vectors and "time" in s, each [point].

    wanted: names as in the raw file, lower case, such as "v(membrane)". files: text by name, put beside the deck
    for it to include. The run counts only when ngspice ended with 0, printed nothing of errors or of convergence
    fallbacks, and delivered every wanted vector, finite, over times that rise from 0 to t_stop_s (1e-9 relative).

    Raises SimulatorMissing; SimulatorTimeout when it was killed after timeout_s; SimulatorBadOutput with the reason.
    In the last two deck and log are kept, and the message ends with their folder.
    """
    executable = find_ngspice()
    directory = Path(tempfile.mkdtemp(prefix="neurocircuit-ngspice-"))
    try:
        ended = _batch(executable, directory, {**(files or {}), _DECK: deck_text}, timeout_s)
        vectors = _checked(ended, directory, wanted, t_stop_s, timeout_s)
    except (SimulatorTimeout, SimulatorBadOutput) as error:
        (directory / _RAW).unlink(missing_ok=True)
        raise type(error)(f"{error}{_KEPT}{directory}") from None
    except BaseException:
        shutil.rmtree(directory, ignore_errors=True)
        raise
    shutil.rmtree(directory, ignore_errors=True)
    return vectors


def reason_of(error: SimulatorError) -> str:
    """The reason without the folder: the same in every repetition of the run."""
    return str(error).partition(_KEPT)[0]


def _batch(executable: Path, directory: Path, files: Mapping[str, str], timeout_s: float) -> Ended:
    """Run the deck among `files` in `directory`, and put the log there too."""
    for name, text in files.items():
        (directory / name).write_text(text, encoding="utf-8")
    arguments = [str(executable), "-n", "-b", "-r", _RAW, _DECK]
    try:
        ended = run_child(arguments, directory, _environment(), timeout_s)
    except OSError as error:
        raise SimulatorMissing(f"{executable} cannot be started: {error.strerror}") from None
    (directory / _LOG).write_text(ended.log, encoding="utf-8")
    return ended


def _environment() -> dict[str, str]:
    """One thread: the BSIM4 load takes two otherwise, and OMP_NUM_THREADS does not stop it."""
    return {**os.environ, "OMP_THREAD_LIMIT": "1"}


def _checked(
    ended: Ended, directory: Path, wanted: tuple[str, ...], t_stop_s: float, timeout_s: float
) -> dict[str, Floats]:
    """The wanted vectors, or SimulatorTimeout or SimulatorBadOutput with the reason."""
    if ended.timed_out:
        raise SimulatorTimeout(f"ngspice ran longer than {timeout_s:g} s and was killed")
    if ended.flooded:
        raise SimulatorBadOutput(f"ngspice printed more than {LARGEST_LOG_bytes >> 20} MiB and was killed")
    complaint = _complaint(ended.log.replace(str(directory), "."))
    if ended.exit_code != 0:
        how = f"exit code {ended.exit_code}" if (ended.exit_code or 0) > 0 else f"signal {-(ended.exit_code or 0)}"
        raise SimulatorBadOutput(f"ngspice ended with {how}" + (f": {complaint}" if complaint else ""))
    if complaint:
        raise SimulatorBadOutput(f"ngspice did not simply solve the circuit: {complaint}")
    vectors = read_raw(directory / _RAW).vectors
    names = ("time", *wanted)
    missing = [name for name in names if name not in vectors]
    if missing:
        raise SimulatorBadOutput(f"ngspice did not deliver {', '.join(missing)}")
    _check_time(vectors["time"], t_stop_s)
    return {name: vectors[name] for name in names}


def _check_time(time_s: Floats, t_stop_s: float) -> None:
    slack_s = RELATIVE_SLACK * t_stop_s
    if len(time_s) < 2 or abs(time_s[0]) > slack_s or abs(time_s[-1] - t_stop_s) > slack_s:
        span = f"{time_s[0]:g} … {time_s[-1]:g} s" if len(time_s) else "no point"
        raise SimulatorBadOutput(f"ngspice must deliver 0 … {t_stop_s:g} s, got {span}")
    if not np.all(np.diff(time_s) > 0):
        raise SimulatorBadOutput(f"time must rise, got a step back after {time_s[np.argmin(np.diff(time_s))]:g} s")


def _complaint(log: str) -> str:
    """The first line that tells of trouble, "" when there is none."""
    for line in log.splitlines():
        if _TROUBLE.search(line) and not _QUOTED.fullmatch(line):
            return " ".join(line.split())[:200]
    return ""


@functools.cache
def _version(executable: Path, modified_ns: int, size_bytes: int) -> NgspiceVersion:
    """`modified_ns` and `size_bytes` only tell one file at this path from another."""
    with tempfile.TemporaryDirectory(prefix="neurocircuit-ngspice-") as name:
        ended = _batch(executable, Path(name), {_DECK: _VERSION_DECK}, _VERSION_TIMEOUT_s)
    if ended.timed_out:
        raise SimulatorTimeout(f"ngspice did not say its version within {_VERSION_TIMEOUT_s:g} s")
    number = re.search(r"\bngspice-([0-9][0-9.+]*)", ended.log)
    if number is None:
        raise SimulatorBadOutput("ngspice does not say its version")
    return NgspiceVersion(number[1], openmp="OpenMP multithreading" in ended.log, xspice="XSPICE ext" in ended.log)
