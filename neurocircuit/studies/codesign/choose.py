"""Designs to evaluate at the next fidelity, and the three to recommend: on plain arrays, where smaller is better."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from neurocircuit.core.arrays import Bools, Floats
from neurocircuit.studies.codesign.study import MAXIMISED


def smaller_is_better(values: Floats, objectives: Sequence[str]) -> Floats:
    """Return values [design, objective] with the sign of maximised objectives turned."""
    return np.asarray(values * np.array([-1.0 if name in MAXIMISED else 1.0 for name in objectives]))


def non_dominated(costs: Floats) -> Bools:
    """Return whether no other design is as good in every cost [design, objective] and better in one, [design]."""
    as_good = (costs[:, None, :] <= costs[None, :, :]).all(axis=2)
    better = (costs[:, None, :] < costs[None, :, :]).any(axis=2)
    return np.asarray(~(as_good & better).any(axis=0))


def fronts(costs: Floats) -> list[NDArray[np.intp]]:
    """Return the designs front by front: each is the non-dominated ones of those that the fronts before leave."""
    left, all_fronts = np.arange(len(costs)), []
    while len(left):
        on_front = non_dominated(costs[left])
        all_fronts.append(left[on_front])
        left = left[~on_front]
    return all_fronts


def promising(costs: Floats, count: int) -> list[int]:
    """Return `count` designs: whole fronts while they fit; of the next the ends, then the farthest from the chosen."""
    chosen: list[int] = []
    for front in fronts(costs):
        room = count - len(chosen)
        chosen += [int(k) for k in (front if len(front) <= room else front[_spread(costs[front], room)])]
        if len(chosen) == count:
            break
    return chosen


def _spread(costs: Floats, count: int) -> NDArray[np.intp]:
    """Return `count` designs in farthest-point order of normalised costs, from the best of each objective on."""
    normalised_costs = normalised(costs)
    chosen = list(dict.fromkeys(int(k) for k in normalised_costs.argmin(axis=0)))[:count]
    while len(chosen) < count:
        distance = np.linalg.norm(normalised_costs[:, None, :] - normalised_costs[None, chosen, :], axis=2).min(axis=1)
        distance[chosen] = -1.0
        chosen.append(int(distance.argmax()))
    return np.array(chosen, dtype=np.intp)


def normalised(costs: Floats) -> Floats:
    """Return costs [design, objective] from 0 (best of these designs) to 1 (worst)."""
    low, high = costs.min(axis=0), costs.max(axis=0)
    return np.asarray((costs - low) / np.where(high > low, high - low, 1.0))


def recommended(costs: Floats, objectives: Sequence[str]) -> dict[str, int]:
    """Return the design of each of three roles; costs [design, objective] of feasible designs at one fidelity.

    The best in accuracy and in the first of the other objectives (ties: the better in the rest) and `balanced`, the one
    nearest to the ideal point in normalised costs over the front. Roles may fall on one design.
    """
    front = np.flatnonzero(non_dominated(costs))
    normalised_costs = normalised(costs[front])
    roles = {}
    for name in ("accuracy", next(name for name in objectives if name != "accuracy")):
        order = np.lexsort((normalised_costs.sum(axis=1), normalised_costs[:, list(objectives).index(name)]))
        roles[name] = int(front[order[0]])
    roles["balanced"] = int(front[np.linalg.norm(normalised_costs, axis=1).argmin()])
    return roles
