"""The ledger: a folder of finished batches that all sweeps of a user share, each batch under its own key."""

import os
import re
from pathlib import Path

import platformdirs

from neurocircuit.core.taskstore import TaskStore
from neurocircuit.errors import FileFormatError, InputError

_SHARD = re.compile(r"[0-9a-f]{2}")


def default_path() -> Path:
    """Return $NEUROCIRCUIT_LEDGER, else the folder `ledger` in the user's cache directory."""
    named = os.environ.get("NEUROCIRCUIT_LEDGER")
    return Path(named) if named else Path(platformdirs.user_cache_dir("neurocircuit")) / "ledger"


def store_at(path: Path) -> TaskStore:
    """Return the store in a ledger's folder, which may be still to be made. Raise as `check`."""
    check(path)
    return TaskStore(path)


def name_of(key: str) -> str:
    """Return the name of a batch's file: few enough in a folder."""
    return f"{key[:2]}/{key}"


def check(path: Path) -> None:
    """Refuse a file, a folder of other files, and what lies below a file; write nothing.

    Raise InputError or FileFormatError naming it.
    """
    if path.is_dir():
        foreign = next((entry.name for entry in path.iterdir() if not _SHARD.fullmatch(entry.name)), None)
        if foreign is not None:
            raise FileFormatError(f"ledger {path} must be a folder of finished batches alone, got {foreign} in it")
    elif not next(above for above in (path, *path.absolute().parents) if above.exists()).is_dir():
        raise InputError(f"ledger {path} must be a folder, got a file or one below a file")
