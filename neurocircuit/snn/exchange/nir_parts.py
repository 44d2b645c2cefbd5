"""What export and import have in common: the metadata of a graph, and kernels with padding on both sides alike."""

import json
from typing import Any

import nir
import numpy as np

from neurocircuit.core.arrays import Floats
from neurocircuit.errors import FileFormatError
from neurocircuit.snn.functional.geometry import Padding

KEY, VERSION = "neurocircuit", 1  # of the graph's metadata, JSON text


def metadata_of(graph: nir.NIRGraph) -> dict[str, Any] | None:
    """Return what a graph of ours says beside its nodes; None for one of another writer's. Raise FileFormatError."""
    text = graph.metadata.get(KEY)
    if text is None:
        return None
    try:
        content = json.loads(text.decode() if isinstance(text, bytes) else str(text))
        version = content["version"]
    except (ValueError, KeyError, TypeError):
        raise FileFormatError(f"metadata {KEY} of the NIR graph must be JSON with a version") from None
    if version != VERSION:
        raise FileFormatError(f"metadata {KEY} of the NIR graph must be of version {VERSION}, got {version!r}")
    return dict(content)


def widened(kernel: Floats, sides: Padding) -> tuple[Floats, tuple[int, int]]:
    """Return a kernel [out, in, row, column] for padding (rows, columns) that is alike on both sides, and that padding.

    Rows and columns of zeros stand before it where the padding there was less than behind, behind it where it was more:
    the same pixels meet the same weights, and as many positions fit.
    """
    rows, columns = max(sides.top, sides.bottom), max(sides.left, sides.right)
    before = (rows - sides.top, columns - sides.left)
    behind = (rows - sides.bottom, columns - sides.right)
    wide = np.pad(kernel, ((0, 0), (0, 0), (before[0], behind[0]), (before[1], behind[1])))
    return wide, (rows, columns)


def narrowed(wide: Floats, size: tuple[int, int], sides: Padding) -> Floats:
    """Return the kernel of `size` inside one that `widened` made."""
    top, left = max(sides.bottom - sides.top, 0), max(sides.right - sides.left, 0)
    return wide[:, :, top : top + size[0], left : left + size[1]]
