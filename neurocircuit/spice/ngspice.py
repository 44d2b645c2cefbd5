"""ngspice as a child process: one deck in, vectors out; believed only when the output proves itself."""

import functools
import os
import re
import shutil
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import numpy as np

from neurocircuit.core.arrays import Floats
from neurocircuit.errors import SimulatorBadOutput, SimulatorError, SimulatorMissing, SimulatorTimeout
from neurocircuit.spice.child import Ended, LARGEST_LOG_bytes, run_child
from neurocircuit.spice.rawfile import read_raw

_Result = TypeVar("_Result")
EXECUTABLE_VARIABLE = "NEUROCIRCUIT_NGSPICE"
RELATIVE_SLACK = 1e-9
_DECK, _LOG, _RAW = "deck.cir", "ngspice.log", "out.raw"
_KEPT = "; deck and log kept in "
# What ngspice 39 prints when it did not simply solve the circuit: it gave up, or it fell back on another one (gmin
# and source stepping, the transient operating point), often with exit code 0. From its messages and its strings.
_TROUBLE = re.compile(
    r"\b(errors?|fatal|gmin|singular|supplies reduced|transient op|failed|undefined|unknown|unrecognized)\b"
    r"|\babort|source step|timestep too small|iteration limit|convergence|trouble with|interrupted|can't find",
    re.IGNORECASE,
)
# Where ngspice 46 says what is wrong with a line of the deck, some lines below.
_DECK_LINE = re.compile(r"Error in netlist line no\. \d+, new internal line no\. \d+:\s*", re.IGNORECASE)
# What it says of a model: name and text stand behind the line "Model issue", the rest wherever stderr meets stdout.
_MODEL = re.compile(r"Model issue on line \d+ :\s*\.model\s+(\S+)")
_NO_COMMAND = re.compile(r"^[^\n]*: no such command available in ngspice", re.MULTILINE)
_MODEL_ISSUE = re.compile(
    r"unrecognized parameter \([^)\n]*\)|Only MOS device levels [^\n]*|Unknown model type \S+", re.IGNORECASE
)
# The title of the deck, and a row of the table of node voltages: there the deck's author chose the words.
_QUOTED = re.compile(r"Circuit: .*|\S+ +[-+.\deE]+")
# What ngspice 39 prints when the condition of `stop when` was met.
_STOPPED = re.compile(r"\d+ *: condition met: stop  when .*|doAnalyses: pause requested|tran simulation interrupted")
_MET = re.compile(r"\d+ *: condition met: stop ")
_LONGEST_COMPLAINT = 300
_VERSION_DECK = "* version\n.control\nversion -f\nquit 0\n.endc\n.end\n"
_VERSION_TIMEOUT_s = 10.0


@dataclass(frozen=True)
class NgspiceVersion:
    """What the ngspice executable says about itself."""

    number: str
    openmp: bool
    xspice: bool


@dataclass(frozen=True)
class ControlRun:
    """What a deck that runs itself delivered: vectors [point], texts of its further files, and whether it stopped."""

    vectors: dict[str, Floats]
    texts: dict[str, str]
    stopped: bool


def find_ngspice() -> Path:
    """Return the executable: $NEUROCIRCUIT_NGSPICE, else `ngspice` on the PATH.

    Raise SimulatorMissing with the line to type.
    """
    if named := os.environ.get(EXECUTABLE_VARIABLE):
        executable = shutil.which(Path(named).absolute())
        if executable is None:
            raise SimulatorMissing(f"{EXECUTABLE_VARIABLE} must name an executable file, got {named!r}")
    else:
        executable = shutil.which("ngspice")
        if executable is None:
            raise SimulatorMissing("ngspice is not installed; type: apt-get install ngspice")
    return Path(executable)


def version() -> NgspiceVersion:
    """Return the version of the executable in use, asked once for each file and date of it.

    Raise SimulatorMissing when there is none, SimulatorBadOutput when it does not say its version,
    SimulatorTimeout when it hangs.
    """
    executable = find_ngspice()
    state = executable.stat()
    return _version(executable, state.st_mtime_ns, state.st_size)


def run(
    deck_text: str,
    vector_names: tuple[str, ...],
    t_stop_s: float,
    *,
    timeout_s: float,
    files: Mapping[str, str] | None = None,
) -> dict[str, Floats]:
    """Run the transient analysis of a deck; the wanted vectors and "time" in s, each [point].

    wanted: names as in the raw file, lower case, such as "v(membrane)". files: text by name, put beside the deck
    for it to include. The run counts only when ngspice ended with 0, printed nothing of errors or of convergence
    fallbacks, and delivered every wanted vector, finite, over times that rise from 0 to t_stop_s (1e-9 relative).

    Raise SimulatorMissing; SimulatorTimeout when it was killed after timeout_s; SimulatorBadOutput with the reason.
    In the last two deck and log are kept, and the message ends with their folder.
    """

    def judge(ended: Ended, directory: Path) -> dict[str, Floats]:
        vectors = _checked(ended, directory, vector_names, timeout_s)
        _check_time(vectors["time"], t_stop_s)
        return vectors

    return _in_folder(deck_text, files, None, ("-b", "-r", _RAW), timeout_s, judge)


def run_control(
    deck_text: str,
    vector_names: tuple[str, ...],
    t_stop_s: float,
    *,
    timeout_s: float,
    files: Mapping[str, str] | None = None,
    links: Mapping[str, Path] | None = None,
    variables: Mapping[str, str] | None = None,
    outputs: tuple[str, ...] = (),
    first_by_s: float = 0.0,
    may_stop: bool = False,
) -> ControlRun:
    """Run a deck whose .control block runs the transient analysis, writes out.raw, and ends with `quit 0`.

    links: folders of this machine by the name under which the deck includes from them. variables: set before ngspice
    reads the deck, such as {"ngbehavior": "hsa"}. outputs: further text files that the deck writes; each must be there
    and not be empty. first_by_s: the latest first point; `tran … uic` writes none at 0. may_stop: `stop when` may end
    the run before t_stop_s; only then, and only when ngspice says that its condition was met, is an earlier end
    accepted. All else is asked and raised as by `run`.
    """

    def judge(ended: Ended, directory: Path) -> ControlRun:
        stopped = may_stop and _MET.search(ended.log) is not None
        vectors = _checked(ended, directory, vector_names, timeout_s, _STOPPED if stopped else None)
        time_s = vectors["time"]
        end_s = min(t_stop_s, float(time_s[-1])) if stopped and len(time_s) else t_stop_s
        _check_time(time_s, end_s, first_by_s)
        return ControlRun(vectors, {name: _text(directory / name) for name in outputs}, stopped)

    return _in_folder(deck_text, files, links, _batch_arguments(variables), timeout_s, judge)


def written(
    deck_text: str,
    name: str,
    *,
    timeout_s: float,
    files: Mapping[str, str] | None = None,
    links: Mapping[str, Path] | None = None,
    variables: Mapping[str, str] | None = None,
) -> str:
    """Return the file `name` that the .control block of a deck writes without a simulation.

    Believed and raised as by `run`.

    A file and not the log, in which stdout and stderr meet in the middle of a line.
    """

    def judge(ended: Ended, directory: Path) -> str:
        _check_end(ended, directory, timeout_s, None)
        return _text(directory / name)

    return _in_folder(deck_text, files, links, _batch_arguments(variables), timeout_s, judge)


def run_noise(
    deck_text: str,
    *,
    timeout_s: float,
    files: Mapping[str, str] | None = None,
    links: Mapping[str, Path] | None = None,
    variables: Mapping[str, str] | None = None,
) -> dict[str, Floats]:
    """Run a deck whose .control block runs a noise analysis and writes out.raw; all vectors of its spectrum, [point].

    Among them are "frequency" and "onoise_spectrum". Believed and raised as by `run`.
    """

    def judge(ended: Ended, directory: Path) -> dict[str, Floats]:
        _check_end(ended, directory, timeout_s, None)
        vectors = read_raw(directory / _RAW).vectors
        missing = [name for name in ("frequency", "onoise_spectrum") if name not in vectors]
        if missing:
            raise SimulatorBadOutput(f"ngspice did not deliver {', '.join(missing)}")
        return vectors

    return _in_folder(deck_text, files, links, _batch_arguments(variables), timeout_s, judge)


def _batch_arguments(variables: Mapping[str, str] | None) -> list[str]:
    return ["-b", *(word for name, value in (variables or {}).items() for word in ("-D", f"{name}={value}"))]


def _in_folder(
    deck_text: str,
    files: Mapping[str, str] | None,
    links: Mapping[str, Path] | None,
    arguments: Sequence[str],
    timeout_s: float,
    judge: Callable[[Ended, Path], _Result],
) -> _Result:
    """Run a deck beside its files in a folder of its own and judge what it left there; the folder is removed.

    When the run is refused, deck and log are kept, and the message ends with their folder.
    """
    executable = find_ngspice()
    directory = Path(tempfile.mkdtemp(prefix="neurocircuit-ngspice-"))
    try:
        for name, target in (links or {}).items():
            (directory / name).symlink_to(target)
        texts = {**(files or {}), _DECK: deck_text}
        result = judge(_batch(executable, directory, texts, timeout_s, arguments), directory)
    except (SimulatorTimeout, SimulatorBadOutput) as error:
        (directory / _RAW).unlink(missing_ok=True)
        raise type(error)(f"{error}{_KEPT}{directory}") from None
    except BaseException:
        shutil.rmtree(directory, ignore_errors=True)
        raise
    shutil.rmtree(directory, ignore_errors=True)
    return result


def reason_of(error: SimulatorError) -> str:
    """Return the reason without the folder: the same in every repetition of the run."""
    return str(error).partition(_KEPT)[0]


def _batch(
    executable: Path, directory: Path, files: Mapping[str, str], timeout_s: float, arguments: Sequence[str]
) -> Ended:
    """Run the deck among `files` in `directory`, and put the log there too."""
    for name, text in files.items():
        (directory / name).write_text(text, encoding="utf-8")
    try:
        ended = run_child([str(executable), "-n", *arguments, _DECK], directory, _environment(), timeout_s)
    except OSError as error:
        raise SimulatorMissing(f"{executable} cannot be started: {error.strerror}") from None
    (directory / _LOG).write_text(ended.log, encoding="utf-8")
    return ended


def _environment() -> dict[str, str]:
    """Return one thread: the BSIM4 load takes two otherwise, and OMP_NUM_THREADS does not stop it."""
    return {**os.environ, "OMP_THREAD_LIMIT": "1"}


def _checked(
    ended: Ended,
    directory: Path,
    vector_names: tuple[str, ...],
    timeout_s: float,
    expected: re.Pattern[str] | None = None,
) -> dict[str, Floats]:
    """Return the wanted vectors, or SimulatorTimeout or SimulatorBadOutput with the reason."""
    _check_end(ended, directory, timeout_s, expected)
    vectors = read_raw(directory / _RAW).vectors
    names = ("time", *vector_names)
    missing = [name for name in names if name not in vectors]
    if missing:
        raise SimulatorBadOutput(f"ngspice did not deliver {', '.join(missing)}")
    return {name: vectors[name] for name in names}


def _check_end(ended: Ended, directory: Path, timeout_s: float, expected: re.Pattern[str] | None) -> None:
    """Raise SimulatorTimeout or SimulatorBadOutput unless it ended well; expected: lines that are no trouble here."""
    if ended.timed_out:
        raise SimulatorTimeout(f"ngspice ran longer than {timeout_s:g} s and was killed")
    if ended.flooded:
        raise SimulatorBadOutput(f"ngspice printed more than {LARGEST_LOG_bytes >> 20} MiB and was killed")
    complaint = _complaint(ended.log.replace(str(directory), "."), expected)
    if ended.exit_code != 0:
        raise SimulatorBadOutput(f"ngspice ended with {_end_of(ended)}" + (f": {complaint}" if complaint else ""))
    if complaint:
        raise SimulatorBadOutput(f"ngspice did not simply solve the circuit: {complaint}")


def _end_of(ended: Ended) -> str:
    code = ended.exit_code or 0
    return f"exit code {code}" if code > 0 else f"signal {-code}"


def _text(path: Path) -> str:
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError):
        raise SimulatorBadOutput(f"ngspice did not write {path.name}") from None
    if not text.strip():
        raise SimulatorBadOutput(f"ngspice wrote an empty {path.name}")
    return text


def _check_time(time_s: Floats, t_stop_s: float, first_by_s: float = 0.0) -> None:
    slack_s = RELATIVE_SLACK * t_stop_s
    if len(time_s) < 2 or not -slack_s <= time_s[0] <= first_by_s + slack_s or abs(time_s[-1] - t_stop_s) > slack_s:
        span = f"{time_s[0]:g} … {time_s[-1]:g} s" if len(time_s) else "no point"
        raise SimulatorBadOutput(f"ngspice must deliver 0 … {t_stop_s:g} s, got {span}")
    if not np.all(np.diff(time_s) > 0):
        raise SimulatorBadOutput(f"time must rise, got a step back after {time_s[np.argmin(np.diff(time_s))]:g} s")


def _complaint(log: str, expected: re.Pattern[str] | None) -> str:
    """Return what tells of trouble, "" when there is nothing: what is wrong with a model, else the first such line."""
    if lacking := _NO_COMMAND.search(log):
        return lacking[0]
    issues = dict.fromkeys(" ".join(issue.split()) for issue in _MODEL_ISSUE.findall(log))
    if issues and (model := _MODEL.search(log)):
        return f"model {model[1]}: {'; '.join(issues)}"[:_LONGEST_COMPLAINT]
    for line in _DECK_LINE.sub("", log).splitlines():
        if expected is not None and expected.fullmatch(line.strip()):
            continue
        if _TROUBLE.search(line) and not _QUOTED.fullmatch(line):
            return " ".join(line.split())[:_LONGEST_COMPLAINT]
    return ""


@functools.cache
def _version(executable: Path, modified_ns: int, size_bytes: int) -> NgspiceVersion:
    """Return `modified_ns` and `size_bytes` only tell one file at this path from another."""
    with tempfile.TemporaryDirectory(prefix="neurocircuit-ngspice-") as name:
        ended = _batch(executable, Path(name), {_DECK: _VERSION_DECK}, _VERSION_TIMEOUT_s, ("-b", "-r", _RAW))
    if ended.timed_out:
        raise SimulatorTimeout(f"ngspice did not say its version within {_VERSION_TIMEOUT_s:g} s")
    number = re.search(r"\bngspice-([0-9][0-9.+]*)", ended.log)
    if number is None and ended.exit_code:
        raise SimulatorBadOutput(
            f"{executable} cannot say its version: it ended with {_end_of(ended)}; where two versions are installed, "
            "set SPICE_LIB_DIR to the folder of this one's scripts/spinit, which loads its code models"
        )
    if number is None:
        raise SimulatorBadOutput("ngspice does not say its version")
    return NgspiceVersion(number[1], openmp="OpenMP multithreading" in ended.log, xspice="XSPICE ext" in ended.log)
