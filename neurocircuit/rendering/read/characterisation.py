"""A run directory as `characterize` leaves it, read and checked."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from neurocircuit.core.files import read_json_object
from neurocircuit.errors import FileFormatError, InputError
from neurocircuit.results.measurement import Measured
from neurocircuit.spec import Condition, NeuronSpec


@dataclass(frozen=True)
class Characterised:
    """Everything that the datasheet may say. measured: by measurement, then by condition, in the order asked for."""

    directory: Path
    process: str
    conditions: tuple[Condition, ...]
    request: dict[str, Any]
    record: dict[str, Any]
    measured: dict[str, dict[str, Measured]]
    spec: NeuronSpec | None

    @property
    def slugs(self) -> tuple[str, ...]:
        """Folder names of the conditions."""
        return tuple(slug(condition) for condition in self.conditions)

    @property
    def nominal(self) -> str:
        """The condition of the typical column: the first, where `characterize` puts the nominal one."""
        return slug(self.conditions[0])

    def typical(self, name: str) -> Measured | None:
        """Return a measurement at the nominal condition, else at the first at which it was made."""
        by_condition = self.measured.get(name, {})
        return by_condition.get(self.nominal) or next(iter(by_condition.values()), None)


def slug(condition: Condition) -> str:
    """Return the folder of a condition: "tt_27C_1V"."""
    return f"{condition.corner}_{condition.temperature_C:g}C_{condition.supply_V:g}V"


def condition_text(condition: Condition) -> str:
    """Return a condition in words: "tt, 27 °C, 1 V"."""
    return f"{condition.corner}, {condition.temperature_C:g} °C, {condition.supply_V:g} V"


def is_characterisation(directory: Path) -> bool:
    """Return whether a run directory was written by `characterize`."""
    return (directory / "conditions").is_dir()


def read_characterisation(directory: Path) -> Characterised:
    """Read a run. Raise InputError or FileFormatError naming the file that is missing, foreign or damaged."""
    if not directory.is_dir():
        raise InputError(f"run directory {directory} does not exist")
    request, record = _json(directory / "request.json"), _json(directory / "run.json")
    try:
        conditions = tuple(Condition.from_dict(values) for values in request["conditions"])
        process, names = str(request["process"]), [str(name) for name in request["measurements"]]
    except (KeyError, TypeError) as error:
        raise FileFormatError(f"{directory / 'request.json'} lacks or garbles {error}") from None
    measured: dict[str, dict[str, Measured]] = {}
    for name in names:
        for condition in conditions:
            path = directory / "conditions" / slug(condition) / f"{name}.json"
            if path.exists():
                measured.setdefault(name, {})[slug(condition)] = _measurement(path)
    spec = directory / "spec.toml"
    return Characterised(
        directory, process, conditions, request, record, measured, NeuronSpec.from_toml(spec) if spec.exists() else None
    )


def _measurement(path: Path) -> Measured:
    try:
        return Measured.from_dict(_json(path))
    except FileFormatError as error:
        raise FileFormatError(f"{path} {error}") from None


def _json(path: Path) -> dict[str, Any]:
    hint = ": the characterisation has not finished, continue it with --resume" if path.name == "run.json" else ""
    return read_json_object(path, hint)
