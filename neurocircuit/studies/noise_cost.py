"""What a quieter neuron costs: phase noise by device, power and gate area of neurons from their datasheets."""

from collections.abc import Sequence
from math import nan
from pathlib import Path

from neurocircuit.core.provenance import RunClock
from neurocircuit.errors import InputError
from neurocircuit.process.stored import trim_from_dict
from neurocircuit.rendering.read.characterisation import Characterised, condition_text, read_characterisation
from neurocircuit.results.measurement import Measured
from neurocircuit.results.noise_cost import NeuronCost, NoiseCost, VcoCost
from neurocircuit.results.phase_noise import VCOS, by_role, vco_noise
from neurocircuit.spec import Circuit
from neurocircuit.spice.devices import devices
from neurocircuit.spice.process import load
from neurocircuit.spice.transistor_deck import compose_neuron


def noise_cost(datasheets: Sequence[Path | str]) -> NoiseCost:
    """Return the phase noise by device, power and gate area of neurons, at the nominal condition of each datasheet.

    datasheets: folders of `characterize` with the measurement phase_noise; that of energy is used where it is there.

    Raise InputError for a folder without phase noise or for an unknown process, SimulatorMissing without ngspice.

    >>> noise_cost(["reports/datasheet-generic65"]).neurons[0].vcos[0].h  # doctest: +SKIP
    """
    clock = RunClock()
    neurons = tuple(_neuron(read_characterisation(Path(folder))) for folder in datasheets)
    return NoiseCost(neurons=neurons, run=clock.record())


def _neuron(datasheet: Characterised) -> NeuronCost:
    condition, slug = datasheet.conditions[0], datasheet.nominal
    noise, trim = (_required(datasheet, name, slug) for name in ("phase_noise", "trim"))
    energy = datasheet.measured.get("energy", {}).get(slug)
    result = trim_from_dict(dict(trim.details["trim"]))
    currents_A = dict(zip(VCOS, (getattr(result.bias, f"{vco}_A") for vco in VCOS), strict=True))
    installed = load(datasheet.process)
    circuit = Circuit(
        process=datasheet.process,
        condition=condition,
        components=installed.process.components,
        bias=result.bias,
        f1_Hz=result.f1_Hz,
        f3_Hz=result.f3_Hz,
    )
    gates = devices(compose_neuron(circuit, stop_s=1e-9, installed=installed))
    vco1, vco2, vco3, vco4 = (_vco(noise, vco, currents_A[vco] * condition.supply_V) for vco in VCOS)
    return NeuronCost(
        process=installed.process.name,
        condition=condition_text(condition),
        vcos=(vco1, vco2, vco3, vco4),
        shared=(noise.value("shared_vco1_vco2"), noise.value("shared_vco3_vco4")),
        area_m2=sum(gate.w_m * gate.l_m * gate.m for gate in gates if gate.path.startswith("m.xneuron.")),
        power_W=energy.value("power") if energy else nan,
        energy_J=energy.value("with_lock") if energy else nan,
    )


def _required(datasheet: Characterised, name: str, slug: str) -> Measured:
    measured = datasheet.measured.get(name, {}).get(slug)
    if measured is None:
        raise InputError(
            f"{datasheet.directory} must hold the measurement {name} at {slug}; type: neurocircuit characterize "
            f"--process {datasheet.process} --only phase_noise,energy"
        )
    return measured


def _vco(noise: Measured, vco: str, bias_W: float) -> VcoCost:
    budget = vco_noise(noise, vco)
    ring = {"vco2": "vco1", "vco4": "vco3"}.get(vco, vco)
    return VcoCost(
        name=VCOS[vco],
        f0_Hz=budget.f0_Hz,
        power_W=noise.value(f"power_{ring}") + bias_W,
        white=by_role(budget.white_by_device),
        flicker=by_role(budget.flicker_by_device),
    )
