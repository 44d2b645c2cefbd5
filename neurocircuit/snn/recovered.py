"""What share of the accuracy that a circuit costs is won back by training under its noise, with an interval.

share = (trained - clean)/(software - clean): the clean network and the trained ones, each on chips by the noise table
of its own mapping; software: the clean network by eq. (4). All meet the same images and chip numbers. The interval is a
bootstrap that draws images, chips and training seeds anew, each with replacement (crossed: Owen, Annals of Applied
Statistics 1, 2007), and adds to each accuracy a normal error of its finite calibration.
"""

from dataclasses import dataclass

import numpy as np

from neurocircuit.record import Floats
from neurocircuit.snn.hardware import HardwareAccuracy

DRAWS = 4000


@dataclass(frozen=True)
class Recovered:
    """Values with their 95 % intervals, each (value, low, high)."""

    software: float
    clean: tuple[float, float, float]
    trained: tuple[float, float, float]
    gain: tuple[float, float, float]
    share: tuple[float, float, float]


def recovered(clean: HardwareAccuracy, trained: list[HardwareAccuracy], seed: int = 0) -> Recovered:
    """Of one clean network and at least one trained one; all on the same number of chips and images."""
    by = [one.right.mean(axis=1) for one in (clean, *trained)]  # [chip, image] each
    tables = np.array([one.components.table for one in (clean, *trained)])
    before, after = by[0], np.stack(by[1:])
    software = clean.software.astype(float)
    generator = np.random.default_rng([seed, 41])
    found = np.array([_one(before, after, software, tables, generator) for _ in range(DRAWS)])
    values = _summary(before.mean(), after.mean(), software.mean())
    known = np.isfinite(found).all(axis=0)
    low, high = (np.where(known, np.quantile(found, q, axis=0), np.nan) for q in (0.025, 0.975))
    triples = [(float(v), float(a), float(b)) for v, a, b in zip(values, low, high, strict=True)]
    return Recovered(float(software.mean()), *triples)


def _summary(clean: float, trained: float, software: float) -> Floats:
    lost = software - clean
    share = (trained - clean) / lost if lost > 0 else np.nan
    return np.array([clean, trained, trained - clean, share])


def _one(before: Floats, after: Floats, software: Floats, tables: Floats, generator: np.random.Generator) -> Floats:
    seeds, chips, n = after.shape
    image = generator.multinomial(n, np.full(n, 1 / n)) / n
    chip = generator.multinomial(chips, np.full(chips, 1 / chips)) / chips
    run = generator.multinomial(seeds, np.full(seeds, 1 / seeds)) / seeds
    error = tables * generator.standard_normal(len(tables))
    each = (after @ image) @ chip + error[1:]
    return _summary(float(chip @ before @ image + error[0]), float(run @ each), float(software @ image))
