"""A network at characterised conditions: trimmed at the nominal one only, trimmed there, or trimmed and mapped there.

What moves with the condition is taken as a ratio of its characterised spec to the nominal one, so that the mapping may
be on any base circuit: τ, f0, w_lf, spike width and output delay; lead and ripple guard; the swing of VCO4; the phase
jump of each weight by sign, a · weight at full scale. The threshold is then no longer 1. What does not: codes, window
and bias delays in seconds, and the times of the input spikes in seconds (their clock is no part of the neuron).

Frequencies: trimmed again, the errors that the condition's trim left. Trimmed at nominal only, with e the untrimmed
errors of the same currents at both conditions: left at nominal + (1 + e)/(1 + e_nominal) - 1. That holds to first order
in the trim's own change of the currents; τ, gain and jumps are those measured with the condition's trim in both cases.

Mapped there: phase per weight, lead and swing of each layer are chosen anew (network/limits.py) for the condition's
circuit: phase per weight and lead up to the base circuit's times their ratios, the swing up to what the condition
leaves of the layer's own or of the base's, if that is more; the lead follows, so that the threshold is 1 again. Codes,
window and input times stay.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, ClassVar, Literal

import numpy as np
from numpy.typing import NDArray

from neurocircuit.core.arrays import Floats
from neurocircuit.core.pool import Progress, open_pool, silent
from neurocircuit.core.provenance import RunClock
from neurocircuit.core.result import Result
from neurocircuit.core.taskstore import Task, TaskStore, arrays_sha256, key_of, run_tasks
from neurocircuit.errors import InputError, SpecError
from neurocircuit.network import limits, mapping
from neurocircuit.network.physical import PhysicalNetwork
from neurocircuit.network.run import Circuit
from neurocircuit.process import result
from neurocircuit.process.request import slug
from neurocircuit.snn.unroll import load_mapped
from neurocircuit.spec import Condition, FrequencyError, LayerMapping, Lead, MappedNetwork, NeuronSpec
from neurocircuit.spice.process import characterised
from neurocircuit.studies import inference

Trim = Literal["mapped", "again", "nominal"]
TRIMS: tuple[Trim, ...] = ("mapped", "again", "nominal")
_SPEC, _ENERGY = "spec.toml", "energy.json"


TRIM_WORDS = {"mapped": "trimmed and mapped there", "again": "trimmed there", "nominal": "trimmed at nominal only"}


@dataclass(frozen=True)
class Characterised:
    """One condition of a datasheet. power_W: of the armed neuron; nan where energy was not measured."""

    condition: Condition
    spec: NeuronSpec
    power_W: float

    @property
    def label(self) -> str:
        """For tables."""
        condition = self.condition
        return f"{condition.corner}, {condition.temperature_C:g} °C, {condition.supply_V:g} V"


def read(folder: Path) -> tuple[Characterised, list[Characterised]]:
    """The nominal condition and all conditions (nominal first) of a folder that `neurocircuit characterize` wrote.

    Raises InputError naming what is missing.
    """
    paths = sorted((folder / "conditions").glob(f"*/{_SPEC}"))
    if not paths:
        raise InputError(
            f"{folder} must hold conditions/*/{_SPEC}, as neurocircuit characterize writes them; found none"
        )
    characterised = [_characterised(path) for path in paths]
    nominal = _condition(NeuronSpec.from_toml(folder / _SPEC), folder / _SPEC)
    first = next((entry for entry in characterised if entry.condition == nominal), None)
    if first is None:
        raise InputError(
            f"{folder}/conditions must hold the condition of {folder / _SPEC}, {nominal.corner} at "
            f"{nominal.temperature_C:g} degC and {nominal.supply_V:g} V"
        )
    return first, [first, *(entry for entry in characterised if entry is not first)]


def chosen(
    characterised: Sequence[Characterised],
    nominal: Characterised,
    corners: Sequence[str] | None,
    temperatures_C: Sequence[float] | None,
    supply_ratios: Sequence[float] | None,
) -> list[Characterised]:
    """Conditions of these corners, temperatures and supplies over the nominal one; None: all.

    Raises InputError naming a value that no condition has.
    """

    def ratio(entry: Characterised) -> float:
        return round(entry.condition.supply_V / nominal.condition.supply_V, 9)

    filters: list[tuple[str, Sequence[Any] | None, Callable[[Characterised], Any]]] = [
        ("--corner", corners, lambda entry: entry.condition.corner),
        ("--temp", temperatures_C, lambda entry: entry.condition.temperature_C),
        ("--vdd", supply_ratios, ratio),
    ]
    kept = list(characterised)
    for name, values, value in filters:
        if values is None:
            continue
        known_values = {value(entry) for entry in characterised}
        for entry in values:
            if entry not in known_values:
                known = ", ".join(f"{known}" for known in sorted(known_values))
                raise InputError(f"{name} must be among the characterised {known}, got {entry}")
        kept = [entry for entry in kept if value(entry) in values]
    return kept


def run(
    mapped: MappedNetwork,
    physical: PhysicalNetwork,
    nominal: Characterised,
    conditions: Sequence[Characterised],
    training: list[Floats],
    spikes: list[Floats],
    labels: NDArray[np.int64],
    *,
    chips: int,
    level: str,
    seed: int,
    weights: int,
    folder: Path | None = None,
    jobs: int = 1,
    scheduler: str | None = None,
    progress: Progress = silent,
) -> list[dict[str, Any]]:
    """Return a row for each condition and trim: figures of `inference.figures`, tau_s, and `failed` (empty: it ran).

    training: input spikes [number] of images on which mappings are chosen; spikes, labels: of those that are decided.
    folder: of a store of finished rows, None: none is kept.

    Raise InputError for a row of another run in the store and for an unusable scheduler, FileFormatError for a damaged
    row, WorkerLost.
    """
    shared = _Shared(mapped, physical, nominal, training, spikes, labels, chips, level, seed, weights)
    tasks = [shared.task(condition, trim) for condition in conditions for trim in TRIMS]
    with open_pool(jobs, scheduler) as pool:
        rows = run_tasks(tasks, None if folder is None else TaskStore(folder), pool, progress, describe=_in_words)
    return list(rows.values())


def _in_words(row: dict[str, Any]) -> str:
    return row["failed"] or f"accuracy {row['accuracy']:.1%}"


@dataclass(frozen=True)
class _Shared:
    """What the rows of a run share; arguments of `run`."""

    mapped: MappedNetwork
    physical: PhysicalNetwork
    nominal: Characterised
    training: list[Floats]
    spikes: list[Floats]
    labels: NDArray[np.int64]
    chips: int
    level: str
    seed: int
    weights: int

    def task(self, condition: Characterised, trim: Trim) -> Task:
        """Return the row of a condition and trim as a task."""
        network = {name: value for name, value in self.mapped.to_dict().items() if name != "checkpoint"}
        inputs = {
            "network": network,
            "nominal": self.nominal.spec.to_dict(),
            "condition": condition.spec.to_dict(),
            "power_W": repr(condition.power_W),
            "trim": trim,
            "training_sha256": arrays_sha256(self.training),
            "images_sha256": arrays_sha256([*self.spikes, self.labels]),
            "chips": self.chips,
            "level": self.level,
            "seed": self.seed,
            "weights": self.weights,
        }
        return Task(f"{slug(condition.condition)}-{trim}", key_of(inputs), partial(_row, self, condition, trim))


def _row(shared: _Shared, condition: Characterised, trim: Trim) -> dict[str, Any]:
    """Return the row of a condition and trim."""
    mapped, physical = shared.mapped, shared.physical
    row: dict[str, Any] = {"label": condition.label, "condition": condition.condition.to_dict(), "trim": trim}
    row["failed"] = ""
    try:
        at_there, sign = at_condition(mapped, shared.nominal, condition, "nominal" if trim == "nominal" else "again")
        if trim == "mapped":
            at_there = with_new_scales(mapped, at_there, physical, shared.nominal, condition, shared.training)
    except SpecError as error:
        return row | {"failed": f"no such circuit: {error}"}
    codes = tuple(np.where(layer < 0, sign * layer, layer) for layer in Circuit.of(mapped, physical).weights)
    clock = mapped.neuron.tau_s / at_there.neuron.tau_s
    inferences = inference.on_circuit(
        Circuit(at_there, physical, codes),
        [clock * image for image in shared.spikes],
        shared.labels,
        shared.chips,
        shared.level,
        shared.seed,
    )
    row |= inference.figures(inferences, condition.power_W, at_there.neuron.tau_s, shared.weights, physical.neurons)
    row |= {"tau_s": at_there.neuron.tau_s, "errors": list(at_there.neuron.frequency_error.after_trim)}
    row["layers"] = [
        {
            "lead_rad": layer.lead_rad,
            "phase_per_weight_rad": layer.phase_per_weight_rad,
            "threshold": layer.lead_rad
            / (2 * layer.vco4_swing_Hz * layer.phase_per_weight_rad * at_there.neuron.tau_s),
        }
        for layer in at_there.layers
    ]
    return row


def at_condition(
    mapped: MappedNetwork, nominal: Characterised, condition: Characterised, trim: Trim
) -> tuple[MappedNetwork, float]:
    """The network's circuit at a condition, and by what inhibitory weights change against excitatory ones.

    Raises SpecError where the condition makes a neuron that the spec does not allow.
    """
    a, b = nominal.spec, condition.spec
    excitatory, inhibitory = _full_scale(a, b)
    lead, jump, swing = _ratios(a, b)

    def ratio(name: str) -> float:
        return _ratio(a, b, name)

    nominal_neuron = mapped.neuron
    neuron = nominal_neuron.replace(
        tau_s=nominal_neuron.tau_s * ratio("tau_s"),
        f0_Hz=nominal_neuron.f0_Hz * ratio("f0_Hz"),
        loop_filter_rad_per_s=nominal_neuron.loop_filter_rad_per_s * ratio("loop_filter_rad_per_s"),
        threshold_vco_ratio=nominal_neuron.threshold_vco_ratio * ratio("threshold_vco_ratio"),
        spike_width_s=nominal_neuron.spike_width_s * ratio("spike_width_s"),
        output_delay_s=nominal_neuron.output_delay_s * ratio("output_delay_s"),
        frequency_error=FrequencyError(after_trim=errors(a.frequency_error, b.frequency_error, trim)),
    )
    layers = tuple(
        layer.replace(
            phase_per_weight_rad=layer.phase_per_weight_rad * jump,
            lead_rad=layer.lead_rad * lead,
            ripple_guard_rad=layer.ripple_guard_rad * lead,
            vco4_swing_Hz=layer.vco4_swing_Hz * swing,
        )
        for layer in mapped.layers
    )
    return mapped.replace(neuron=neuron, layers=layers), inhibitory / excitatory


def with_new_scales(
    mapped: MappedNetwork,
    at_nominal_scales: MappedNetwork,
    physical: PhysicalNetwork,
    nominal: Characterised,
    condition: Characterised,
    training: list[Floats],
) -> MappedNetwork:
    """`at_nominal_scales` (at a condition, mapped at the nominal one) with the scales of its layers chosen anew.

    training: input spikes [number] of each image, units of the nominal τ. Raises SpecError as `at_condition`.
    """
    lead, jump, swing = _ratios(nominal.spec, condition.spec)
    nominal_neuron = mapped.neuron
    base = at_nominal_scales.neuron.replace(
        phase_per_weight_rad=nominal_neuron.phase_per_weight_rad * jump,
        threshold=Lead(lead_rad=_lead(nominal_neuron) * lead),
        vco4_swing_Hz=nominal_neuron.vco4_swing_Hz * swing,
    )
    spikes = [nominal_neuron.tau_s / base.tau_s * image for image in training]
    circuit = Circuit.of(at_nominal_scales, physical)
    runs = [circuit.ideal(image, exact_weights=True) for image in spikes]
    layers = []
    for k, (before, layer) in enumerate(zip(at_nominal_scales.layers, physical.layers, strict=True)):
        recorded = limits.Recorded.of([points[k] for points in runs])
        chosen = limits.choose_layer(before.name, base, layer.kernel, recorded, limits.Choice(use=mapped.use))
        most_Hz = max(base.vco4_swing_Hz, before.vco4_swing_Hz)
        layers.append(_within_swing(chosen, most_Hz).replace(weight_bank=before.weight_bank))
    return mapping.with_delays(
        at_nominal_scales.replace(layers=tuple(layers)), physical, spikes[: mapping.LATENCY_IMAGES]
    )


def _within_swing(layer: LayerMapping, most_Hz: float) -> LayerMapping:
    """A lead (and guard) so much lower that the threshold stays 1 with a swing of VCO4 of at most `most_Hz`."""
    factor = min(1.0, most_Hz / layer.vco4_swing_Hz)
    return layer.replace(
        lead_rad=factor * layer.lead_rad,
        ripple_guard_rad=factor * layer.ripple_guard_rad,
        vco4_swing_Hz=factor * layer.vco4_swing_Hz,
    )


def errors(nominal: FrequencyError, condition: FrequencyError, trim: Trim) -> tuple[float, float, float, float]:
    """Relative frequency errors of VCO1 … VCO4 at a condition."""
    if trim == "again":
        return condition.after_trim
    error1, error2, error3, error4 = (
        left + (1.0 + now) / (1.0 + before) - 1.0
        for left, now, before in zip(nominal.after_trim, condition.before_trim, nominal.before_trim, strict=True)
    )
    return error1, error2, error3, error4


def _characterised(path: Path) -> Characterised:
    spec = NeuronSpec.from_toml(path)
    energy = path.with_name(_ENERGY)
    power_W = result.load(energy).value("power") if energy.exists() else float("nan")
    return Characterised(_condition(spec, path), spec, power_W)


def _condition(spec: NeuronSpec, path: Path) -> Condition:
    if spec.circuit is None:
        raise InputError(f"{path} must hold the circuit that was characterised, it has none")
    return spec.circuit.condition


def _lead(spec: NeuronSpec) -> float:
    if not spec.threshold.is_fixed:
        raise InputError(f"the spec of a condition must have a lead, got {spec.threshold.kind}")
    return spec.threshold.lead_rad


def _ratio(a: NeuronSpec, b: NeuronSpec, name: str) -> float:
    base: float = getattr(a, name)
    value: float = getattr(b, name)
    return value / base if base else 1.0


def _full_scale(a: NeuronSpec, b: NeuronSpec) -> tuple[float, float]:
    """Largest weights of b over those of a, excitatory and inhibitory."""
    excitatory, inhibitory = (
        getattr(b.weight_bank, sign).max_weight / getattr(a.weight_bank, sign).max_weight
        for sign in ("excitatory", "inhibitory")
    )
    return excitatory, inhibitory


def _ratios(a: NeuronSpec, b: NeuronSpec) -> tuple[float, float, float]:
    """Of b to a: lead, phase jump of an excitatory weight at full scale, swing of VCO4."""
    jump = _full_scale(a, b)[0] * _ratio(a, b, "phase_per_weight_rad")
    return _lead(b) / _lead(a), jump, _ratio(a, b, "vco4_swing_Hz")


class Pvt(Result):
    """A mapped network at characterised conditions, three times at each (`TRIM_WORDS`); rows: figures, SI units."""

    kind: ClassVar[str] = "pvt"

    name: str
    level: str
    split: str
    images: int
    map_images: int
    chips: int
    seed: int
    datasheet: str
    nominal: str
    rows: list[dict[str, Any]]

    def summary(self) -> str:
        """Return a line for each condition and trim."""
        lines = [f"{self.images} images of split {self.split} on {self.chips} chips at level {self.level}"]
        for row in self.rows:
            what = f"{row['label']}, {TRIM_WORDS[row['trim']]}"
            if row["failed"]:
                lines.append(f"{what}: {row['failed']}")
                continue
            energy_J = row["energy_J"]
            energy = "" if energy_J is None or energy_J != energy_J else f", {1e9 * energy_J:.3g} nJ"
            lines.append(
                f"{what}: {row['accuracy']:.1%} ({row['accuracy_low']:.1%} to {row['accuracy_high']:.1%}), "
                f"{1e9 * row['latency_s']:.3g} ns{energy}, undecided {row['undecided']:.1%}"
            )
        return "\n".join(lines)


def pvt(
    network: Path | str,
    *,
    process: str = "generic65",
    datasheet: Path | str | None = None,
    corner: Sequence[str] | None = None,
    temp: Sequence[float] | None = None,
    vdd: Sequence[float] | None = None,
    level: str = "edge",
    split: str = "test",
    images: int = 40,
    map_images: int = 40,
    chips: int = 2,
    seed: int = 1,
    data: Path | str | None = None,
    out: Path | str | None = None,
    jobs: int = 1,
    scheduler: str | None = None,
    progress: Progress = silent,
) -> Pvt:
    """Return accuracy, energy (J) and latency (s) of a mapped network (.toml) at corners, temperatures and supplies.

    Each condition three times: trimmed and mapped there, trimmed there and mapped at nominal, trimmed at nominal only.
    datasheet: folder of `characterize`; default what ships for `process`. corner, temp (degC), vdd (over the nominal
    supply): default all that were characterised. images of a split; map_images: training images that a mapping sees.
    out: where finished rows are kept (out/tasks) to go on from.

    Raise InputError for a condition that was not characterised, or a process that ships without a characterisation.

    >>> print(pvt("network.toml", corner=["ss"]))  # doctest: +SKIP
    """
    clock = RunClock()
    if Path(network).suffix != ".toml":
        raise InputError(f"NETWORK must be a mapped network (.toml) of neurocircuit map, got {network}")
    folder = characterised(process) if datasheet is None else Path(datasheet)
    mapped, unrolled = load_mapped(Path(network))
    nominal, all_conditions = read(folder)
    conditions = chosen(all_conditions, nominal, corner, temp, vdd)
    if not conditions:
        raise InputError("--corner, --temp and --vdd must leave a condition that was characterised, none has all three")
    where = None if data is None else Path(data)
    training, decided = unrolled.images("train", where, map_images), unrolled.images(split, where, images)
    rows = run(
        mapped,
        unrolled.physical,
        nominal,
        conditions,
        training.spikes,
        decided.spikes,
        decided.labels,
        chips=chips,
        level=level,
        seed=seed,
        weights=sum(layer.kernel.size for layer in unrolled.physical.layers),
        folder=None if out is None else Path(out) / "tasks",
        jobs=jobs,
        scheduler=scheduler,
        progress=progress,
    )
    return Pvt(
        name=mapped.name,
        level=level,
        split=split,
        images=images,
        map_images=map_images,
        chips=chips,
        seed=seed,
        datasheet=process if datasheet is None else str(datasheet),
        nominal=nominal.label,
        rows=rows,
        run=clock.record(),
    )
