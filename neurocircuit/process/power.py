"""What a neuron draws, as `characterize` measured it (measurements/energy.py)."""

from pathlib import Path

from neurocircuit.errors import InputError
from neurocircuit.process.request import slug
from neurocircuit.results import measurement
from neurocircuit.results.inference import NeuronPower
from neurocircuit.spec import NeuronSpec
from neurocircuit.spice.process import characterised

ENERGY = "energy.json"
_EMBEDDED = "generic65", "tt_27C_1V"  # whose rings the embedded circuit has: f0 at 10 µA


def of_condition(folder: Path, source: str = "") -> NeuronPower:
    """Return the power at a condition, from its folder; source: the condition in words, else its folder.

    Raise InputError, FileFormatError naming the file.
    """
    measured = measurement.load(folder / ENERGY)
    return NeuronPower(
        power_W=measured.value("power"),
        ramp_power_W=measured.value("power_ramp", float("nan")),
        source=f"{source or folder}",
    )


def of_neuron(spec: NeuronSpec) -> NeuronPower:
    """Return the power of a neuron: at the condition of its transistors, without any of those of generic65.

    nan where the condition of its transistors does not come characterised with the package.
    """
    process, condition = _EMBEDDED
    if spec.circuit is not None:
        process, condition = spec.circuit.process, slug(spec.circuit.condition)
    try:
        return of_condition(characterised(process) / "conditions" / condition, f"{process}, {condition}")
    except InputError:
        return NeuronPower(power_W=float("nan"), source=f"{condition} of {process} does not come characterised")
