"""From finished trials to three designs: their files, their replay on the circuit, and all numbers of the report."""

import json
import os
from pathlib import Path
from typing import Any

import numpy as np
from optuna.trial import FrozenTrial
from scipy.stats import spearmanr

from neurocircuit.core.files import make_directory, write_atomically
from neurocircuit.core.pool import Progress, silent
from neurocircuit.errors import InputError, SimulatorMissing
from neurocircuit.network.run import Circuit
from neurocircuit.network.verify import images as whole
from neurocircuit.network.verify import level_agreement, neurons
from neurocircuit.spec import MappedNetwork
from neurocircuit.studies.codesign import choose
from neurocircuit.studies.codesign.design import Design, base_values, design_of
from neurocircuit.studies.codesign.importance import importances
from neurocircuit.studies.codesign.retrain import retrain
from neurocircuit.studies.codesign.run import is_feasible
from neurocircuit.studies.codesign.store import Store
from neurocircuit.studies.codesign.study import BOUNDS, StudySpec
from neurocircuit.studies.codesign.trial import Problem, causes_of

VERIFIED, DESIGNS = "verification.json", "designs"
_FRESH = 1000  # added to the seed: chips that no trial has seen


def finish(
    problem: Problem, out: Path, jobs: int, progress: Progress = silent, *, replay: bool = True
) -> dict[str, Any]:
    """Recommend, write out/designs, replay there, and return what result.json holds, without the record of the run.

    replay: False recommends none. Raise InputError when it is asked for and no design keeps the limits.
    """
    store = Store(out, problem.study)
    try:
        trials = [store.complete(stage) for stage in range(len(problem.study.fidelities))]
    finally:
        store.close()
    study = problem.study
    roles = _roles(study, trials) if replay else {}
    return {
        "name": study.name,
        "study": study.to_dict(),
        "ranges": {
            name: {"low": parameter.low, "high": parameter.high, "scale": parameter.scale, "unit": BOUNDS[name][2]}
            for name, parameter in study.parameters.ranges.items()
        },
        "base": base_values(problem.base, problem.variation, study.power),
        "fidelities": [
            {"name": fidelity.name, "causes": causes_of(fidelity, problem.base), "trials": _rows(study, trials[k])}
            for k, fidelity in enumerate(study.fidelities)
        ],
        "between_fidelities": between(study, trials),
        "importance": importances(study, trials[0]),
        "recommended": {
            role: {"trial": trial.number, "values": trial.params, "outcome": trial.user_attrs["outcome"]}
            | _verified(problem, role, trial, roles, out, jobs, progress)
            for role, trial in roles.items()
        },
    }


def _roles(study: StudySpec, trials: list[list[FrozenTrial]]) -> dict[str, FrozenTrial]:
    """Return the recommended designs of the last fidelity by role. Raise InputError when none keeps the limits."""
    final = [trial for trial in trials[-1] if is_feasible(trial)]
    if not final:
        raise InputError(nothing_left(study, trials))
    costs = choose.smaller_is_better(np.array([trial.values for trial in final]), study.objectives)
    return {role: final[k] for role, k in choose.recommended(costs, study.objectives).items()}


def nothing_left(study: StudySpec, trials: list[list[FrozenTrial]]) -> str:
    """Why no design can be recommended, in a line: the constraint that most designs break."""
    stage = next(k for k in range(len(trials)) if not any(is_feasible(trial) for trial in trials[k]))
    broken: dict[str, list[float]] = {}
    for trial in trials[stage]:
        for name, value in trial.constraints.items():
            if value > 0:
                broken.setdefault(name, []).append(value)
    worst = max(broken, key=lambda name: len(broken[name]), default="")
    count = len(trials[stage])
    text = f"no design of {count} at fidelity {study.fidelities[stage].name} keeps all limits"
    return f"{text}: {len(broken[worst])} break {worst!r}, the closest by {min(broken[worst]):.3g}" if worst else text


def between(study: StudySpec, trials: list[list[FrozenTrial]]) -> list[dict[str, Any]]:
    """How far a fidelity and the one before it agree on the designs that both saw: rank correlation, difference."""
    rows_by_pair = []
    for stage in range(1, len(trials)):
        source = {f"trial {trial.number}": trial for trial in trials[stage - 1]}
        pairs = [
            (before.values, after.values)
            for after in trials[stage]
            if (before := source.get(after.user_attrs.get("source", ""))) is not None and "accuracy" in _details(after)
        ]
        if len(pairs) < 3:
            continue
        early, late = np.array([a for a, _ in pairs]), np.array([b for _, b in pairs])
        for k, name in enumerate(study.objectives):
            same = np.ptp(early[:, k]) == 0 or np.ptp(late[:, k]) == 0
            rows_by_pair.append(
                {
                    "from": study.fidelities[stage - 1].name,
                    "to": study.fidelities[stage].name,
                    "objective": name,
                    "designs": len(pairs),
                    "rank_correlation": None if same else float(spearmanr(early[:, k], late[:, k]).statistic),
                    "mean_difference": float(np.mean(late[:, k] - early[:, k])),
                }
            )
    return rows_by_pair


def _rows(study: StudySpec, trials: list[FrozenTrial]) -> list[dict[str, Any]]:
    feasible = [k for k, trial in enumerate(trials) if is_feasible(trial)]
    front: set[int] = set()
    if feasible:
        costs = choose.smaller_is_better(np.array([trials[k].values for k in feasible]), study.objectives)
        front = {feasible[k] for k in np.flatnonzero(choose.non_dominated(costs))}
    return [
        {
            "number": trial.number,
            "source": trial.user_attrs.get("source", ""),
            "values": trial.params,
            "objectives": dict(zip(study.objectives, trial.values, strict=True)),
            "constraints": trial.constraints,
            "feasible": k in feasible,
            "front": k in front,
            "details": _details(trial),
        }
        for k, trial in enumerate(trials)
    ]


def _details(trial: FrozenTrial) -> dict[str, Any]:
    details: dict[str, Any] = trial.user_attrs["outcome"]["details"]
    return details


def _verified(
    problem: Problem,
    role: str,
    trial: FrozenTrial,
    roles: dict[str, FrozenTrial],
    out: Path,
    jobs: int,
    progress: Progress,
) -> dict[str, Any]:
    """Files of one role, and its replay; one that two roles share is replayed once, and none twice."""
    first = next(name for name, one in roles.items() if one.number == trial.number)
    folder = out / DESIGNS / role
    study, retraining = problem.study, problem.study.retraining
    identity = {
        "values": trial.params,
        "verification": study.verification.to_dict(),
        "retraining": None if retraining is None else retraining.to_dict(),
    }
    path = out / DESIGNS / first / VERIFIED
    if path.exists() and (stored := json.loads(path.read_bytes()))["identity"] == identity and first == role:
        return {"folder": f"{DESIGNS}/{role}", "verification": stored["result"]}
    design = design_of(problem.base, problem.variation, problem.study.power, trial.params)
    mapped = write_design(problem, role, design, folder)
    if first != role:
        return {"folder": f"{DESIGNS}/{role}", "verification": json.loads(path.read_bytes())["result"]}
    place = list(roles).index(role)
    progress(place, len(roles), f"{role}: design {trial.number} is replayed")
    result = verify(problem, mapped, jobs)
    if retraining is not None:
        progress(place + 0.5, len(roles), f"{role}: design {trial.number} is retrained")
        result["retrained"] = retrain(problem, design, mapped, folder, study.seed + _FRESH)
    write_atomically(folder / VERIFIED, json.dumps({"identity": identity, "result": result}, indent=1) + "\n")
    return {"folder": f"{DESIGNS}/{role}", "verification": result}


def write_design(problem: Problem, role: str, design: Design, folder: Path) -> MappedNetwork:
    """circuit.toml, variation.toml and network.toml of a design, mapped on as many images as verification says."""
    count = problem.study.verification.map_images
    mapping = problem.mapping(design, problem.images(problem.study.mapping.split, count))
    make_directory(folder)
    weights = os.path.relpath(problem.files.checkpoint, folder)
    mapped = mapping.mapped.replace(checkpoint=weights, name=f"{problem.study.name}-{role}")
    circuit = design.neuron.replace(name=f"codesign {role}", window_s=mapped.neuron.window_s)
    write_atomically(folder / "circuit.toml", circuit.to_toml())
    write_atomically(folder / "variation.toml", design.variation.to_toml())
    write_atomically(folder / "network.toml", mapped.to_toml())
    return mapped


def verify(problem: Problem, mapped: MappedNetwork, jobs: int) -> dict[str, Any]:
    """Whole images at edge on chips that no trial saw, and neurons as SPICE decks against their closed form."""
    checks, seed = problem.study.verification, problem.study.seed + _FRESH
    circuit = Circuit.of(mapped, problem.physical)
    images = problem.images(checks.split, checks.images)
    rows = whole.run(circuit, images.spikes, images.labels, chips=checks.chips, level="edge", seed=seed, jobs=jobs)
    numbers = whole.summary(rows, tuple(layer.name for layer in mapped.layers))
    result: dict[str, Any] = {"split": checks.split, "images": numbers, "bsource": [], "bsource_remark": ""}
    if not checks.bsource_neurons:
        return result
    try:
        for points in neurons.points_of(circuit, images.spikes[:2], checks.bsource_neurons, seed):
            discrepancy = level_agreement.level_discrepancy(
                circuit, points, "bsource", "averaged", chip_count=2, seed=seed
            )
            result["bsource"].append(discrepancy)
    except SimulatorMissing as error:
        result["bsource_remark"] = f"not run: {error}"
    return result
