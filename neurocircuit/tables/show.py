"""A transfer table as text: for a terminal, as LaTeX, CSV or JSON."""

import json
import math
from pathlib import Path
from typing import Any

from neurocircuit.errors import InputError
from neurocircuit.tables.render import run_rows
from neurocircuit.tables.transfer import TransferTable


def printed(file: Path | str, *, as_json: bool = False, as_latex: bool = False, as_csv: bool = False) -> str:
    """Return the transfer table of a file (table.nc of a run) as text, in at most one of three other forms.

    Raise InputError for two forms, and for a file that is no transfer table.
    """
    if sum((as_json, as_latex, as_csv)) > 1:
        raise InputError("--json, --latex and --csv must not stand together, got more than one of them")
    table = TransferTable.load(Path(file))
    if as_json:
        return json.dumps(_without_nan(to_dict(table)), allow_nan=False) + "\n"
    if as_latex:
        return table.to_latex()
    return table.to_csv() if as_csv else table.to_text() + "\n"


def to_dict(table: TransferTable) -> dict[str, object]:
    """Return rows, exponents and provenance of a table."""
    rows = [{"half": half, "level": level, "row": value, **row} for half, level, value, row in run_rows(table)]
    names = ("value", "low", "high")
    exponents = {level: dict(zip(names, table.exponent(level), strict=True)) for level in table.levels}
    return {
        "schema_version": int(table.dataset.attrs["schema_version"]),
        "content_sha256": str(table.dataset.attrs["content_sha256"]),
        "metric": table.metric,
        "interval_method": str(table.dataset.attrs["interval_method"]),
        "rows": rows,
        "exponents": exponents if "jitter" in table.halves else {},
        "provenance": table.provenance,
    }


def _without_nan(value: Any) -> Any:
    """Return the same with None in place of inf and nan, which JSON lacks."""
    if isinstance(value, dict):
        return {key: _without_nan(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_without_nan(item) for item in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
