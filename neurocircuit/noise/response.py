"""What a membrane must have seen, from a spike's time; its regression on first-order terms; spikes long before time."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from neurocircuit.core.arrays import Bools, Floats
from neurocircuit.core.stats import robust_spread
from neurocircuit.neuron.operating_points import Operating, disturbance_of
from neurocircuit.neuron.sensitivity import COMPONENTS, TERMS
from neurocircuit.noise.curves import QUANTILES
from neurocircuit.spec import NeuronSpec

LARGEST_EVENT = 50.0  # thresholds; an earlier spike than this says is no deviation but another event
EARLY_LEAST, EARLY_SCALES = 0.5, 6.0  # thresholds; spreads by the median absolute deviation
_WINSOR_ROUNDS = 6
_LARGEST_CONDITION = 1e13  # of a normal matrix, beyond which its regressors count as dependent


def membrane_seen(spec: NeuronSpec, point: Operating, t_over_tau: Floats) -> Floats:
    """Return the disturbance m [sample] from circuit fire times.

    A miss counts as what moves the spike to the window's end.
    """
    delay = np.where(np.isfinite(t_over_tau), t_over_tau, spec.window_over_tau) - point.at
    m: Floats = np.maximum(disturbance_of(spec, point, delay), -LARGEST_EVENT)
    return m


def least_late(m: Floats) -> float:
    """Return m [sample] below which a spike is early, not late by little."""
    return -max(EARLY_LEAST, EARLY_SCALES * robust_spread(m))


@dataclass(frozen=True)
class Early:
    """Spikes long before their time among neurons as they come: m below -EARLY_LEAST, and wraps, each [spike]."""

    m: Floats
    ratio: Floats  # time over that of the ideal spike
    among: int  # firing neurons
    wraps_at: Floats  # times of wraps of any neurons, units of tau
    neurons: int

    @classmethod
    def of(cls, spec: NeuronSpec, point: Operating, t_over_tau: Floats, wrapped: Bools) -> "Early":
        """From neurons as a level ran them, all [neuron]."""
        fired = point.fired & ~wrapped
        m = membrane_seen(spec, point.take(fired), t_over_tau[fired])
        which = m < -EARLY_LEAST
        ratio = (t_over_tau[fired] / np.maximum(point.at[fired], 1e-9))[which]
        return cls(m[which], ratio, len(m), t_over_tau[wrapped], len(t_over_tau))

    def beyond(self, least: float) -> dict[str, Floats]:
        """Share of those with m below `least`, [1], and their times over those of the ideal spikes; the same of wraps.

        Times as quantiles; those of wraps count from arming.
        """
        ratio = self.ratio[self.m < least]
        return {
            "early_share": np.array([len(ratio) / max(self.among, 1)]),
            "early_time": np.quantile(ratio, QUANTILES) if len(ratio) else np.zeros(len(QUANTILES)),
            "wrap_share": np.array([len(self.wraps_at) / max(self.neurons, 1)]),
            "wrap_at": np.quantile(self.wraps_at, QUANTILES) if len(self.wraps_at) else np.zeros(len(QUANTILES)),
        }


NOT_EARLY = Early(np.empty(0), np.empty(0), 0, np.empty(0), 0)


def fit_kappa(
    m: Floats, u: Floats, common: Floats, chips: NDArray[np.int64], clusters: NDArray[np.int64]
) -> tuple[Floats, Floats, Floats, Floats]:
    """Least squares of m on the chips' terms [component] and the common ones [term]: coefficients and their errors.

    What lies beyond the 1 % and 99 % quantiles of the residual is moved there, again and again. Errors let samples of
    a chip correlate, those of the common terms samples of an operating point.
    """
    regressors = np.concatenate([u, common])
    kappa = np.concatenate([np.ones(len(COMPONENTS)), np.zeros(len(TERMS))])
    error = np.zeros(len(kappa))
    live = [k for k in range(len(kappa)) if len(m) and regressors[k].std() > 1e-12]
    if live:
        design = np.stack([np.ones_like(m), *(regressors[k] for k in live)], axis=1)
        inverse = _inverse(design.T @ design)
        y = np.clip(m, *np.quantile(m, (0.01, 0.99)))
        for _ in range(_WINSOR_ROUNDS):
            fitted = design @ (inverse @ (design.T @ y))
            y = fitted + np.clip(m - fitted, *np.quantile(m - fitted, (0.01, 0.99)))
        beta = inverse @ (design.T @ y)
        residual = y - design @ beta
        by_chip, by_point = (_clustered(design, residual, inverse, label) for label in (chips, clusters))
        kappa[live] = beta[1:]
        error[live] = np.where(np.array(live) < len(COMPONENTS), by_chip[1:], by_point[1:])
    split = len(COMPONENTS)
    return kappa[:split], error[:split], kappa[split:], error[split:]


def _inverse(normal: Floats) -> Floats:
    """Return the inverse of the normal matrix; where few chips or points leave regressors dependent, the least one."""
    if np.linalg.cond(normal) < _LARGEST_CONDITION:
        return np.asarray(np.linalg.inv(normal))
    return np.asarray(np.linalg.pinv(normal, rcond=1.0 / _LARGEST_CONDITION, hermitian=True))


def _clustered(design: Floats, residual: Floats, inverse: Floats, label: NDArray[np.int64]) -> Floats:
    scores = np.zeros((label.max() + 1, design.shape[1]))
    np.add.at(scores, label, design * residual[:, None])
    return np.asarray(np.sqrt(np.diag(inverse @ (scores.T @ scores) @ inverse)))
