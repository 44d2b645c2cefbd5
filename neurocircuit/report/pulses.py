"""Rows of the edge level whose mean the sample cannot know: small changes move the spike within its XOR pulse.

The membrane of the edge level rises in steps, one in each UP pulse. A change that is small against the spacing of the
pulses, 1/(2 f0), moves most crossings a little within their pulse, and a few to the next pulse. These few carry a
good part of the mean; where the draws hold hardly any of them, mean and interval leave that part out.
"""

import numpy as np

from neurocircuit.report.run import Run
from neurocircuit.table.render import row_text

LEAST_MOVES = 10
_VARIABLE = {"jitter": ("jittered", "input_jitter"), "bits": ("quantised", "bits")}


def moves(run: Run, half: str) -> dict[float, int]:
    """By row: draws of the edge level whose spike moved by more than a quarter of the pulses' spacing."""
    if "edge" not in run.levels:
        return {}
    quarter = 1 / (8 * run.spec.cycles_per_tau)
    name, axis = _VARIABLE[half]
    clean = run.draws[f"clean_{half}"].sel(level="edge").values
    found = {}
    for k, row in enumerate(run.table.rows(half)):
        disturbed = run.draws[name].sel(level="edge").isel({axis: k}).values
        both = np.isfinite(clean) & np.isfinite(disturbed)
        found[row] = int(np.sum(np.abs(disturbed[both] - clean[both]) > quarter))
    return found


def note(run: Run, half: str) -> str:
    """A sentence on the rows with too few moves between pulses; "" when there is none."""
    found = moves(run, half)
    rare = [row for row, count in found.items() if count < LEAST_MOVES]
    if not rare:
        return ""
    unit = "%" if half == "jitter" else "bit"
    rows = ", ".join(f"{row_text(half, row)} {unit} ({found[row]})" for row in rare)
    return (
        f"At level edge, fewer than {LEAST_MOVES} draws moved the spike to another UP pulse in the rows {rows}. Such "
        "moves are rare and large: mean and interval of these rows leave out what they carry. The averaged level, "
        "which has no pulses, shows the mean without that effect."
    )
