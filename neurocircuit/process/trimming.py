"""Trim as a user would do it on chip: count frequencies, look at the XOR's duty, step the bias currents.

Nothing here simulates: a Plant answers what an instrument would (trim.py has the circuit's). The currents stand on
the grid of a trim DAC. Signs: φ1 - φ2 falls when VCO2 gets more current, the membrane's drift rises with VCO4's.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from math import isfinite, pi
from typing import Any, Protocol

from neurocircuit.errors import InputError, SimulatorBadOutput
from neurocircuit.process.ring_tuning import RingSource, Tuned, tune_rings
from neurocircuit.spec import Bias, Components

DEFAULT_RESOLUTION = 1e-4  # of the nominal current: 1 nA at 10 µA, a 14-bit DAC over 1.6 times the nominal current
LARGEST_IDLE_RUNS = 6
# generic65 tt has 0.59; ss at 85 °C and 750 MHz has 0.14, where no input fires the neuron.
LEAST_GAIN_RATIO = 0.4
# What a trim may leave: so many times what half a step of its currents does (the published ones: at most 1.0 of it),
# and what an idle run, read over 28 ns while it settles, does not tell.
LARGEST_RESIDUAL = 5.0
READING_rad, READING_s = 3e-3, 28e-9
DERATINGS = (1.0, 0.9, 0.8, 0.7)  # of the nominal f1
ARM_s = 20e-9  # of idle runs and of the trimmed circuit: from standing lines the loop is within 5 mrad of lock by then
# Of a chip with mismatch: its VCOs start further apart, the first chips by up to 0.4 rad, so wait two time constants
# more. Trimmed at ARM_s such a chip had a mean lag of π/2 while it was still settling, and 28 mrad beside it in lock.
CHIP_ARM_s = 60e-9


@dataclass(frozen=True)
class Idle:
    """The armed neuron without input: frequencies of VCO1 … VCO4, and what the loop and the membrane settle to.

    lag_rad: phase of VCO1 over VCO2 in lock, nan when VCO2 does not lock. drift_rad_per_s: slope of the membrane there.
    lead_rad: phase of VCO3 over VCO4, carried back to the arming reference.
    """

    frequency_Hz: tuple[float, float, float, float]
    lag_rad: float
    drift_rad_per_s: float
    lead_rad: float


class Plant(RingSource, Protocol):
    """What trim asks the circuit."""

    def idle(self, bias: Bias, swing_Hz: float) -> Idle:
        """Return the armed neuron with its idle synapses, no input; swing_Hz: of VCO4 between UP = 0 and 1, roughly."""


@dataclass(frozen=True)
class Step:
    """One idle run of the trim: currents of VCO2 and VCO4, and what was read there."""

    vco2_A: float
    vco4_A: float
    lag_rad: float
    drift_rad_per_s: float


@dataclass(frozen=True)
class TrimResult:
    """What the trim found; `bias` and `components` go into the Circuit.

    gain_Hz_per_A, gain3_Hz_per_A: tuning gains of VCO1 at f1 and of VCO3 at f3. lag_residual_rad: lag in lock less
    π/2. drift_rad_per_s: what remains of the membrane's drift. untrimmed: relative errors of VCO1 … VCO4 with the
    nominal currents against the trimmed circuit. ring_runs, idle_runs: what it took.
    standing_V: as in Circuit.
    """

    bias: Bias
    resolution: float
    f1_Hz: float
    f3_Hz: float
    lead_rad: float
    gain_Hz_per_A: float
    gain3_Hz_per_A: float
    lag_residual_rad: float
    drift_rad_per_s: float
    untrimmed: tuple[float, float, float, float]
    steps: tuple[Step, ...]
    ring_runs: int
    idle_runs: int
    standing_V: tuple[()] | tuple[float, float, float, float] = ()
    cpu_s: float = field(default=0.0, compare=False)

    def of_circuit(self) -> dict[str, Any]:
        """Return the fields of a Circuit that the trim decides."""
        names = ("bias", "standing_V", "f1_Hz", "f3_Hz", "lead_rad")
        return {name: getattr(self, name) for name in names}


def trim_plant(
    plant: Plant, nominal: Bias, components: Components, f1_Hz: float, ratio: float, resolution: float
) -> TrimResult:
    """Bias currents on a grid of `resolution` (of the nominal current) with f1, f3 = ratio·f1, lock at π/2, no drift.

    Where rings are so slow that VCO3 hardly answers to its current at f3, both frequencies are lowered together: the
    membrane's gain would be lost (DERATINGS; the result's f1 says so).
    Raise InputError for a resolution outside (0, 0.1), SimulatorBadOutput when a ring does not run, when a current
    would leave 1/3 … 3 times the nominal one, or when VCO2 does not lock.
    """
    if not 0 < resolution < 0.1:
        raise InputError(f"trim resolution must be within 0 … 0.1 of the nominal current, got {resolution:g}")
    rings, f1_Hz = _tuned(plant, nominal, f1_Hz, ratio, resolution)
    secant = _Secant(
        lag_per_A=-pi * (components.r1_Ohm + components.r2_Ohm) / plant.supply_V,
        drift_per_A=2 * pi * rings.ring4.gain_Hz_per_A,
        drift_per_lag=2 * rings.ring4.gain_Hz_per_A * (plant.supply_V - rings.ring4.bias_V) / components.r4_Ohm,
        gain_Hz_per_A=rings.ring2.gain_Hz_per_A,
    )
    grid = _Grid(nominal, resolution)
    steps: list[Step] = []
    idles: list[Idle] = []
    # What UP adds to VCO2 and VCO4 is what it adds in the nominal circuit, in proportion.
    current = (
        grid.vco2(rings.ring2.current_A * nominal.vco2_A / nominal.vco1_A),
        grid.vco4(rings.ring4.current_A * nominal.vco4_A / nominal.vco3_A),
    )
    vco1_A, vco3_A = rings.ring1.current_A, rings.ring3.current_A
    while len(steps) < LARGEST_IDLE_RUNS:
        bias = nominal.replace(vco1_A=vco1_A, vco2_A=current[0], vco3_A=vco3_A, vco4_A=current[1])
        idles.append(plant.idle(bias, secant.drift_per_lag / 2))
        steps.append(Step(*current, idles[-1].lag_rad, idles[-1].drift_rad_per_s))
        following = secant.next(steps, idles[-1], grid)
        if following in [(step.vco2_A, step.vco4_A) for step in steps]:
            break
        current = following
    best = min(range(len(steps)), key=lambda k: _badness(steps[k], secant))
    return _result(steps, idles, best, rings, nominal, f1_Hz, ratio, resolution)


def _tuned(plant: Plant, nominal: Bias, f1_Hz: float, ratio: float, resolution: float) -> tuple[Tuned, float]:
    """Return the rings on the highest frequency at which VCO3 keeps its gain, and that frequency of VCO1."""
    runs = 0
    for derating in DERATINGS:
        try:
            rings = tune_rings(plant, nominal, derating * f1_Hz, ratio, resolution)
        except SimulatorBadOutput:  # a frequency that no current within bounds reaches
            if derating == DERATINGS[-1]:
                raise
            continue
        runs += rings.runs
        if rings.ring3.gain_Hz_per_A >= LEAST_GAIN_RATIO * rings.ring1.gain_Hz_per_A:
            return replace(rings, runs=runs), derating * f1_Hz
    kept = rings.ring3.gain_Hz_per_A / rings.ring1.gain_Hz_per_A
    raise SimulatorBadOutput(
        f"VCO3 must keep {LEAST_GAIN_RATIO:g} of VCO1's tuning gain, it has "
        f"{kept:.2g} of it at {DERATINGS[-1]:g} of the nominal frequencies"
    )


def check_residuals(result: TrimResult, components: Components, supply_V: float, nominal: Bias) -> None:
    """Raise SimulatorBadOutput where more is left than steps of the trim currents and the reading explain."""
    lag, drift = residual_bound(result, components, supply_V, nominal)
    for name, left, bound, read, unit in (
        ("the phase of VCO1 over VCO2, less pi/2,", result.lag_residual_rad, lag, READING_rad, "rad"),
        ("the drift of the idle membrane", result.drift_rad_per_s, drift, READING_rad / READING_s, "rad/s"),
    ):
        if abs(left) > LARGEST_RESIDUAL * bound + read:
            raise SimulatorBadOutput(
                f"the trim did not reach its aim: {name} is {left:.3g} {unit} after {result.idle_runs} runs, half a "
                f"step of the trim currents leaves {bound:.2g}; see whether the rings run alike and the loop settles "
                "within the idle run (components, nominal currents, enable)"
            )


def residual_bound(result: TrimResult, components: Components, supply_V: float, nominal: Bias) -> tuple[float, float]:
    """Return the largest lag residual (rad) and drift (rad/s) that half a step of the trim currents leaves."""
    lag = pi * (components.r1_Ohm + components.r2_Ohm) / supply_V * nominal.vco2_A * result.resolution / 2
    return lag, 2 * pi * result.gain3_Hz_per_A * nominal.vco4_A * result.resolution / 2


@dataclass(frozen=True)
class _Grid:
    """Currents that the trim DACs of VCO2 and VCO4 can make."""

    nominal: Bias
    resolution: float

    def vco2(self, current_A: float) -> float:
        step = self.resolution * self.nominal.vco2_A
        return step * round(current_A / step)

    def vco4(self, current_A: float) -> float:
        step = self.resolution * self.nominal.vco4_A
        return step * round(current_A / step)


@dataclass(frozen=True)
class _Secant:
    """Where the two currents should go next; the given gains serve until two runs tell better ones."""

    lag_per_A: float
    drift_per_A: float
    drift_per_lag: float
    gain_Hz_per_A: float

    def next(self, steps: Sequence[Step], idle: Idle, grid: _Grid) -> tuple[float, float]:
        last = steps[-1]
        if not isfinite(last.lag_rad):
            f1, f2 = idle.frequency_Hz[:2]
            if not (isfinite(f1) and isfinite(f2)):
                raise SimulatorBadOutput("VCO1 and VCO2 must run to be trimmed, got an oscillator that stands still")
            # A slipping loop shows the mean of both ends of its range: the difference moves VCO2 into it.
            return grid.vco2(last.vco2_A + (f1 - f2) / self.gain_Hz_per_A), last.vco4_A
        lag_per_A, drift_per_A = self._gains([step for step in steps if isfinite(step.lag_rad)])
        vco2_A = grid.vco2(last.vco2_A + (pi / 2 - last.lag_rad) / lag_per_A)
        # VCO4 is set for the lag that the grid leaves, so that the membrane stands still there.
        drift = last.drift_rad_per_s
        if not isfinite(drift):  # the membrane left its range before it could be read
            drift = 2 * pi * (idle.frequency_Hz[3] - idle.frequency_Hz[2])
        if not isfinite(drift):
            raise SimulatorBadOutput("VCO3 and VCO4 must run after arming to be trimmed, got one that stands still")
        drift += self.drift_per_lag * lag_per_A * (vco2_A - last.vco2_A)
        return vco2_A, grid.vco4(last.vco4_A - drift / drift_per_A)

    def _gains(self, locked: Sequence[Step]) -> tuple[float, float]:
        """Return the measured gains where two runs differ by enough, held within 0.4 … 2.5 of the expected ones."""
        if len(locked) < 2:
            return self.lag_per_A, self.drift_per_A
        new, old = locked[-1], locked[-2]
        lag, drift = self.lag_per_A, self.drift_per_A
        if abs(new.lag_rad - old.lag_rad) > 2e-3 and new.vco2_A != old.vco2_A:
            lag = _held((new.lag_rad - old.lag_rad) / (new.vco2_A - old.vco2_A), lag)
        moved = new.drift_rad_per_s - old.drift_rad_per_s - self.drift_per_lag * (new.lag_rad - old.lag_rad)
        if abs(moved) > 1e6 and new.vco4_A != old.vco4_A:
            drift = _held(moved / (new.vco4_A - old.vco4_A), drift)
        return lag, drift


def _held(measured: float, expected: float) -> float:
    return measured if 0.4 < measured / expected < 2.5 else expected


def _badness(step: Step, secant: _Secant) -> float:
    """Return both residuals as a drift of the membrane, rad/s; inf without lock."""
    if not (isfinite(step.lag_rad) and isfinite(step.drift_rad_per_s)):
        return float("inf")
    return abs(step.drift_rad_per_s) + abs(secant.drift_per_lag * (step.lag_rad - pi / 2))


def _result(
    steps: Sequence[Step],
    idles: Sequence[Idle],
    best: int,
    rings: Tuned,
    nominal: Bias,
    f1_Hz: float,
    ratio: float,
    resolution: float,
) -> TrimResult:
    step, idle = steps[best], idles[best]
    if not isfinite(step.lag_rad):
        raise SimulatorBadOutput(f"VCO2 does not lock within {len(steps)} trim steps")
    if not isfinite(step.drift_rad_per_s):
        raise SimulatorBadOutput(f"VCO4 does not stay with VCO3 within {len(steps)} trim steps")
    off1 = rings.nominal_f1_Hz / f1_Hz - 1
    gain1, gain3, f3_Hz = rings.ring1.gain_Hz_per_A, rings.ring3.gain_Hz_per_A, ratio * f1_Hz
    off2 = rings.ring2.gain_Hz_per_A * (nominal.vco2_A - step.vco2_A) / f1_Hz
    off3 = gain3 * (nominal.vco3_A - rings.ring3.current_A) / f3_Hz
    off4 = rings.ring4.gain_Hz_per_A * (nominal.vco4_A - step.vco4_A) / f3_Hz
    bias = nominal.replace(
        vco1_A=rings.ring1.current_A, vco2_A=step.vco2_A, vco3_A=rings.ring3.current_A, vco4_A=step.vco4_A
    )
    return TrimResult(
        bias=bias,
        resolution=resolution,
        f1_Hz=idle.frequency_Hz[0],
        f3_Hz=idle.frequency_Hz[2],
        lead_rad=idle.lead_rad,
        gain_Hz_per_A=gain1,
        gain3_Hz_per_A=gain3,
        lag_residual_rad=step.lag_rad - pi / 2,
        drift_rad_per_s=step.drift_rad_per_s,
        untrimmed=(off1, off2, off3, off4),
        steps=tuple(steps),
        ring_runs=rings.runs,
        idle_runs=len(steps),
    )
