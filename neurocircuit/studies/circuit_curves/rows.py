"""What the tasks of curves.py found, as rows: accuracy of each group at each point, and gains of one on another."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from neurocircuit.core.arrays import Floats
from neurocircuit.core.stats import random_effects
from neurocircuit.studies.circuit_curves.run import Point, Task


def rows(tasks: Sequence[Task], results: Mapping[str, Mapping[str, Any]]) -> list[dict[str, Any]]:
    """One for each point and group: accuracy with its 95 % interval over images, networks and, of five on, chips.

    broken: limits that a network breaks there; failed: why there is no such circuit (then there are no numbers).
    """
    made = []
    for point, group in _points_and_groups(tasks):
        results_here = [results[task.name] for task in _of(tasks, point, group)]
        row: dict[str, Any] = {
            "circuit": point.circuit,
            "quantity": point.quantity,
            "value": point.value,
            "group": group,
        }
        row["failed"] = next((result["failed"] for result in results_here if result["failed"]), "")
        if not row["failed"]:
            right = _right(tasks, results, point, group)[:, None]
            parts = random_effects.components(right)
            low, high = random_effects.accuracy_interval(right.astype(bool), parts)
            row |= {
                "accuracy": float(right.mean()),
                "low": low,
                "high": high,
                "standard_errors": vars(parts),
                "by_chip": right.mean(axis=(1, 2)).tolist(),
                "undecided": float(np.mean([result["undecided"] for result in results_here])),
                "latency_s": float(np.mean([result["latency_over_tau"] * result["tau_s"] for result in results_here])),
                "lead_rad": np.mean([result["lead_rad"] for result in results_here], axis=0).tolist(),
                "broken": [line for result in results_here for line in result["broken"]],
            }
        made.append(row)
    return made


def gains(
    tasks: Sequence[Task], results: Mapping[str, Mapping[str, Any]], base: str, other: str
) -> list[dict[str, Any]]:
    """Accuracy of the group `other` less that of `base` on the same images and chips, with a 95 % interval."""
    made = []
    for point in dict.fromkeys(point for point, _ in _points_and_groups(tasks)):
        both = [results[task.name] for task in tasks if task.point == point and task.network.group in (base, other)]
        if any(result["failed"] for result in both):
            continue
        pair = [_right(tasks, results, point, group)[:, None] for group in (base, other)]
        difference = pair[1] - pair[0]
        low, high = random_effects.difference_interval(random_effects.components(difference), difference)
        made.append(
            {
                "circuit": point.circuit,
                "quantity": point.quantity,
                "value": point.value,
                "gain": float(difference.mean()),
                "low": low,
                "high": high,
            }
        )
    return made


def software(tasks: Sequence[Task], results: Mapping[str, Mapping[str, Any]], group: str) -> float:
    """Share of the images right under eq. (4), mean over the networks of a group."""
    by_network = {
        task.network.number: results[task.name]["software"]
        for task in tasks
        if task.network.group == group and results[task.name].get("software")
    }
    return float(np.mean(list(by_network.values()))) if by_network else float("nan")


def _points_and_groups(tasks: Sequence[Task]) -> list[tuple[Point, str]]:
    return list(dict.fromkeys((task.point, task.network.group) for task in tasks))


def _of(tasks: Sequence[Task], point: Point, group: str) -> list[Task]:
    return [task for task in tasks if task.point == point and task.network.group == group]


def _right(tasks: Sequence[Task], results: Mapping[str, Mapping[str, Any]], point: Point, group: str) -> Floats:
    """0 and 1 [chip, image], chips in order."""
    by_chip: dict[int, list[int]] = {}
    for task in _of(tasks, point, group):
        by_chip |= dict(zip(task.chips, results[task.name]["right"], strict=True))
    return np.array([by_chip[number] for number in sorted(by_chip)], dtype=float)
