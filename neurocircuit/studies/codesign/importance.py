"""Which parameters decide an objective: PED-ANOVA of Optuna, and the direction as a rank correlation."""

import warnings

import numpy as np
import optuna
from optuna.trial import FrozenTrial
from scipy.stats import spearmanr

from neurocircuit.results.codesign import Importance
from neurocircuit.studies.codesign.store import is_evaluated
from neurocircuit.studies.codesign.study import MAXIMISED, StudySpec

BEST_SHARE = 0.25  # PED-ANOVA: what sets the best quarter of the designs apart from all
LEAST_TRIALS = 12


def importances(study: StudySpec, trials: list[FrozenTrial]) -> dict[str, dict[str, Importance]]:
    """Return by objective and parameter the share of importance (they sum to 1) and Spearman's rank correlation.

    Over the trials that were evaluated, feasible or not. Empty with fewer than 12 of them. PED-ANOVA (Watanabe, Bansal,
    Hutter, IJCAI 2023) needs no model of the objective; it says what tells the best quarter from the rest.
    """
    evaluated = [trial for trial in trials if is_evaluated(trial)]
    if len(evaluated) < LEAST_TRIALS:
        return {}
    importances: dict[str, dict[str, Importance]] = {}
    for k, objective in enumerate(study.objectives):
        sign = -1.0 if objective in MAXIMISED else 1.0
        costs = np.array([sign * trial.values[k] for trial in evaluated])
        shares = _ped_anova(evaluated, costs)
        importances[objective] = {
            name: Importance(
                share=shares.get(name, 0.0),
                rank_correlation=_rank([trial.params[name] for trial in evaluated], sign * costs),
            )
            for name in study.parameters.ranges
        }
    return importances


def _ped_anova(trials: list[FrozenTrial], costs: np.ndarray) -> dict[str, float]:
    """Return the shares by parameter; one that never varies has none."""
    plain = optuna.create_study(direction="minimize")
    for trial, cost in zip(trials, costs, strict=True):
        plain.add_trial(
            optuna.trial.create_trial(params=trial.params, distributions=trial.distributions, value=float(cost))
        )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
        evaluator = optuna.importance.PedAnovaImportanceEvaluator(target_quantile=BEST_SHARE)
        return optuna.importance.get_param_importances(plain, evaluator=evaluator)


def _rank(values: list[float], objective: np.ndarray) -> float | None:
    if np.ptp(values) == 0 or np.ptp(objective) == 0:
        return None
    return float(spearmanr(values, objective).statistic)
