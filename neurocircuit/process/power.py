"""What a neuron draws: the one home of it, for `evaluate`, `verify`, `pvt` and `codesign` alike.

All of it is read from the folder of a condition that `characterize` measured: power while on, on a ramp and in lock
from energy.json, condition and fan-in from spec.toml, how power follows current and frequency from power.json, and how
phase noise does from noise_law.json, which may be missing.
"""

from pathlib import Path

import numpy as np

from neurocircuit.errors import InputError
from neurocircuit.process.request import slug
from neurocircuit.results import measurement
from neurocircuit.results.characterised_neuron import CharacterisedNeuron
from neurocircuit.results.inference import NeuronPower
from neurocircuit.results.noise_law import NoiseLaw
from neurocircuit.spec import NeuronSpec
from neurocircuit.spec.bias_network import BiasNetwork
from neurocircuit.spice.process import characterised, describe

ENERGY, LAW, NOISE, SPEC = "energy.json", "power.json", "noise_law.json", "spec.toml"
_TRIMMED = 0.01  # within which neurons of a power measurement are at the same frequency
_EMBEDDED = "generic65", "tt_27C_1V"  # whose rings the embedded circuit has: f0 at 10 µA


def of_condition(folder: Path, source: str = "", bias: BiasNetwork | None = None) -> NeuronPower:
    """Return the power at a condition, from its folder; source: the condition in words, else its folder.

    bias: what makes its bias currents; default: `BiasNetwork()`. Raise InputError, FileFormatError naming the file.
    """
    measured = measurement.load(folder / ENERGY)
    bias = bias or BiasNetwork()
    lock_power_W = measured.value("power_pll", float("nan"))
    lock_s = (measured.value("with_lock", float("nan")) - measured.value("spike", float("nan"))) / lock_power_W
    tau_s, supply_V, generator_W, trim_dac_W = _of_spec(folder / SPEC, bias)
    return NeuronPower(
        power_W=measured.value("power"),
        ramp_power_W=measured.value("power_ramp", float("nan")),
        lock_power_W=lock_power_W,
        lock_over_tau=lock_s / tau_s,
        generator_W=generator_W,
        trim_dac_W=trim_dac_W,
        trim_bits=bias.bits,
        supply_V=supply_V,
        source=f"{source or folder}",
    )


def of_neuron(spec: NeuronSpec, measured: NeuronPower | None = None) -> NeuronPower:
    """Return the power of a neuron, which also draws for the time of its auto-zero, if it has one.

    measured: without auto-zero; None: at the condition of its transistors, without any of those of generic65; nan where
    that condition does not come characterised with the package.
    """
    if measured is not None:
        auto_zero_s = 0.0 if spec.flicker is None else spec.flicker.auto_zero_s or 0.0
        return measured.model_copy(update={"auto_zero_s": auto_zero_s})
    process, condition = _condition_of(spec)
    try:
        return of_neuron(spec, of_condition(folder_of(spec), f"{process}, {condition}"))
    except InputError:
        return NeuronPower(power_W=float("nan"), source=f"{condition} of {process} does not come characterised")


def folder_of(spec: NeuronSpec) -> Path:
    """Return the shipped folder of the condition of `of_neuron`. Raise InputError where the process comes with none."""
    process, condition = _condition_of(spec)
    return characterised(process) / "conditions" / condition


def _condition_of(spec: NeuronSpec) -> tuple[str, str]:
    return _EMBEDDED if spec.circuit is None else (spec.circuit.process, slug(spec.circuit.condition))


def _of_spec(path: Path, bias: BiasNetwork) -> tuple[float, float, float, float]:
    """Return τ and supply of the spec of a condition, and what bias generator and trim DACs draw there, W.

    All nan without a spec.
    """
    if not path.is_file():
        return float("nan"), float("nan"), float("nan"), float("nan")
    spec = NeuronSpec.from_toml(path)
    if spec.circuit is None:
        raise InputError(f"{path} must hold the circuit that was characterised, it has none")
    nominal, supply_V = describe(spec.circuit.process).nominal, spec.circuit.condition.supply_V
    currents_A = nominal.vco1_A, nominal.vco2_A, nominal.vco3_A, nominal.vco4_A
    return spec.tau_s, supply_V, bias.generator_W(currents_A, supply_V), bias.trim_dac_W(currents_A, supply_V)


def characterised_of(spec: NeuronSpec) -> CharacterisedNeuron:
    """Read the shipped folder of the condition of `of_neuron`. Raise InputError where the process comes with none."""
    return characterised_neuron(folder_of(spec), ", ".join(_condition_of(spec)))


def characterised_neuron(folder: Path, source: str = "") -> CharacterisedNeuron:
    """Read the folder of a condition; source: in words, by default those of its spec.

    Raise InputError, FileFormatError naming what is missing there.
    """
    measured, spec = measurement.load(folder / LAW), NeuronSpec.from_toml(folder / SPEC)
    curve, bias_A, f0_Hz = measured.curves["power"], measured.value("current"), measured.value("frequency")
    alike, scaled = curve["scale"] == 1.0, np.isclose(curve["frequency_Hz"], f0_Hz, rtol=_TRIMMED)
    order = np.argsort(curve["frequency_Hz"][alike])
    built_A = curve["current_A"][scaled]
    noise = NoiseLaw.of(measurement.load(folder / NOISE)) if (folder / NOISE).exists() else None
    return CharacterisedNeuron(
        base=of_condition(folder, source or ", ".join(_condition_of(spec))),
        bias_A=bias_A,
        scaled_W=measured.value("scaled"),
        slope_W=measured.value("slope"),
        fixed_W=measured.value("fixed"),
        built=(float(built_A.min()) / bias_A, float(built_A.max()) / bias_A),
        at_frequencies=tuple((curve["frequency_Hz"][alike][order] / f0_Hz).tolist()),
        currents=tuple((curve["current_A"][alike][order] / bias_A).tolist()),
        spike_width_s=spec.spike_width_s,
        largest_fan_in=None if spec.circuit is None else spec.circuit.largest_fan_in,
        noise=noise,
    )
