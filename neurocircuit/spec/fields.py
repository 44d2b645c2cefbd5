"""Field types of all specs: SI floats in Python, text with a unit in files; one-line errors."""

import tomllib
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Annotated, Any, Self, TypeVar

import tomli_w
from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    GetJsonSchemaHandler,
    PlainSerializer,
    ValidationError,
    ValidationInfo,
)
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema

from neurocircuit import units
from neurocircuit.core.validation import one_line
from neurocircuit.errors import InputError, SpecError, UnitError

FROM_FILE = {"from_file": True}


def _read(value: object, info: ValidationInfo, unit: str) -> object:
    if isinstance(value, str):
        try:
            return units.parse_quantity(value, unit, "it")
        except UnitError as error:
            raise ValueError(str(error).removeprefix("it ")) from None
    if isinstance(value, bool):
        raise ValueError("must be a number")
    if unit and info.context == FROM_FILE:
        raise ValueError(f'must be text with the unit {unit}, such as "1 {unit}"')
    return value


def _finite(value: float) -> float:
    if value - value != 0.0:
        raise ValueError("must be finite")
    return value


@dataclass(frozen=True)
class Unit:
    """The unit that a quantity has in a file; beside its bounds in a JSON Schema, for `spec/json_schema.py`."""

    unit: str

    def __get_pydantic_json_schema__(self, core: CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        return {**handler(core), "unit": self.unit}


def _quantity(unit: str) -> Any:
    return (
        *([Unit(unit)] if unit else []),
        BeforeValidator(partial(_read, unit=unit)),
        AfterValidator(_finite),
        PlainSerializer(partial(units.format_quantity, unit=unit) if unit else float, when_used="json"),
    )


Seconds = Annotated[float, *_quantity("s")]
Hertz = Annotated[float, *_quantity("Hz")]
Radians = Annotated[float, *_quantity("rad")]
RadiansPerSecond = Annotated[float, *_quantity("rad/s")]
PhaseDiffusion = Annotated[float, *_quantity("rad2/s")]
PerVolt = Annotated[float, *_quantity("1/V")]
PerKelvin = Annotated[float, *_quantity("1/K")]
Volts = Annotated[float, *_quantity("V")]
Amperes = Annotated[float, *_quantity("A")]
Watts = Annotated[float, *_quantity("W")]
Ohms = Annotated[float, *_quantity("Ohm")]
Farads = Annotated[float, *_quantity("F")]
Metres = Annotated[float, *_quantity("m")]
VoltMetres = Annotated[float, *_quantity("V*m")]
Celsius = Annotated[float, *_quantity("degC")]
Ratio = Annotated[float, *_quantity("")]


S = TypeVar("S", bound="Spec")


class Spec(BaseModel):
    """Base of the frozen, validated descriptions that travel as TOML."""

    model_config = ConfigDict(frozen=True, extra="forbid", validate_by_name=True, validate_by_alias=True)

    def __init__(self, **values: Any) -> None:
        """Build from SI values by field name. Raise SpecError naming field, bound and value."""
        try:
            super().__init__(**values)
        except ValidationError as error:
            raise SpecError(one_line(type(self), error)) from None

    # Without this mark pydantic sends nested models through __init__, which would cut the path from their errors.
    __init__.__pydantic_base_init__ = True  # type: ignore[attr-defined]

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> Self:
        """Build from file content, where every dimensional quantity is text with its unit."""
        try:
            return cls.model_validate(values, context=FROM_FILE)
        except ValidationError as error:
            raise SpecError(one_line(cls, error)) from None

    @classmethod
    def from_toml(cls, path: Path | str) -> Self:
        """Read a TOML file. Raise SpecError for a wrong field, InputError for an unreadable file."""
        return cls.from_dict(read_toml(Path(path)))

    def to_dict(self) -> dict[str, Any]:
        """Return the file content: by the names used in files, quantities as text; `from_dict` restores it exactly."""
        return self.model_dump(mode="json", by_alias=True, exclude_none=True)

    def to_toml(self) -> str:
        """Return TOML text that `from_toml` reads back to an equal spec."""
        return tomli_w.dumps(self.to_dict())

    def replace(self, **values: Any) -> Self:
        """Return a validated copy with some fields changed."""
        unchanged = {name: getattr(self, name) for name in type(self).model_fields if name not in values}
        return type(self)(**unchanged, **values)


def stated_over(spec: S, base: S) -> S:
    """Return `base` with the fields that `spec` was given, by file or call; its defaults do not count.

    >>> from neurocircuit.spec import Tone
    >>> stated_over(Tone(frequency_Hz=2e6, amplitude_V=0.1), Tone(frequency_Hz=1e6, amplitude_V=0.1)).frequency_Hz
    2000000.0
    """
    return base.replace(**{name: getattr(spec, name) for name in spec.model_fields_set})


def read_toml(path: Path) -> dict[str, Any]:
    """Return the content of a TOML file. Raise InputError naming the file when it cannot be read."""
    try:
        return tomllib.loads(path.read_text(encoding="utf-8-sig"))
    except OSError as error:
        raise InputError(f"cannot read {path}: {error.strerror}") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise InputError(f"{path} must be TOML: {error}") from None
