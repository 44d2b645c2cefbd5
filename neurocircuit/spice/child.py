"""One child process: bounded in time and in printed text, and none of its offspring outlives the call."""

import os
import select
import signal
import subprocess
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from neurocircuit.core.interrupt import deferred_signals

LARGEST_LOG_bytes = 4 << 20
_CHUNK_bytes = 1 << 16
_TICK_s = 0.0005


@dataclass(frozen=True)
class Ended:
    """How the child ended, and stdout and stderr together, in the order printed.

    exit_code: negative: the signal that ended it; None: it was killed, because of `timed_out` or `flooded`.
    """

    exit_code: int | None
    log: str
    timed_out: bool = False
    flooded: bool = False


def run_child(arguments: list[str], directory: Path, environment: dict[str, str], timeout_s: float) -> Ended:
    """Run `arguments` in `directory` with an empty stdin, in a session of its own.

    It is killed with its whole process group when `timeout_s` has passed, when it has printed more than
    LARGEST_LOG_bytes, and when an exception such as KeyboardInterrupt comes through here. Time in which it was ready
    to run but other processes had the processors does not count, where the kernel tells it (Linux).
    Raise OSError when it cannot be started.
    """
    child = None
    try:
        # An exception within Popen would leave a child that nobody knows.
        with deferred_signals():
            child = subprocess.Popen(  # noqa: S603 - an argument list, no shell
                arguments,
                cwd=directory,
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        assert child.stdout is not None  # noqa: S101 - PIPE was asked for
        log, timed_out, flooded = _follow(child.pid, child.stdout.fileno(), time.monotonic() + timeout_s)
    finally:
        exit_code = _end(child)
    return Ended(None if timed_out or flooded else exit_code, log.decode("utf-8", "replace"), timed_out, flooded)


def _end(child: subprocess.Popen[bytes] | None) -> int | None:
    """Kill a child with its process group and return its exit code; None where it was never started."""
    if child is None:
        return None
    # The child is not reaped before this line, so its id cannot belong to another group yet. It has no group where the
    # Ctrl-C of a terminal killed it between fork and setsid.
    with suppress(ProcessLookupError):
        os.killpg(child.pid, signal.SIGKILL)
    if child.stdout is not None:
        child.stdout.close()
    return child.wait()


def _follow(pid: int, pipe: int, deadline: float) -> tuple[bytes, bool, bool]:
    """Collect what the child prints until it ends; also whether it ran too long, and whether it printed too much."""
    log, is_open, allowed_s = bytearray(), True, 0.0
    while True:
        ended = _has_ended(pid)
        if is_open and select.select([pipe], [], [], 0.0 if ended else _wait_s(deadline))[0]:
            chunk = os.read(pipe, _CHUNK_bytes)
            log += chunk
            is_open = bool(chunk)
            if len(log) > LARGEST_LOG_bytes:
                return bytes(log[:LARGEST_LOG_bytes]), False, True
        elif ended:  # also when offspring still holds the pipe
            return bytes(log), False, False
        elif not is_open:
            time.sleep(_TICK_s)
        if not ended and time.monotonic() >= deadline:
            delayed_s = run_delay_s(pid)
            if delayed_s <= allowed_s:
                return bytes(log), True, False
            deadline, allowed_s = deadline + delayed_s - allowed_s, delayed_s


def run_delay_s(pid: int) -> float:
    """Return how long a process has waited for a processor; 0 where the kernel does not tell."""
    try:
        return 1e-9 * int(Path(f"/proc/{pid}/schedstat").read_text().split()[1])
    except (OSError, ValueError, IndexError):
        return 0.0


def _wait_s(deadline: float) -> float:
    """Return how long to wait for the pipe: it closes when the child ends, unless offspring holds it."""
    return max(0.0, min(0.1, deadline - time.monotonic()))


def _has_ended(pid: int) -> bool:
    """Return whether the child has ended; it is left unreaped."""
    return os.waitid(os.P_PID, pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is not None
