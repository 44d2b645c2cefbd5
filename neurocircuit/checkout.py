"""Which code a result was made with."""

import subprocess
from pathlib import Path

import neurocircuit


def commit() -> str:
    """The commit of a working checkout, with + when files beside its reports differ from it; "" when installed.

    Results are written under reports/, so that a chain of commands changes files there while its code stays.
    """
    root = Path(neurocircuit.__file__).parent.parent
    head = _git(root, "rev-parse", "--short=12", "HEAD")
    changed = _git(root, "status", "--porcelain", "--untracked-files=no", "--", ".", ":(exclude)reports")
    return f"{head}+" if head and changed else head


def _git(root: Path, *arguments: str) -> str:
    try:
        done = subprocess.run(  # noqa: S603
            ["git", "-C", str(root), *arguments],  # noqa: S607
            capture_output=True,
            text=True,
            check=False,
            timeout=10,
        )
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return done.stdout.strip()
