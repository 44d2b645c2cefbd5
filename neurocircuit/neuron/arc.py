"""One stretch of the averaged loop without corners of its inputs: state, membrane and first crossing in closed form.

With e~ = e - u and y~ = y - u, the deviations of phase error and VCO2 speed from where the inputs drive them,

    e~(t) = e~0 (c + r/2 s) - y~0 s,    y~(t) = r e~0 s + y~0 (c - r/2 s),    ∫ e~ = (y~ - y~0)/r - (e~ - e~0),
    c = e^{-rt/2} cosh δt,    s = e^{-rt/2} sinh(δt)/δ,    δ² = r²/4 - r,    time in τ, r = w_lf τ.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from neurocircuit.core.arrays import Floats


@dataclass(frozen=True)
class Arc:
    """State at the start of a stretch without corners, for many trials; evaluated `t` later. All [trial]."""

    r: float
    e: Floats  # e~0
    y: Floats  # y~0
    rate: Floats  # u + d
    gap: Floats  # membrane minus threshold

    def take(self, which: np.ndarray) -> "Arc":
        """Return the same for some of the trials."""
        return Arc(self.r, self.e[which], self.y[which], self.rate[which], self.gap[which])

    def state(self, t: Floats) -> tuple[Floats, Floats]:
        """Return e~ and y~ after t; [trial]."""
        c, s = damping(self.r, t)
        half = self.r / 2
        return self.e * (c + half * s) - self.y * s, self.r * self.e * s + self.y * (c - half * s)

    def gap_at(self, t: Floats) -> Floats:
        """Return the membrane minus threshold after t; [trial]."""
        e, y = self.state(t)
        return self.gap + self.rate * t + (y - self.y) / self.r - (e - self.e)

    def slope_at(self, t: Floats) -> Floats:
        """Return its derivative; [trial]."""
        return self.rate + self.state(t)[0]

    def curvature_at(self, t: Floats) -> Floats:
        """Return its second derivative, -y~; [trial]."""
        return -self.state(t)[1]

    def inflections(self, length: Floats) -> Floats:
        """Return the zeros of y~ within (0, length), ascending, `length` where there is none; [zero, trial].

        s/c = q there, with q = y~0/(r (y~0/2 - e~0)): one zero at most unless the loop is underdamped.
        """
        denominator = self.r * (self.y / 2 - self.e)
        square = self.r * self.r / 4 - self.r
        if square < -1e-9:
            omega = np.sqrt(-square)
            first = np.mod(np.arctan2(omega * self.y, denominator), np.pi) / omega
            count = int(np.ceil(np.max(length, initial=0.0) * omega / np.pi)) + 1
            zeros = first + np.pi / omega * np.arange(count)[:, None]
        else:
            q = np.divide(self.y, denominator, out=np.full_like(self.y, np.inf), where=denominator != 0)
            delta = np.sqrt(max(square, 0.0))
            if delta * np.max(length, initial=0.0) < 1e-6:
                zeros = q[None]
            else:
                ok = (q > 0) & (delta * q < 1)
                zeros = np.where(ok, np.arctanh(np.where(ok, delta * q, 0.0)) / delta, np.inf)[None]
        return np.where((zeros > 0) & (zeros < length), zeros, length)


def damping(r: float, t: Floats) -> tuple[Floats, Floats]:
    """Return C = e^{-rt/2} cosh δt and s = e^{-rt/2} sinh(δt)/δ with δ² = r²/4 - r, any sign; same shape as t."""
    square = r * r / 4 - r
    if square < 0:
        omega = np.sqrt(-square)
        envelope = np.exp(-r * t / 2)
        return envelope * np.cos(omega * t), envelope * t * np.sinc(omega * t / np.pi)
    delta = np.sqrt(square)
    fast = r / 2 + delta
    slow_exp, fast_exp = np.exp(-r / fast * t), np.exp(-fast * t)  # the slow pole is r/fast: no cancellation
    x2 = (delta * t) ** 2
    series = np.exp(-r * t / 2) * t * (1 + x2 / 6 * (1 + x2 / 20))
    s = np.where(x2 < 1e-4, series, (slow_exp - fast_exp) / (2 * max(delta, 1e-300)))
    return (slow_exp + fast_exp) / 2, s


def first_crossing(arc: Arc, zeros: Floats, length: Floats) -> Floats:
    """Return the first t in (0, length] at which the gap rises to 0, inf where it does not; [trial].

    Between inflections the slope is monotone: the gap has there at most one maximum, and it matters only when
    its tangent at the start reaches 0. Otherwise an upward crossing shows in the sign at the end.
    """
    crossing = np.full(len(length), np.inf)
    low = np.zeros(len(length))
    for high in (*zeros, length):
        slope_low, slope_high = arc.slope_at(low), arc.slope_at(high)
        top = high.copy()
        peaked = (slope_low > 0) & (slope_high < 0) & (arc.gap_at(low) + slope_low * (high - low) >= 0)
        if peaked.any():
            part = arc.take(peaked)
            top[peaked] = _root(part.slope_at, part.curvature_at, low[peaked], high[peaked], rising=False)
        hit = ~np.isfinite(crossing) & (top > low) & (arc.gap_at(low) < 0) & (arc.gap_at(top) >= 0)
        if hit.any():
            part = arc.take(hit)
            crossing[hit] = _root(part.gap_at, part.slope_at, low[hit], top[hit], rising=True)
        low = high
    return crossing


def _root(
    function: Callable[[Floats], Floats],
    derivative: Callable[[Floats], Floats],
    low: Floats,
    high: Floats,
    rising: bool,
) -> Floats:
    """Return the sign change of `function` in each bracket, by Newton steps kept inside it; [trial]."""
    sign = 1.0 if rising else -1.0
    x = (low + high) / 2
    for _ in range(200):
        value = sign * function(x)
        low, high = np.where(value < 0, x, low), np.where(value >= 0, x, high)
        slope = sign * derivative(x)
        step = x - np.divide(value, slope, out=np.full_like(x, np.inf), where=slope > 0)
        moved = np.where((step > low) & (step < high), step, (low + high) / 2)
        if np.all(np.abs(moved - x) <= 4e-16 * np.abs(moved) + 1e-300):
            return moved
        x = moved
    return x
