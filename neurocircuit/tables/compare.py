"""What changed from one transfer table to another."""

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from neurocircuit.tables.render import percent_text, row_text

if TYPE_CHECKING:
    from neurocircuit.tables.transfer import TransferTable


@dataclass(frozen=True)
class Difference:
    """One change: what kind, where, both sides as text, and a remark on its size."""

    kind: str
    where: str
    before: str
    after: str
    note: str = ""

    def __str__(self) -> str:
        """One line."""
        remark = f" ({self.note})" if self.note else ""
        return f"{self.kind} {self.where}: {self.before} -> {self.after}{remark}"


def differences(a: "TransferTable", b: "TransferTable") -> list[Difference]:
    """Changes from `a` to `b`: provenance by key, axes, then every statistic; sizes against the interval of `a`."""
    found = _provenance("", a.provenance, b.provenance)
    axes = {"level": (a.levels, b.levels)} | {half: (a.rows(half), b.rows(half)) for half in ("jitter", "bits")}
    found += [Difference("rows", name, _listed(name, x), _listed(name, y)) for name, (x, y) in axes.items() if x != y]
    for half in a.halves:
        for level in a.levels:
            for value in a.rows(half):
                if half in b.halves and level in b.levels and value in b.rows(half):
                    place = f"{half} {row_text(half, value)}{' %' if half == 'jitter' else ' bit'} {level}"
                    found += _values(place, a.row(half, level, value), b.row(half, level, value))
    for level in a.levels:
        if level in b.levels:
            found += _exponents(level, a.exponent(level), b.exponent(level))
    return found


def _exponents(level: str, a: tuple[float, ...], b: tuple[float, ...]) -> list[Difference]:
    return [
        Difference("exponent", f"{level} {name}", f"{before:.6g}", f"{after:.6g}")
        for name, before, after in zip(("value", "low", "high"), a, b, strict=True)
        if not _same(before, after)
    ]


def _values(place: str, a: dict[str, float], b: dict[str, float]) -> list[Difference]:
    half_width = (a["ci_high"] - a["ci_low"]) / 2
    result = []
    for name in a:
        if not _same(a[name], b[name]):
            counted = name in ("fired", "n")
            before, after = (f"{v:g}" if counted else f"{percent_text(v)} %" for v in (a[name], b[name]))
            size = abs(b[name] - a[name]) / half_width if name == "mean" and half_width > 0 else math.nan
            note = "" if math.isnan(size) else f"{size:.2g} of the interval's half-width"
            result.append(Difference("value", f"{place} {name}", before, after, note))
    return result


def _provenance(path: str, a: Any, b: Any) -> list[Difference]:
    if isinstance(a, dict) and isinstance(b, dict):
        keys = sorted(a.keys() | b.keys())
        return [found for key in keys for found in _provenance(f"{path}.{key}".strip("."), a.get(key), b.get(key))]
    return [] if a == b else [Difference("provenance", path, _short(a), _short(b))]


def _listed(name: str, values: tuple[Any, ...]) -> str:
    return ", ".join(map(str, values) if name == "level" else (row_text(name, v) for v in values)) or "none"


def _short(value: Any) -> str:
    text = "absent" if value is None else str(value)
    return text if len(text) <= 60 else text[:57] + "..."


def _same(a: float, b: float) -> bool:
    return a == b or (math.isnan(a) and math.isnan(b))
