"""The last section of a report: how the run was made."""

from typing import Any

from neurocircuit.core.result import Result
from neurocircuit.rendering.document import Section, Table, section
from neurocircuit.rendering.read.result import record_rows


def run_section(result: Result | dict[str, Any], *more: tuple[str, str]) -> Section:
    """Return command, versions and cost of the run; `more`: further rows."""
    record = dict(result.run or {}) if isinstance(result, Result) else result.get("run")
    rows = (*record_rows(record), *more)
    return section("Run", Table("How this run was made", ("", ""), rows, prose=(1,)) if rows else "Not recorded.")
