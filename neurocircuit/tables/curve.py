"""Table 3's curve through a network: the output jitter of one layer is the input jitter of the next.

Straight lines in log-log through the row means of a table's main level, continued by its end slopes outside the rows.
"""

import numpy as np

from neurocircuit.core.arrays import Floats
from neurocircuit.errors import InputError
from neurocircuit.tables.transfer import TransferTable

_STD_OVER_MEAN = float(np.sqrt(np.pi / 2))  # of |x| for a normal x


def jitter_by_layer(table: TransferTable, input_jitter: float, layers: int, where: str) -> tuple[list[float], int]:
    """Relative jitter (standard deviation) of the input and of each layer, and how many layers lie outside the rows.

    Raise InputError for a jitter outside 0 … 1 and for a table (named `where`) with fewer than two rows of jitter.
    """
    if not 0 < input_jitter < 1:
        raise InputError(f"input jitter must be within 0 … 1, got {input_jitter:g}")
    rows = np.array(table.rows("jitter"))
    if len(rows) < 2:
        raise InputError(f"{where} must hold at least two rows of input jitter, got {len(rows)}")
    means = np.array([table.row("jitter", table.levels[0], row)["mean"] for row in rows])
    jitter, outside = [input_jitter], 0
    for _ in range(layers):
        outside += not rows[0] <= jitter[-1] <= rows[-1]
        jitter.append(_STD_OVER_MEAN * output_of(rows, means, jitter[-1]))
    return jitter, int(outside)


def output_of(rows: Floats, means: Floats, jitter: float) -> float:
    """Return the mean output jitter for one input jitter (ratios), log-log through the rows and beyond them."""
    x, y = np.log(rows), np.log(np.maximum(means, 1e-12))
    k = int(np.clip(np.searchsorted(x, np.log(jitter)) - 1, 0, len(x) - 2))
    slope = (y[k + 1] - y[k]) / (x[k + 1] - x[k])
    return float(np.exp(y[k] + slope * (np.log(jitter) - x[k])))
