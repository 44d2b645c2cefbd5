"""What the tasks of a run give, as rows: accuracy of each group at each point, and the gain of one group on another."""

from collections.abc import Mapping, Sequence

import numpy as np

from neurocircuit.core.arrays import Floats
from neurocircuit.core.stats import random_effects
from neurocircuit.results.circuit_curves import FailedRow, Gain, Row
from neurocircuit.studies.circuit_curves.run import NoCircuit, Point, Replayed, Task

Outcomes = Mapping[str, Replayed | NoCircuit]


def rows(tasks: Sequence[Task], outcomes: Outcomes) -> tuple[Row | FailedRow, ...]:
    """Return a row for each point and group, in the order of the tasks; outcomes: of the tasks, by their names."""
    return tuple(_row(tasks, outcomes, point, group) for point, group in _points_and_groups(tasks))


def _row(tasks: Sequence[Task], outcomes: Outcomes, point: Point, group: str) -> Row | FailedRow:
    group_outcomes = [outcomes[task.name] for task in tasks if task.point == point and task.network.group == group]
    replayed = []
    for outcome in group_outcomes:
        if isinstance(outcome, NoCircuit):
            return FailedRow(**point.named, group=group, failed=outcome.failed)
        replayed.append(outcome)
    right = _right(tasks, outcomes, point, group)[:, None]
    components = random_effects.components(right)
    low, high = random_effects.accuracy_interval(right.astype(bool), components)
    return Row(
        **point.named,
        group=group,
        accuracy=float(right.mean()),
        low=low,
        high=high,
        standard_errors=vars(components),
        by_chip=right.mean(axis=(1, 2)).tolist(),
        undecided=float(np.mean([outcome.undecided for outcome in replayed])),
        latency_s=float(np.mean([outcome.latency_over_tau * outcome.tau_s for outcome in replayed])),
        lead_rad=np.mean([outcome.lead_rad for outcome in replayed], axis=0).tolist(),
        broken=tuple(limit for outcome in replayed for limit in outcome.broken),
    )


def gains(tasks: Sequence[Task], outcomes: Outcomes, base: str, other: str) -> tuple[Gain, ...]:
    """Return the gain of the group `other` on the group `base` at each point at which both have a circuit."""
    return tuple(
        _gain(tasks, outcomes, point, base, other)
        for point in dict.fromkeys(task.point for task in tasks)
        if not any(isinstance(outcomes[task.name], NoCircuit) for task in tasks if task.point == point)
    )


def _gain(tasks: Sequence[Task], outcomes: Outcomes, point: Point, base: str, other: str) -> Gain:
    right_base, right_other = (_right(tasks, outcomes, point, group)[:, None] for group in (base, other))
    difference = right_other - right_base
    low, high = random_effects.difference_interval(random_effects.components(difference), difference)
    return Gain(**point.named, gain=float(difference.mean()), low=low, high=high)


def software(tasks: Sequence[Task], outcomes: Outcomes, group: str) -> float:
    """Return the share of images right under eq. (4), mean over the networks of a group; nan where none ran."""
    right_of_networks = {
        task.network.number: outcome.software
        for task in tasks
        if task.network.group == group and isinstance(outcome := outcomes[task.name], Replayed) and outcome.software
    }
    return float(np.mean(list(right_of_networks.values()))) if right_of_networks else float("nan")


def _points_and_groups(tasks: Sequence[Task]) -> list[tuple[Point, str]]:
    return list(dict.fromkeys((task.point, task.network.group) for task in tasks))


def _right(tasks: Sequence[Task], outcomes: Outcomes, point: Point, group: str) -> Floats:
    """Return 0 and 1 [chip, image], chips in order."""
    by_chip: dict[int, tuple[int, ...]] = {}
    for task in tasks:
        outcome = outcomes[task.name]
        if task.point == point and task.network.group == group and isinstance(outcome, Replayed):
            by_chip |= dict(zip(task.chips, outcome.right, strict=True))
    return np.array([by_chip[number] for number in sorted(by_chip)], dtype=float)
