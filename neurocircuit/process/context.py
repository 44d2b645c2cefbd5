"""What a measurement gets to work with."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from neurocircuit.process.request import Request
from neurocircuit.results.measurement import Measured
from neurocircuit.spec import Condition
from neurocircuit.spice.process import Installed


@dataclass(frozen=True)
class Context:
    """The process, the condition, the request, and what has been measured at the condition so far.

    folder: where a long measurement may keep finished parts; None: nowhere.
    """

    installed: Installed
    condition: Condition
    request: Request
    done: Mapping[str, Measured]
    folder: Path | None = None
