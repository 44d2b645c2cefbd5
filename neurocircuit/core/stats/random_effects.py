"""Accuracy of images crossed with chips: what its uncertainty consists of, and an interval for it.

right[c, m, i] for chip c, repeat m of the events and image i. Chips and images are random effects that cross; events
are independent of everything. Balanced analysis of variance (Searle, Casella, McCulloch, Variance Components, ch. 4):

    Var(mean) = σ²_image/n + σ²_chip/C + σ²_image·chip/(n C) + σ²_event/(n C M) = (MS_image + MS_chip - MS_both)/(n C M)

Degrees of freedom by Satterthwaite, not below those of the smaller factor (the difference above would take them there).
Between fewer than five chips the spread of chips cannot be told: with two, 199 of 200 right would have an interval of
55 … 100 %, and it covers 87 % where chips differ much. Their interval is for these chips: variance MS_image/(n C M).
The interval is Wilson's, at the number of independent images that has this variance, with Student's t for the normal
quantile: within 0 … 1, and as short near the ends as the data allow. What a finite calibration adds (`table_variance`)
comes from outside, with its own degrees of freedom.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import stdtrit

from neurocircuit.core.arrays import Floats
from neurocircuit.core.stats.clustered import LEAST_GROUPS
from neurocircuit.core.stats.proportions import wilson_interval


@dataclass(frozen=True)
class Components:
    """Standard errors that each cause gives the mean accuracy; they add in squares to `total`.

    Below LEAST_GROUPS chips `total` is that of the images alone: it speaks for these chips only (`scope`).
    """

    images: float
    chips: float
    both: float  # that some chips do worse on some images
    events: float
    table: float
    total: float
    degrees: float


def components(
    right: NDArray[np.bool_] | Floats, table_variance: float = 0.0, table_degrees: float = 0.0
) -> Components:
    """From right [chip, repeat, image]; with one chip, one image or one repeat its own part cannot be told: 0."""
    chips, repeats, n = right.shape
    y = right.astype(float)
    cell = y.mean(axis=1)  # [chip, image]
    mean, by_chip, by_image = cell.mean(), cell.mean(axis=1), cell.mean(axis=0)
    image = repeats * chips * _square(by_image - mean, n - 1)
    chip = repeats * n * _square(by_chip - mean, chips - 1)
    both = repeats * _square(cell - by_chip[:, None] - by_image + mean, (n - 1) * (chips - 1))
    event = _square(y - cell[:, None], n * chips * (repeats - 1))
    size = n * chips * repeats
    parts = {
        "images": (image - both) / size if chips > 1 else image / size,
        "chips": (chip - both) / size if chips > 1 else 0.0,
        "both": (both - event) / size if chips > 1 and repeats > 1 else both / size,
        "events": event / size,
    }
    of_mean = max(image + chip - both, both, 0.0) / size if chips >= LEAST_GROUPS else image / size
    total = of_mean + table_variance
    squares = (image / size) ** 2 / max(n - 1, 1)
    if chips >= LEAST_GROUPS:
        squares += (chip / size) ** 2 / (chips - 1) + (both / size) ** 2 / max((n - 1) * (chips - 1), 1)
    if table_degrees > 0:
        squares += table_variance**2 / table_degrees
    errors = {name: float(np.sqrt(max(value, 0.0))) for name, value in parts.items()}
    least = min(chips - 1, n - 1) if chips >= LEAST_GROUPS else n - 1
    degrees = max(float(total**2 / squares), float(least)) if squares > 0 else float(n - 1)
    return Components(
        **errors, table=float(np.sqrt(table_variance)), total=float(np.sqrt(total)), degrees=max(degrees, 1.0)
    )


def _square(deviations: Floats, degrees: int) -> float:
    return float(np.sum(deviations**2)) / degrees if degrees > 0 else 0.0


def for_these_chips(chips: int) -> bool:
    """Return whether so few chips' interval speaks for them alone, not for others like them."""
    return chips < LEAST_GROUPS


def scope(chips: int) -> str:
    """Return in words what an interval speaks for, to stand behind it."""
    if not for_these_chips(chips):
        return "over images and chips"
    these = "this chip" if chips == 1 else f"these {chips} chips"
    return f"over images, for {these}: it takes {LEAST_GROUPS} to speak for others"


def by_chip_and_image(values: Floats, chip: NDArray[np.int64], image: NDArray[np.int64]) -> Floats:
    """Return `values` [run] as [chip, repeat, image]. Raise ValueError unless each chip has each image as often."""
    order = np.lexsort((image, chip))
    shape = (len(np.unique(chip)), len(np.unique(image)))
    return np.moveaxis(values[order].reshape(*shape, -1), 2, 1)


def accuracy_interval(
    right: NDArray[np.bool_] | Floats, components: Components, level: float = 0.95
) -> tuple[float, float]:
    """Return that of the mean of right [chip, repeat, image]; Wilson's of the images where all are right or wrong."""
    mean, n = float(right.mean()), right.shape[2]
    if mean in (0.0, 1.0) or components.total == 0.0:
        return wilson_interval(round(mean * n), n)
    t = float(stdtrit(components.degrees, 0.5 + level / 2))
    independent = mean * (1.0 - mean) / components.total**2
    middle = (mean + t**2 / (2.0 * independent)) / (1.0 + t**2 / independent)
    half = t / (1.0 + t**2 / independent) * np.sqrt(components.total**2 + (t / (2.0 * independent)) ** 2)
    return max(float(middle - half), 0.0), min(float(middle + half), 1.0)


def difference_interval(components: Components, difference: Floats, level: float = 0.95) -> tuple[float, float]:
    """Of the mean of paired differences [chip, repeat, image], from their own components: Student's t, unbounded.

    Where all are 0, as far to each side as Wilson's interval of no differing image.
    """
    if components.total == 0.0:
        far = wilson_interval(0, difference.shape[2])[1]
        return -far, far
    half = float(stdtrit(components.degrees, 0.5 + level / 2)) * components.total
    return float(difference.mean()) - half, float(difference.mean()) + half


def table_variance(differences: Floats) -> float:
    """Variance of the mean accuracy over noise tables, from right - right of the table itself, [table, chip, image].

    The spread of the tables' means, less what the finite number of images leaves in them.
    """
    if len(differences) < 2:
        return 0.0
    by_image = differences.mean(axis=1)
    left = by_image.var(axis=1, ddof=1).mean() / by_image.shape[1] if by_image.shape[1] > 1 else 0.0
    return max(float(by_image.mean(axis=1).var(ddof=1) - left), 0.0)
