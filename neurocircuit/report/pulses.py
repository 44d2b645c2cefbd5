"""Rows of the edge level whose mean the sample cannot know: small changes move the spike within its XOR pulse.

The membrane of the edge level rises in steps, one in each UP pulse. A change that is small against the spacing of the
pulses, 1/(2 f0), moves most crossings a little within their pulse, and a few to the next pulse. These few carry a
good part of the mean; where the draws hold hardly any of them, the mean leaves that part out.
"""

from neurocircuit.report.run import Run
from neurocircuit.tables.render import UNRESOLVED, is_unresolved, row_text


def unresolved(run: Run, half: str) -> list[float]:
    """Rows of the edge level with too few moves between pulses."""
    if "edge" not in run.levels:
        return []
    return [row for row in run.table.rows(half) if is_unresolved(run.table.row(half, "edge", row))]


def note(run: Run, half: str) -> str:
    """What the star means and in which rows it stands; "" when there is none."""
    rows = unresolved(run, half)
    if not rows:
        return ""
    unit = "%" if half == "jitter" else "bit"
    named = ", ".join(f"{row_text(half, row)} {unit}" for row in rows)
    return f"{UNRESOLVED} Here: level edge, {named}."
