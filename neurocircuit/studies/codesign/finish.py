"""From finished trials to three designs: their files, their replay on the circuit, and all numbers of the report."""

import json
import os
from pathlib import Path

import numpy as np
from optuna.trial import FrozenTrial
from scipy.stats import spearmanr

from neurocircuit.core.files import make_directory, read_json_object, write_atomically
from neurocircuit.core.pool import Progress, open_pool, silent
from neurocircuit.core.provenance import RunClock
from neurocircuit.errors import InputError, SimulatorMissing
from neurocircuit.network.run import Circuit
from neurocircuit.network.verify import images as whole
from neurocircuit.network.verify import level_agreement, neurons
from neurocircuit.results.codesign import (
    Codesign,
    FidelityAgreement,
    FidelityTrials,
    ParameterRange,
    Recommended,
    Trial,
    Verification,
)
from neurocircuit.results.inference import NeuronPower
from neurocircuit.spec import MappedNetwork
from neurocircuit.studies.codesign import choose
from neurocircuit.studies.codesign.design import Design, design_of
from neurocircuit.studies.codesign.importance import importances
from neurocircuit.studies.codesign.retrain import retrain
from neurocircuit.studies.codesign.store import Store, is_evaluated, is_feasible, outcome_of
from neurocircuit.studies.codesign.study import BOUNDS, StudySpec
from neurocircuit.studies.codesign.trial import Problem, causes_of

VERIFIED, DESIGNS = "verification.json", "designs"
_FRESH = 1000  # added to the seed: chips that no trial has seen


def finish(
    problem: Problem, out: Path, clock: RunClock, workers: int = 1, progress: Progress = silent, *, replay: bool = True
) -> Codesign:
    """Recommend designs, write their files into out/designs, replay them, and return the result of the study.

    replay: False recommends none. Raise InputError with it when no design keeps the limits.
    """
    store = Store(out, problem.study)
    try:
        trials = [store.complete(stage) for stage in range(len(problem.study.fidelities))]
    finally:
        store.close()
    study = problem.study
    roles = _roles(study, trials) if replay else {}
    fidelities = tuple(
        FidelityTrials(
            name=fidelity.name,
            causes=causes_of(fidelity, problem.base, problem.windowed is not None),
            trials=_rows(study, trials[k]),
        )
        for k, fidelity in enumerate(study.fidelities)
    )
    recommended = {
        role: Recommended(
            trial=trial.number,
            values=trial.params,
            outcome=outcome_of(trial),
            folder=f"{DESIGNS}/{role}",
            verification=_verified(problem, role, trial, roles, out, workers, progress),
        )
        for role, trial in roles.items()
    }
    cpu_s = sum(trial.details.cpu_s for fidelity in fidelities for trial in fidelity.trials)
    return Codesign(
        name=study.name,
        study=study.to_dict(),
        ranges={
            name: ParameterRange(low=parameter.low, high=parameter.high, scale=parameter.scale, unit=BOUNDS[name][2])
            for name, parameter in study.parameters.ranges.items()
        },
        base=problem.base_values,
        fidelities=fidelities,
        between_fidelities=agreements(study, trials),
        importance=importances(study, trials[0]),
        recommended=recommended,
        neuron=problem.power,
        workers=workers,
        cpu_s_of_all_trials=round(cpu_s, 1),
        run=clock.record(),
    )


def _roles(study: StudySpec, trials: list[list[FrozenTrial]]) -> dict[str, FrozenTrial]:
    """Return the recommended designs of the last fidelity by role. Raise InputError when none keeps the limits."""
    final = [trial for trial in trials[-1] if is_feasible(trial)]
    if not final:
        raise InputError(nothing_left(study, trials))
    costs = choose.smaller_is_better(np.array([trial.values for trial in final]), study.objectives)
    return {role: final[k] for role, k in choose.recommended(costs, study.objectives).items()}


def nothing_left(study: StudySpec, trials: list[list[FrozenTrial]]) -> str:
    """Return why no design can be recommended, in a line: the constraint that most designs break."""
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


def agreements(study: StudySpec, trials: list[list[FrozenTrial]]) -> tuple[FidelityAgreement, ...]:
    """Return how far each fidelity and the one before it agree, by objective; nothing below three common designs."""
    rows = []
    for stage in range(1, len(trials)):
        earlier_trials = {f"trial {trial.number}": trial for trial in trials[stage - 1]}
        common = [
            (earlier.values, later.values)
            for later in trials[stage]
            if (earlier := earlier_trials.get(later.user_attrs.get("source", ""))) is not None and is_evaluated(later)
        ]
        if len(common) < 3:
            continue
        earlier_values, later_values = (np.array(values) for values in zip(*common, strict=True))
        for k, name in enumerate(study.objectives):
            early, late = earlier_values[:, k], later_values[:, k]
            is_constant = np.ptp(early) == 0 or np.ptp(late) == 0
            rows.append(
                FidelityAgreement(
                    earlier=study.fidelities[stage - 1].name,
                    later=study.fidelities[stage].name,
                    objective=name,
                    designs=len(common),
                    rank_correlation=None if is_constant else float(spearmanr(early, late).statistic),
                    mean_difference=float(np.mean(late - early)),
                )
            )
    return tuple(rows)


def _rows(study: StudySpec, trials: list[FrozenTrial]) -> tuple[Trial, ...]:
    feasible = [k for k, trial in enumerate(trials) if is_feasible(trial)]
    front: set[int] = set()
    if feasible:
        costs = choose.smaller_is_better(np.array([trials[k].values for k in feasible]), study.objectives)
        front = {feasible[k] for k in np.flatnonzero(choose.non_dominated(costs))}
    return tuple(
        Trial(
            number=trial.number,
            source=trial.user_attrs.get("source", ""),
            values=trial.params,
            objectives=dict(zip(study.objectives, trial.values, strict=True)),
            constraints=trial.constraints,
            feasible=k in feasible,
            front=k in front,
            details=outcome_of(trial).details,
        )
        for k, trial in enumerate(trials)
    )


def _verified(
    problem: Problem,
    role: str,
    trial: FrozenTrial,
    roles: dict[str, FrozenTrial],
    out: Path,
    jobs: int,
    progress: Progress,
) -> Verification:
    """Write the files of one role and return its replay; a design of two roles is replayed once, a stored one never."""
    first_role = next(name for name, its_trial in roles.items() if its_trial.number == trial.number)
    folder, file = out / DESIGNS / role, out / DESIGNS / first_role / VERIFIED
    study, retraining = problem.study, problem.study.retraining
    identity = {
        "values": trial.params,
        "verification": study.verification.to_dict(),
        "retraining": None if retraining is None else retraining.to_dict(),
    }
    if first_role == role and file.exists() and (stored := read_json_object(file))["identity"] == identity:
        return Verification.model_validate(stored["result"])
    design = design_of(problem.base, problem.variation, problem.power, trial.params)
    make_directory(folder)
    problem = problem.at(trial.params).save_weights(folder / "weights.pt")
    mapped = write_design(problem, role, design, folder)
    if first_role != role:
        return Verification.model_validate(read_json_object(file)["result"])
    number = list(roles).index(role)
    progress(number, len(roles), f"{role}: design {trial.number} is replayed")
    verification = verify(problem, mapped, design.power, jobs)
    if retraining is not None:
        progress(number + 0.5, len(roles), f"{role}: design {trial.number} is retrained")
        retrained = retrain(problem, design, mapped, folder, study.seed + _FRESH)
        verification = verification.model_copy(update={"retrained": retrained})
    content = {"identity": identity, "result": verification.model_dump(mode="json")}
    write_atomically(file, json.dumps(content, indent=1) + "\n")
    return verification


def write_design(problem: Problem, role: str, design: Design, folder: Path) -> MappedNetwork:
    """Map a design on as many images as verification says; write circuit.toml, variation.toml and network.toml."""
    count = problem.study.verification.map_images
    mapping = problem.mapping(design, problem.images(problem.study.mapping.split, count))
    weights = os.path.relpath(problem.files.checkpoint, folder)
    mapped = mapping.mapped.replace(checkpoint=weights, name=f"{problem.study.name}-{role}")
    circuit = design.neuron.replace(name=f"codesign {role}", window_s=mapped.neuron.window_s)
    write_atomically(folder / "circuit.toml", circuit.to_toml())
    write_atomically(folder / "variation.toml", design.variation.to_toml())
    write_atomically(folder / "network.toml", mapped.to_toml())
    return mapped


def verify(problem: Problem, mapped: MappedNetwork, power: NeuronPower, jobs: int) -> Verification:
    """Run whole images at edge on chips that no trial saw, and neurons as SPICE decks against their closed form."""
    checks, seed = problem.study.verification, problem.study.seed + _FRESH
    circuit = Circuit.of(mapped, problem.physical)
    images = problem.images(checks.split, checks.images)
    with open_pool(jobs, preload=(whole.__name__,)) as pool:
        rows = whole.run(circuit, images.spikes, images.labels, chips=checks.chips, level="edge", seed=seed, pool=pool)
    summary = whole.summary(rows, circuit, power)
    differences, remark = [], ""
    if checks.bsource_neurons:
        try:
            for points in neurons.points_of(circuit, images.spikes[:2], checks.bsource_neurons, seed):
                difference = level_agreement.level_discrepancy(
                    circuit, points, "bsource", "averaged", chip_count=2, seed=seed
                )
                differences.append(difference)
        except SimulatorMissing as error:
            remark = f"not run: {error}"
    return Verification(split=checks.split, images=summary, bsource=tuple(differences), bsource_remark=remark)
