"""Readers of options that are files or lists; each takes the text and the name of the option."""

from pathlib import Path

import click

from neurocircuit import units
from neurocircuit.spec import NeuronSpec, Variation
from neurocircuit.spec.derived import remarks


def spec(text: str, field: str) -> NeuronSpec:
    """Return the neuron spec of a TOML file; "embedded" is the embedded circuit. What is unlikely is told on stderr."""
    neuron = NeuronSpec() if text == "embedded" else NeuronSpec.from_toml(Path(text))
    for remark in remarks(neuron):
        click.echo(f"remark on {text}: {remark}", err=True)
    return neuron


def variation(text: str, field: str) -> Variation:
    """Return the variation of a TOML file; "embedded" is the embedded one."""
    from neurocircuit.spec.variation import EMBEDDED

    return EMBEDDED if text == "embedded" else Variation.from_toml(Path(text))


def names(text: str, field: str) -> tuple[str, ...]:
    """Return the names of a list: "tt,ss"."""
    return tuple(name.strip() for name in text.split(","))


def percentages(text: str, field: str) -> tuple[float, ...]:
    """Return ratios of "1-9%" or "1,3,5%"; none of them for "none"."""
    return units.parse_percentages(text, field) or ()


def integers(text: str, field: str) -> tuple[int, ...]:
    """Return whole numbers of "4,8"; none of them for "none"."""
    return units.parse_integers(text, field) or ()


def volts(text: str, field: str) -> float:
    """Return the value of "1.1 V", V."""
    return units.parse_quantity(text, "V", field)


def metres(text: str, field: str) -> float:
    """Return the value of "45 nm", m."""
    return units.parse_quantity(text, "m", field)
