"""What a written picture shows, read back from its file."""

import re
from pathlib import Path
from xml.etree import ElementTree

import matplotlib.image
import numpy as np

_PATH = "{http://www.w3.org/2000/svg}path"


def assert_drawn(path: Path, *, points: int = 20) -> None:
    """Assert that a png or svg can be read and holds ink: a curve or marks of at least so many points."""
    if path.suffix == ".png":
        pixels = matplotlib.image.imread(path)
        assert min(pixels.shape[:2]) >= 200, f"{path.name} measures {pixels.shape}"
        rows, columns = np.nonzero((pixels != pixels[0, 0]).any(axis=2))
        assert np.ptp(rows) > pixels.shape[0] / 2, f"{path.name} is empty"
        assert np.ptp(columns) > pixels.shape[1] / 2, f"{path.name} is empty"
        return
    drawn = [element.get("d", "") for element in ElementTree.fromstring(path.read_text()).iter(_PATH)]  # noqa: S314
    assert drawn, f"{path.name} holds no path"
    assert sum(len(re.findall("[MLQC]", d)) for d in drawn) >= points, f"{path.name} holds no curve"
