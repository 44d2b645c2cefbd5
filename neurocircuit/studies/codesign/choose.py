"""Which designs are worth a closer look, and which three are recommended: on plain arrays, smaller is better."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from neurocircuit.core.arrays import Bools, Floats
from neurocircuit.studies.codesign.study import MAXIMISED


def smaller_is_better(values: Floats, objectives: Sequence[str]) -> Floats:
    """Values [design, objective] with the sign of those turned that are to be large."""
    return np.asarray(values * np.array([-1.0 if name in MAXIMISED else 1.0 for name in objectives]))


def non_dominated(costs: Floats) -> Bools:
    """Designs [design] than which no other is at least as good in every cost [design, objective] and better in one."""
    as_good = (costs[:, None, :] <= costs[None, :, :]).all(axis=2)
    better = (costs[:, None, :] < costs[None, :, :]).any(axis=2)
    return np.asarray(~(as_good & better).any(axis=0))


def fronts(costs: Floats) -> list[NDArray[np.intp]]:
    """Designs peeled off front by front."""
    left, peeled = np.arange(len(costs)), []
    while len(left):
        on_front = non_dominated(costs[left])
        peeled.append(left[on_front])
        left = left[~on_front]
    return peeled


def promising(costs: Floats, count: int) -> list[int]:
    """`count` designs: whole fronts as long as they fit; of the last one the ends, then what is farthest from them."""
    chosen: list[int] = []
    for front in fronts(costs):
        room = count - len(chosen)
        chosen += [int(k) for k in (front if len(front) <= room else front[_spread(costs[front], room)])]
        if len(chosen) == count:
            break
    return chosen


def _spread(costs: Floats, count: int) -> NDArray[np.intp]:
    """Farthest-point order in normalised costs, from the best of each objective on."""
    normalised_costs = normalised(costs)
    chosen = list(dict.fromkeys(int(k) for k in normalised_costs.argmin(axis=0)))[:count]
    while len(chosen) < count:
        distance = np.linalg.norm(normalised_costs[:, None, :] - normalised_costs[None, chosen, :], axis=2).min(axis=1)
        distance[chosen] = -1.0
        chosen.append(int(distance.argmax()))
    return np.array(chosen, dtype=np.intp)


def normalised(costs: Floats) -> Floats:
    """Each objective from 0 (best) to 1 (worst of these)."""
    low, high = costs.min(axis=0), costs.max(axis=0)
    return np.asarray((costs - low) / np.where(high > low, high - low, 1.0))


def recommended(costs: Floats, objectives: Sequence[str]) -> dict[str, int]:
    """Design of each of three roles; costs [design, objective] of feasible designs at one fidelity.

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
