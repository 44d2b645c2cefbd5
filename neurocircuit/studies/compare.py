"""What share of the accuracy that a circuit costs is won back by training under its noise, with an interval.

share = (trained - clean)/(software - clean): the clean network and the trained ones, each on chips of its own mapping;
software: the clean network by eq. (4). Controls had as many steps without the noise: what the trained ones have beyond
them is the noise's. All meet the same images and chip numbers, whether by noise tables or in the circuit itself. The
interval is a bootstrap that draws images, chips and training seeds anew, each with replacement (crossed: Owen, Annals
of Applied Statistics 1, 2007), and adds to each accuracy a normal error of its finite calibration.
"""

from dataclasses import dataclass

import numpy as np

from neurocircuit.core.arrays import Floats

DRAWS = 4000
Triple = tuple[float, float, float]


@dataclass(frozen=True)
class Network:
    """Shares right [chip, image] of one network, and the standard error that a finite calibration gives their mean."""

    right: Floats
    table_error: float = 0.0


@dataclass(frozen=True)
class Recovered:
    """Values with their 95 % intervals, each (value, low, high); those of a control are nan without one.

    gain: trained less clean; beyond_control: trained less control.
    """

    software: float
    clean: Triple
    trained: Triple
    gain: Triple
    share: Triple
    control: Triple
    beyond_control: Triple


def recovered(
    clean: Network, trained: list[Network], software: Floats, control: list[Network] | None = None, seed: int = 0
) -> Recovered:
    """Of one clean network (software [image]: right by eq. (4)), at least one trained one, and controls, if any.

    All on the same number of chips and images; trained and control networks of the same place have the same seed.
    """
    controls = control or []
    networks = [clean, *trained, *controls]
    rights = np.stack([one.right for one in networks])  # [network, chip, image]
    errors = np.array([one.table_error for one in networks])
    generator = np.random.default_rng([seed, 41])
    trained_, control_ = len(trained), len(controls)
    plain = (np.full(trained_, 1 / trained_), np.full(control_, 1 / max(control_, 1)))
    values = _summary(rights.mean(axis=(1, 2)), software.mean(), *plain)
    found = np.array([_drawn(rights, software, errors, trained_, control_, generator) for _ in range(DRAWS)])
    known = np.isfinite(found).all(axis=0)
    low, high = (np.where(known, np.quantile(found, q, axis=0), np.nan) for q in (0.025, 0.975))
    triples = [(float(v), float(a), float(b)) for v, a, b in zip(values, low, high, strict=True)]
    return Recovered(float(software.mean()), *triples)


def _summary(means: Floats, software: float, of_trained: Floats, of_control: Floats) -> Floats:
    """From accuracies [network] and the weights of the training seeds of both kinds."""
    clean, trained = means[0], float(of_trained @ means[1 : 1 + len(of_trained)])
    control = float(of_control @ means[1 + len(of_trained) :]) if len(of_control) else np.nan
    lost = software - clean
    share = (trained - clean) / lost if lost > 0 else np.nan
    return np.array([clean, trained, trained - clean, share, control, trained - control])


def _drawn(
    rights: Floats, software: Floats, errors: Floats, trained: int, control: int, generator: np.random.Generator
) -> Floats:
    def again(n: int) -> Floats:
        return np.asarray(generator.multinomial(n, np.full(n, 1 / n)) / n)

    _, chips, n = rights.shape
    image, chip, of_trained = again(n), again(chips), again(trained)
    of_control = of_trained if control == trained else again(control) if control else np.empty(0)
    means = (rights @ image) @ chip + errors * generator.standard_normal(len(errors))
    return _summary(means, float(software @ image), of_trained, of_control)
