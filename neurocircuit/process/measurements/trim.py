"""Trim of the transistor neuron: the circuit as the Plant of trimming.py, and the measurement of the datasheet."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from math import isfinite, nan, pi

import numpy as np

from neurocircuit.core.arrays import Floats
from neurocircuit.process import waveforms
from neurocircuit.process.bench import Bench, TIMEOUT_s, cpu_s
from neurocircuit.process.context import Context
from neurocircuit.process.ring_tuning import Rings
from neurocircuit.process.stored import trim_to_dict
from neurocircuit.process.trimming import (
    DEFAULT_RESOLUTION,
    ARM_s,
    CHIP_ARM_s,
    Idle,
    TrimResult,
    check_residuals,
    residual_bound,
    trim_plant,
)
from neurocircuit.results.measurement import Measured, Quantity
from neurocircuit.spec import Bias, Circuit, Components, Condition
from neurocircuit.spice.devices import DeviceShift
from neurocircuit.spice.process import Installed
from neurocircuit.spice.readout import Course
from neurocircuit.spice.saved_states import idle as idle_synapses
from neurocircuit.spice.transistor_deck import Input, compose_neuron
from neurocircuit.spice.transistor_run import simulate

# Lag and drift are read where evaluations run: from states saved some 9 ns after arming (spice/saved_states.py).
_READ_AFTER_s, _STOP_AFTER_s = 6e-9, 34e-9
READ_s, STOP_s = ARM_s + _READ_AFTER_s, ARM_s + _STOP_AFTER_s


@dataclass(frozen=True)
class CircuitPlant:
    """The neuron of a process at a condition, as trim sees it."""

    bench: Bench
    components: Components
    mismatch: Mapping[str, DeviceShift] = field(default_factory=dict)
    # Of rings by VCO and current, as far as measured:
    bias_V: dict[tuple[int, float], float] = field(default_factory=dict, compare=False)
    frequency_Hz: dict[tuple[int, float], float] = field(default_factory=dict, compare=False)

    @property
    def supply_V(self) -> float:
        """Supply of the condition."""
        return self.bench.supply_V

    @property
    def alike(self) -> bool:
        """Whether the four rings are one and the same."""
        return not self.mismatch

    @property
    def arm_s(self) -> float:
        """When idle runs are armed."""
        return ARM_s if self.alike else CHIP_ARM_s

    def rings(self, currents_A: Sequence[float], vco: int = 1) -> Rings:
        """Return the free rings at these bias currents, with the devices of the VCO of that number."""
        ring = f"m.xneuron.xvco{vco}"
        ring_shifts = {
            path.removeprefix(ring): shift for path, shift in self.mismatch.items() if path.startswith(f"{ring}.")
        }
        rings, key = self.bench.rings(currents_A, ring_shifts), self._ring(vco)
        for k, current in enumerate(currents_A):
            self.bias_V[key, current] = float(rings.bias_V[k])
            self.frequency_Hz[key, current] = float(rings.frequency_Hz[k])
        return rings

    def _ring(self, vco: int) -> int:
        return 1 if self.alike else vco

    def standing(self, bias: Bias) -> tuple[float, float, float, float]:
        """Voltages of a neuron that has long been on: wbn, wbp, and behind the switches of an idle source and sink.

        Needs rings measured before, among whose currents VCO1's lies.
        """
        return self.bench.standing(bias.weight_A, self._at(self.bias_V, 1, bias.vco1_A))

    def idle(self, bias: Bias, swing_Hz: float) -> Idle:
        """Return the armed neuron with its idle synapses, no input, from power-up."""
        saved = tuple(f"v({node})" for node in ("o1", "o2", "o3", "o4", "up", "q", "fired"))
        return read_idle(self.run_idle(bias, saved), self.supply_V, swing_Hz, self.arm_s)

    def run_idle(self, bias: Bias, saved: tuple[str, ...]) -> dict[str, Floats]:
        """Return vectors of the armed neuron without input, from power-up until lag and drift have been read.

        Needs rings as `standing`.
        """
        circuit = Circuit(
            process=self.bench.installed.process.name,
            condition=self.bench.condition,
            components=self.components,
            bias=bias,
            f1_Hz=self._at(self.frequency_Hz, 1, bias.vco1_A),
            f3_Hz=self._at(self.frequency_Hz, 3, bias.vco3_A),
            standing_V=self.standing(bias),
            arming_s=self.arm_s,
            synapses=self.bench.installed.process.synapses,
        )
        # A chip's synapses differ; nominal ones are drawn as one.
        inputs = [Input()] * circuit.synapses if self.mismatch else []
        deck = compose_neuron(
            circuit,
            inputs,
            stop_s=self.arm_s + _STOP_AFTER_s,
            saved=saved,
            installed=self.bench.installed,
            mismatch=self.mismatch,
            extra=idle_synapses(circuit, len(inputs), from_power_up=True),
        )
        return simulate(deck, timeout_s=TIMEOUT_s).vectors

    def _at(self, measured: Mapping[tuple[int, float], float], vco: int, current_A: float) -> float:
        """Return what a VCO's ring shows at a current, between those measured."""
        points = sorted((i, value) for (ring, i), value in measured.items() if ring == self._ring(vco))
        return float(np.interp(current_A, [i for i, _ in points], [value for _, value in points]))


def trim(
    installed: Installed,
    condition: Condition,
    *,
    resolution: float = DEFAULT_RESOLUTION,
    nominal: Bias | None = None,
    f1_Hz: float | None = None,
    mismatch: Mapping[str, DeviceShift] | None = None,
    components: Components | None = None,
) -> TrimResult:
    """Trim the neuron of a process at a condition, from the process's nominal currents and frequency or the given ones.

    resolution: step of the trim currents over the nominal ones. mismatch: of one chip with all its synapses: each
    of its rings is counted. components: of that chip; default: those of the process at the corner. About 3 runs of
    rings (8 of a chip) and 3 or 4 of the idle neuron, 30 s of processor time.
    Raise InputError, SimulatorError; SimulatorBadOutput where it cannot be trimmed.
    """
    process, began = installed.process, cpu_s()
    parts = components or process.components_at(condition.corner)
    plant = CircuitPlant(Bench(installed, condition), parts, mismatch or {})
    result = trim_plant(
        plant,
        nominal or process.nominal,
        parts,
        f1_Hz or process.f1_Hz,
        process.threshold_vco_ratio,
        resolution,
    )
    return replace(result, standing_V=plant.standing(result.bias), cpu_s=cpu_s() - began)


def read_idle(vectors: dict[str, Floats], supply_V: float, swing_Hz: float, arm_s: float = ARM_s) -> Idle:
    """Return what an idle run from power-up, armed at arm_s, shows; lag and drift as means over the 28 ns of reading.

    Nan for what it does not.

    The loop and the nodes behind the switches go on settling for long, by less and less: what a fit would find at
    infinity is not what a neuron meets after arming.
    """
    time, level, read_s = vectors["time"], supply_V / 2, arm_s + _READ_AFTER_s
    fired = waveforms.edges(time, vectors["v(fired)"], level)
    fired = fired[fired > arm_s + 2e-9]
    end_s = float(fired[0]) if len(fired) else float(time[-1])
    e1, e2 = (waveforms.edges(time, vectors[f"v({node})"], level) for node in ("o1", "o2"))
    e3, e4 = (_after(waveforms.edges(time, vectors[f"v({node})"], level), arm_s, end_s) for node in ("o3", "o4"))
    late1, late2 = (edge[edge > read_s] for edge in (e1, e2))
    frequency = tuple(waveforms.frequency_Hz(edge) for edge in (late1, late2, e3[1:], e4[1:]))
    missing = Idle((frequency[0], frequency[1], frequency[2], frequency[3]), nan, nan, nan)
    if min(len(late1), len(late2)) < 8:
        return missing
    lag = _lock(*lag_of(e1, e2), read_s)
    # A membrane that leaves its range before it can be read: VCO4 is far off, and its frequency says by how much.
    if not isfinite(lag) or min(len(e3), len(e4)) < 10:
        return replace(missing, lag_rad=lag)
    armed = slice(int(np.searchsorted(time, arm_s)), int(np.searchsorted(time, end_s)))
    course = Course(time[armed], {name: wave[armed] for name, wave in vectors.items()}, supply_V, swing_Hz, -pi / 2)
    at_s, membrane = settled_membrane(course, 1.0 / missing.frequency_Hz[0])
    late = at_s > (read_s if end_s > read_s + 8e-9 else 0.0)
    slope, start = np.polyfit(at_s[late] - arm_s, membrane[late], 1)
    return replace(missing, lag_rad=lag, drift_rad_per_s=float(slope), lead_rad=-float(start))


def settled_membrane(course: Course, period_s: float) -> tuple[Floats, Floats]:
    """Return the times and membrane without the ripple of UP: means over a period of VCO1, four a period.

    Both [sample].
    """
    time_s = course.time_s[course.known]
    at_s = np.arange(time_s[0] + period_s / 2, time_s[-1] - period_s / 2, period_s / 4)
    return at_s, waveforms.mean_around(time_s, course.membrane_rad, at_s, period_s)


def lag_of(e1_s: Floats, e2_s: Floats) -> tuple[Floats, Floats]:
    """Return the phase of VCO1 over VCO2 at VCO2's edges, rad, with times [edge].

    Of its values modulo 2π the one near π/2.
    """
    at = e2_s[(e2_s > e1_s[0]) & (e2_s < e1_s[-1])]
    lag = waveforms.phase_rad(e1_s, at) - waveforms.TWO_PI * np.arange(len(at))
    return at, lag - waveforms.TWO_PI * np.round((lag[0] - pi / 2) / waveforms.TWO_PI)


def _after(edge_s: Floats, begin_s: float, end_s: float) -> Floats:
    return edge_s[(edge_s > begin_s) & (edge_s < end_s)]


def _lock(time_s: Floats, lag_rad: Floats, read_s: float) -> float:
    """Return the mean lag after read_s.

    Nan when the loop slips: the XOR's range is 0 … π, a slipping loop turns by 2π.
    """
    late = lag_rad[time_s > read_s]
    return float(late.mean()) if np.ptp(late) < pi and 0 < late[-1] < pi and 0 < late.mean() < pi else nan


def measure(context: Context) -> Measured:
    """Return the trim as a measurement of the datasheet."""
    trimmed = trim(context.installed, context.condition, resolution=context.request.resolution)
    nominal = context.installed.process.nominal
    parts = context.installed.process.components_at(context.condition.corner)
    check_residuals(trimmed, parts, context.condition.supply_V, nominal)
    lag_bound, drift_bound = residual_bound(trimmed, parts, context.condition.supply_V, nominal)
    steps = trimmed.steps
    return Measured(
        quantities=(
            *(
                Quantity(f"vco{k}", f"Bias current of VCO{k}", getattr(trimmed.bias, f"vco{k}_A"), "A")
                for k in (1, 2, 3, 4)
            ),
            Quantity("f1", "Frequency of VCO1 and VCO2 in lock", trimmed.f1_Hz, "Hz"),
            Quantity("f3", "Frequency of VCO3", trimmed.f3_Hz, "Hz"),
            Quantity("lead", "Lead of VCO3 over VCO4", trimmed.lead_rad, "rad"),
            Quantity("lag_residual", "Phase of VCO1 over VCO2 in lock, less π/2", trimmed.lag_residual_rad, "rad"),
            Quantity("lag_bound", "of it half a step of VCO2's current makes", lag_bound, "rad"),
            Quantity("drift", "Drift of the idle membrane", trimmed.drift_rad_per_s, "rad/s"),
            Quantity("drift_bound", "of it half a step of VCO4's current makes", drift_bound, "rad/s"),
            Quantity("gain1", "Tuning gain of VCO1", trimmed.gain_Hz_per_A, "Hz/A"),
            Quantity("gain3", "Tuning gain of VCO3", trimmed.gain3_Hz_per_A, "Hz/A"),
            Quantity("runs", "Runs: free rings and idle neurons", trimmed.ring_runs + trimmed.idle_runs, ""),
        ),
        curves={
            "steps": {
                name: np.array([getattr(step, name) for step in steps])
                for name in ("vco2_A", "vco4_A", "lag_rad", "drift_rad_per_s")
            }
        },
        details={"trim": trim_to_dict(trimmed)},
        cpu_s=trimmed.cpu_s,
    )
