"""Every interval and test that the package prints; scipy underneath.

means: of a mean, of a mean with rare large values, of paired differences. proportions: of a share, and exact binomial
tests. clustered: of values that share chips and images. random_effects: of an accuracy over images crossed with chips.
spread: robust standard deviations, and a variance. scipy.stats takes a second to import, so its functions are called
by scipy.special.
"""

from neurocircuit.core.stats.means import (
    CONFIDENCE,
    Interval,
    half_width,
    paired_difference,
    paired_mixture_difference,
    separated_difference,
    size_interval,
    size_mixture_interval,
    student_interval,
)
from neurocircuit.core.stats.proportions import (
    binomial_p_value,
    exact_interval,
    mid_p_interval,
    rejection_limits,
    smallest_detectable_shortfall,
    wilson_interval,
)
from neurocircuit.core.stats.spread import quantile_spread, robust_spread, variance_interval

__all__ = [
    "CONFIDENCE",
    "Interval",
    "binomial_p_value",
    "exact_interval",
    "half_width",
    "mid_p_interval",
    "paired_difference",
    "paired_mixture_difference",
    "quantile_spread",
    "rejection_limits",
    "robust_spread",
    "separated_difference",
    "size_interval",
    "size_mixture_interval",
    "smallest_detectable_shortfall",
    "student_interval",
    "variance_interval",
    "wilson_interval",
]
