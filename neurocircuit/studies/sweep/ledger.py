"""Finished batches by the hash of all that determines them: SQLite, one writer (the main process), survives kill -9."""

import hashlib
import json
import os
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Self

import numpy as np
import platformdirs

from neurocircuit.errors import FileFormatError, InputError
from neurocircuit.studies.sweep.plan import Batch
from neurocircuit.studies.sweep.worker import BatchResult

_APPLICATION_ID = 0x4E434C31  # "NCL1": marks an SQLite file as ours
_BUSY_S = 30.0
_TABLE = """
CREATE TABLE IF NOT EXISTS batch (
    key TEXT PRIMARY KEY, level TEXT NOT NULL, trials INTEGER NOT NULL,
    fire_time BLOB NOT NULL, failures TEXT NOT NULL, sha256 TEXT NOT NULL, duration_s REAL NOT NULL
) WITHOUT ROWID
"""


def default_path() -> Path:
    """$NEUROCIRCUIT_LEDGER, else ledger.sqlite in the user's cache directory."""
    named = os.environ.get("NEUROCIRCUIT_LEDGER")
    return Path(named) if named else Path(platformdirs.user_cache_dir("neurocircuit")) / "ledger.sqlite"


class Ledger:
    """An open ledger; use as a context manager. Every error is an InputError that names the file."""

    def __init__(self, path: Path, *, read_only: bool = False) -> None:
        """Open or create. Raises FileFormatError for a file that is damaged or not a ledger."""
        self.path = path
        check(path)
        with self._named_errors():
            address = f"{path.resolve().as_uri()}?mode={'ro' if read_only else 'rwc'}"
            self._database = sqlite3.connect(address, uri=True, timeout=_BUSY_S, isolation_level=None)
            if not read_only:
                self._database.execute("PRAGMA journal_mode = WAL")
                self._database.execute("PRAGMA synchronous = NORMAL")
                self._database.execute(f"PRAGMA application_id = {_APPLICATION_ID}")
                self._database.execute(_TABLE)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._database.close()

    def get(self, key: str) -> BatchResult | None:
        """The stored result, None when there is none. Raises FileFormatError when it was altered on disk."""
        with self._named_errors():
            query = "SELECT fire_time, failures, sha256, duration_s FROM batch WHERE key = ?"
            found = self._database.execute(query, (key,)).fetchone()
        if found is None:
            return None
        fire_time, failures, digest, duration_s = found
        if _digest(fire_time, failures) != digest:
            raise FileFormatError(f"ledger {self.path} is damaged at batch {key[:12]}: remove the file")
        reasons = {int(trial): reason for trial, reason in json.loads(failures).items()}
        return BatchResult(np.frombuffer(fire_time, dtype="<f8").astype(np.float64), reasons, duration_s)

    def put(self, key: str, batch: Batch, result: BatchResult) -> None:
        """Store a finished batch; durable against the end of this process when it returns."""
        fire_time, failures = result.fire_time_over_tau.astype("<f8").tobytes(), json.dumps(result.failures)
        row = (key, batch.level, batch.count, fire_time, failures, _digest(fire_time, failures), result.duration_s)
        with self._named_errors():
            self._database.execute("INSERT OR IGNORE INTO batch VALUES (?, ?, ?, ?, ?, ?, ?)", row)

    def seconds_per_evaluation(self, level: str) -> float | None:
        """Mean over the stored batches of a level; None when there are none."""
        with self._named_errors():
            query = "SELECT sum(duration_s) / sum(trials) FROM batch WHERE level = ?"
            mean: float | None = self._database.execute(query, (level,)).fetchone()[0]
        return mean

    @contextmanager
    def _named_errors(self) -> Iterator[None]:
        with _naming(self.path):
            yield


def check(path: Path) -> None:
    """Refuse a foreign or damaged file, or a missing directory; writes nothing.

    Raises FileFormatError or InputError naming the file.
    """
    if path.is_dir() or not path.parent.is_dir():
        raise InputError(f"ledger {path} must be a file in a directory that exists")
    if not path.exists() or path.stat().st_size == 0:
        return
    if _is_cut_short(path):
        raise FileFormatError(f"ledger {path} is cut short: remove the file")
    with _naming(path):
        database = sqlite3.connect(f"{path.resolve().as_uri()}?mode=ro", uri=True, timeout=_BUSY_S)
        try:
            mark = database.execute("PRAGMA application_id").fetchone()[0]
            tables = database.execute("SELECT count(*) FROM sqlite_master").fetchone()[0]
        finally:
            database.close()
    # A ledger killed while it was being made has neither mark nor table yet.
    if mark != _APPLICATION_ID and (mark != 0 or tables != 0):
        raise FileFormatError(f"ledger {path} is an SQLite file of another program")


def _is_cut_short(path: Path) -> bool:
    """Whether pages are missing that the header counts: SQLite may overlook it. A log beside it may hold them."""
    if path.with_name(f"{path.name}-wal").exists():
        return False
    with path.open("rb") as file:
        header = file.read(100)
    page, pages = int.from_bytes(header[16:18], "big"), int.from_bytes(header[28:32], "big")
    return header.startswith(b"SQLite format 3") and path.stat().st_size < (65536 if page == 1 else page) * pages


def _digest(fire_time: bytes, failures: str) -> str:
    return hashlib.sha256(fire_time + failures.encode()).hexdigest()


@contextmanager
def _naming(path: Path) -> Iterator[None]:
    try:
        yield
    except sqlite3.OperationalError as error:
        raise InputError(f"ledger {path}: {error}") from None
    except sqlite3.DatabaseError as error:
        raise FileFormatError(f"ledger {path} is damaged or foreign: {error}") from None
