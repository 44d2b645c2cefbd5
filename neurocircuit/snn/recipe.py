"""A recipe: everything that determines a training run, as one TOML file."""

import hashlib
import json
import tomllib
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import Field, model_validator

from neurocircuit.core import shipped
from neurocircuit.core.suggest import nearest
from neurocircuit.errors import InputError
from neurocircuit.snn.data.augment import Augmentation
from neurocircuit.snn.data.spec import DataSpec
from neurocircuit.snn.encode import Encoding
from neurocircuit.snn.hardware_spec import HardwareSpec
from neurocircuit.snn.loss import LossSpec
from neurocircuit.snn.models import NetworkSpec
from neurocircuit.spec.fields import Ratio, Spec, read_toml, stated_over


class OptimiserSpec(Spec):
    """Optimiser, what is done to gradients before its step, and the running average of the weights."""

    kind: Annotated[
        Literal["adam", "sgd"], Field(description="adam: MNIST and CIFAR-10; sgd: ImageNet (paper §4.1)")
    ] = "adam"
    momentum: Annotated[Ratio, Field(ge=0, lt=1, description="of sgd; the paper takes 0.9")] = 0.9
    nesterov: Annotated[bool, Field(strict=True, description="sgd looks ahead by its momentum")] = False
    weight_decay: Annotated[
        Ratio, Field(ge=0, le=1, description="of sgd: times lr and the weights, taken off them at each step")
    ] = 0.0
    norm_bias_lr: Annotated[
        Ratio, Field(gt=0, le=1000, description="of sgd: rate of batch norms' biases over lr; they decay no faster")
    ] = 1.0
    precision: Annotated[
        Literal["float32", "bfloat16"],
        Field(description="of convolutions in training; bfloat16: of ReLU and windowed networks"),
    ] = "float32"
    gradient: Annotated[
        Literal["as_is", "clip_row_norm", "unit_per_layer"],
        Field(
            description="clip_row_norm: the paper's bound on |G|/sqrt(rows) per layer; unit_per_layer: |G| = 1 for each"
        ),
    ] = "clip_row_norm"
    largest_row_norm: Annotated[Ratio, Field(gt=0, description="bound of clip_row_norm; the paper takes 10")] = 10.0
    averaging: Annotated[
        Ratio, Field(ge=0, lt=1, description="decay per step of the averaged weights that are evaluated; 0: none")
    ] = 0.0


class ScheduleSpec(Spec):
    """How long, in which batches, at which learning rate."""

    epochs: Annotated[int, Field(gt=0, le=100_000, strict=True, description="passes over the training images")] = 50
    batch_size: Annotated[int, Field(gt=0, strict=True, description="images a step, over all processes")] = 20
    lr: Annotated[Ratio, Field(gt=0, le=10, description="learning rate at the start, after the warm-up")] = 2e-3
    lr_end: Annotated[Ratio, Field(ge=0, le=10, description="learning rate at the last step")] = 1e-5
    decay: Annotated[Literal["linear", "cosine"], Field(description="way from lr to lr_end; the paper: linear")] = (
        "cosine"
    )
    warmup_steps: Annotated[int, Field(ge=0, strict=True, description="steps over which lr rises linearly from 0")] = 0
    checkpoint_steps: Annotated[
        int, Field(ge=0, strict=True, description="also keep a checkpoint every so many steps; 0: at epoch ends only")
    ] = 0


class Subject(Spec):
    """What a set of weights is for: the part of a recipe that evaluation needs."""

    name: Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9_-]{0,63}$", description="a label")]
    data: DataSpec = DataSpec()
    encoding: Encoding = Encoding()
    augmentation: Augmentation = Augmentation()
    network: NetworkSpec = NetworkSpec()


class Recipe(Subject):
    """A subject and how its weights are trained."""

    seed: Annotated[int, Field(ge=0, lt=2**63, strict=True, description="root of all random draws")] = 1
    initial: Annotated[
        str,
        Field(
            description="file of weights to start from instead of random ones, from where one is; empty: none. What "
            "[encoding] leaves out is as in this file; where [data] names no data set, so is what [data] and "
            "[augmentation] leave out"
        ),
    ] = ""
    loss: LossSpec = LossSpec()
    optimiser: OptimiserSpec = OptimiserSpec()
    schedule: ScheduleSpec = ScheduleSpec()
    hardware: HardwareSpec = HardwareSpec()

    @model_validator(mode="after")
    def _falling(self) -> Self:
        if self.schedule.lr_end > self.schedule.lr:
            raise ValueError(f"schedule.lr_end must be <= lr = {self.schedule.lr:g}, got {self.schedule.lr_end:g}")
        return self

    @property
    def subject(self) -> Subject:
        """The part that evaluation needs."""
        return Subject(**{name: getattr(self, name) for name in Subject.model_fields})

    def inheriting(self, initial: Subject) -> Self:
        """Return the recipe with what it leaves to the weights that it starts from.

        What its [encoding] leaves out is theirs; where its [data] names no data set, so is what [data] and
        [augmentation] leave out.
        """
        sections: tuple[str, ...] = ("encoding",)
        if "name" not in self.data.model_fields_set:
            sections = ("data", "encoding", "augmentation")
        return self.replace(**{name: stated_over(getattr(self, name), getattr(initial, name)) for name in sections})

    @property
    def sha256(self) -> str:
        """Hash of the whole content, defaults included."""
        return hashlib.sha256(json.dumps(self.to_dict(), sort_keys=True).encode()).hexdigest()


def load_recipe(path: Path | str, settings: tuple[str, ...] = ()) -> Recipe:
    """Return the recipe of a TOML file, or that of a shipped one by its bare name; settings change it.

    A setting is text such as "schedule.lr=0.001" or "lr=0.001". Raise SpecError naming field, bound and value;
    InputError for an unreadable file, an unknown name or a malformed setting.
    """
    values = read_toml(shipped.toml_path("RECIPE", shipped.folder("training"), path))
    return Recipe.from_dict(put_settings(values, settings))


def put_settings(values: dict[str, Any], settings: Sequence[str]) -> dict[str, Any]:
    """Return the content of a recipe's file with settings put in place. Raise InputError for a malformed one."""
    for setting in settings:
        _put(values, setting)
    return values


def _put(values: dict[str, Any], setting: str) -> None:
    """Set one value; a bare name such as lr goes to the only section that has it."""
    name, separator, text = setting.partition("=")
    if not separator or not name.strip():
        raise InputError(f"--set must be key=value, such as schedule.lr=0.001, got {setting!r}")
    *sections, key = _full_name(name.strip()).split(".")
    for section in sections:
        values = values.setdefault(section, {})
        if not isinstance(values, dict):
            raise InputError(f"--set {name.strip()}: {section} is not a section of the recipe")
    values[key] = _value(text.strip())


def _full_name(name: str) -> str:
    if "." in name or name in Recipe.model_fields:
        return name
    sections = {section: field.annotation for section, field in Recipe.model_fields.items()}
    matches = [
        f"{section}.{name}"
        for section, kind in sections.items()
        if isinstance(kind, type) and issubclass(kind, Spec) and name in kind.model_fields
    ]
    if len(matches) != 1:
        hint = f"one of {', '.join(matches)}" if matches else "a field of the recipe"
        known = [field for kind in sections.values() for field in getattr(kind, "model_fields", ())]
        raise InputError(f"--set must name {hint}, got {name!r}" + ("" if matches else nearest(name, known)))
    return matches[0]


def _value(text: str) -> Any:
    """Return a TOML value; what is none is taken as text."""
    try:
        return tomllib.loads(f"value = {text}")["value"]
    except tomllib.TOMLDecodeError:
        return text
