"""Conditions of a process at which its neuron was characterised, read from what `characterize` wrote."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from neurocircuit.errors import InputError
from neurocircuit.process.power import ENERGY, of_condition, of_neuron
from neurocircuit.results.inference import NeuronPower
from neurocircuit.spec import Condition, NeuronSpec

_SPEC = "spec.toml"


@dataclass(frozen=True)
class Characterised:
    """One condition of a datasheet. power: of a neuron; nan where energy was not measured."""

    condition: Condition
    spec: NeuronSpec
    power: NeuronPower

    @property
    def label(self) -> str:
        """The condition in words, for tables."""
        condition = self.condition
        return f"{condition.corner}, {condition.temperature_C:g} °C, {condition.supply_V:g} V"


def read(folder: Path) -> tuple[Characterised, list[Characterised]]:
    """Return the nominal condition and all (nominal first) of a folder that `neurocircuit characterize` wrote.

    Raise InputError naming what is missing.
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
    """Return the conditions of these corners, temperatures (degC) and supplies over the nominal one; None: all.

    Raise InputError naming a value that no condition has.
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


def _characterised(path: Path) -> Characterised:
    spec = NeuronSpec.from_toml(path)
    measured = path.with_name(ENERGY).exists()
    power = of_condition(path.parent) if measured else NeuronPower(power_W=float("nan"), source="not measured")
    return Characterised(_condition(spec, path), spec, of_neuron(spec, power))


def _condition(spec: NeuronSpec, path: Path) -> Condition:
    if spec.circuit is None:
        raise InputError(f"{path} must hold the circuit that was characterised, it has none")
    return spec.circuit.condition
