"""Chips of a Monte Carlo run: the same circuit with mismatch drawn for each, and each trimmed as a user would."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from math import pi

import numpy as np

from neurocircuit.core.arrays import Floats
from neurocircuit.core.taskstore import TaskStore, key_of
from neurocircuit.errors import InputError, SimulatorBadOutput
from neurocircuit.neuron.chip import NeuronErrors
from neurocircuit.process.bench import Bench
from neurocircuit.process.conditions import cache_folder
from neurocircuit.process.fit import after_trim
from neurocircuit.process.measurements import trim
from neurocircuit.process.run import identity
from neurocircuit.process.stored import trim_from_dict, trim_to_dict
from neurocircuit.process.trimming import CHIP_ARM_s, TrimResult
from neurocircuit.spec import Bias, Circuit, FrequencyError, NeuronSpec
from neurocircuit.spice import ngspice
from neurocircuit.spice.mismatch import draw_components, shifts_of
from neurocircuit.spice.process import describe, load
from neurocircuit.spice.transistor import circuit_of

_STREAM = 3  # spawn key of the chips' seeds, apart from draws, phase noise and bootstrap


@dataclass(frozen=True)
class Chips:
    """What came of the chips of a Monte Carlo run: those that trim, and why the others do not, by their names."""

    trimmed: tuple[NeuronSpec, ...]
    lost: dict[str, str]


def chips(spec: NeuronSpec, count: int, seed: int, weights: Sequence[float]) -> Chips:
    """Return `count` chips of a neuron with transistors: its spec with mismatch, trimmed.

    Chip k depends on (seed, k) alone.

    weights: those of the synapses that the draws use.

    A chip that cannot be trimmed is a loss of yield: a neuron that does not lock, or fires by itself, is not drawn.
    Raise InputError for a spec without circuit, SimulatorBadOutput when no chip can be trimmed, SimulatorMissing,
    SimulatorTimeout.
    """
    trimmed: list[NeuronSpec] = []
    lost: dict[str, str] = {}
    for chip in drawn(spec, count, seed):
        circuit = built(circuit_of(chip))
        try:
            trimmed_chip = _trimmed(circuit)
        except SimulatorBadOutput as error:
            lost[chip.name] = ngspice.reason_of(error)
            continue
        trimmed.append(spec_as_measured(chip, circuit, trimmed_chip, weights))
    if not trimmed:
        name, reason = next(iter(lost.items()))
        raise SimulatorBadOutput(f"none of {count} chips can be trimmed; {name}: {reason}")
    return Chips(tuple(trimmed), lost)


def drawn(spec: NeuronSpec, count: int, seed: int) -> tuple[NeuronSpec, ...]:
    """Return the chips of `chips` before trim, at the nominal currents: nothing is simulated.

    Raise InputError for a spec without circuit.
    """
    if spec.circuit is None:
        raise InputError("--mc needs a neuron with transistors: give --process, or a --spec with circuit")
    states = [np.random.SeedSequence(seed, spawn_key=(k, _STREAM)).generate_state(1, np.uint32) for k in range(count)]
    return tuple(
        spec.replace(name=f"{spec.name[:40]} chip {k}", circuit=spec.circuit.replace(chip_seed=int(state[0])))
        for k, state in enumerate(states)
    )


def built(circuit: Circuit) -> Circuit:
    """Return the circuit of a chip with its own resistors and capacitor, as the process's mismatch draws them."""
    passives = describe(circuit.process).passives
    return circuit.replace(components=draw_components(circuit.components, passives, circuit.chip_seed or 0))


@dataclass(frozen=True)
class Measured:
    """What an instrument tells of a circuit in lock.

    gain_Hz_per_A: tuning gains of VCO1 … VCO4. swing_Hz: of VCO4 between UP = 0 and 1, static. weight_A: mean currents
    of the synapses in use, each held on at its code, [synapse].
    """

    gain_Hz_per_A: Floats
    swing_Hz: float
    weight_A: Floats


def spec_as_measured(spec: NeuronSpec, built_chip: Circuit, trim: TrimResult, weights: Sequence[float]) -> NeuronSpec:
    """Return the spec of a trimmed chip by what an instrument can tell of it; spec: with the circuit before trim.

    As ratios to the nominal devices: τ by VCO2's gain and resistors, w_lf by R1 and C, the swing of VCO4, the phase
    jump by VCO1's gain and by that part of a jump which the synapses' current makes (the rest is the charge of their
    nodes); frequencies and lead are those of the trim, and what it leaves of lag and drift is added to the frequency
    errors. One jump stands for all synapses: that of those in use at their weights. The gain of the XOR is left
    nominal. The chip is armed when its loop has settled, as it is trimmed.
    """
    nominal_chip = circuit_of(spec).replace(chip_seed=None)
    chip = built_chip.replace(**trim.of_circuit(), arming_s=CHIP_ARM_s)
    on_codes = spec.weight_bank.quantise(np.asarray(weights, dtype=np.float64))
    codes = tuple(spec.weight_bank.codes(on_codes).tolist())
    measured, nominal = (_measured(circuit, nominal_chip.bias, codes) for circuit in (chip, nominal_chip))
    gain = measured.gain_Hz_per_A / nominal.gain_Hz_per_A
    charge_C = (measured.weight_A - nominal.weight_A) * nominal_chip.spike_width_s
    jumps_rad = spec.phase_per_weight_rad * on_codes
    moved_rad = jumps_rad + 2 * pi * nominal.gain_Hz_per_A[0] * charge_C
    jump = gain[0] * (np.abs(moved_rad).sum() / np.abs(jumps_rad).sum() if np.any(jumps_rad) else 1.0)
    lead = chip.lead_rad / nominal_chip.lead_rad - 1
    parts, usual = chip.components, nominal_chip.components
    series = (parts.r1_Ohm + parts.r2_Ohm) / (usual.r1_Ohm + usual.r2_Ohm)
    corner = usual.r1_Ohm * usual.c_F / (parts.r1_Ohm * parts.c_F)
    changed = NeuronErrors(series / gain[1] - 1, measured.swing_Hz / nominal.swing_Hz - 1, lead, (0.0,) * 4).spec_of(
        spec, 0
    )
    left = after_trim(
        trim.lag_residual_rad,
        trim.drift_rad_per_s,
        changed.vco4_swing_Hz,
        changed.tau_s,
        chip.f1_Hz,
        chip.f3_Hz,
    )
    in_force = tuple(usual + error for usual, error in zip(spec.frequency_error.in_force, left, strict=True))
    return changed.replace(
        loop_filter_rad_per_s=changed.loop_filter_rad_per_s * corner * series,
        f0_Hz=spec.f0_Hz * chip.f1_Hz / nominal_chip.f1_Hz,
        threshold_vco_ratio=spec.threshold_vco_ratio
        * (chip.f3_Hz / nominal_chip.f3_Hz)
        / (chip.f1_Hz / nominal_chip.f1_Hz),
        phase_per_weight_rad=spec.phase_per_weight_rad * float(jump),
        frequency_error=FrequencyError(before_trim=in_force, after_trim=in_force),
        circuit=chip,
    )


@lru_cache(maxsize=64)
def _measured(circuit: Circuit, nominal: Bias, codes: tuple[int, ...]) -> Measured:
    shifts = shifts_of(circuit, circuit.synapses)
    bench = Bench(load(circuit.process), circuit.condition)
    plant, bias = trim.CircuitPlant(bench, circuit.components, shifts), circuit.bias
    # With what UP adds to VCO2 and VCO4, as in trim.
    in_lock_A = (
        bias.vco1_A,
        bias.vco2_A * nominal.vco1_A / nominal.vco2_A,
        bias.vco3_A,
        bias.vco4_A * nominal.vco3_A / nominal.vco4_A,
    )
    rings = [plant.rings([0.97 * i, i, 1.03 * i], vco) for vco, i in enumerate(in_lock_A, 1)]
    gains = np.array([np.ptp(ring.frequency_Hz[[0, 2]]) / (0.06 * i) for ring, i in zip(rings, in_lock_A, strict=True)])
    swing_Hz = gains[3] * (plant.supply_V - rings[3].bias_V[1]) / circuit.components.r4_Ohm
    weight_A = bench.weight_currents(circuit, float(rings[0].bias_V[1]), codes, shifts)
    return Measured(gains, float(swing_Hz), weight_A)


def _trimmed(circuit: Circuit) -> TrimResult:
    """Return the trim of one chip to the frequency of its circuit, from the user's cache where it was done before."""
    store = TaskStore(cache_folder() / "trimmed")
    key = key_of({"circuit": circuit.to_dict()} | identity(circuit.process, circuit.condition))
    stored = store.get(key, key)
    if stored is not None:
        return trim_from_dict(stored)
    shifts, installed = shifts_of(circuit, circuit.synapses), load(circuit.process).with_synapses(circuit.synapses)
    result = trim.trim(
        installed,
        circuit.condition,
        nominal=circuit.bias,
        f1_Hz=circuit.f1_Hz,
        mismatch=shifts,
        components=circuit.components,
    )
    store.put(key, key, trim_to_dict(result))
    return result
