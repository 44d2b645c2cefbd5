"""Mismatch of one chip: threshold and current factor of every device, drawn once (Pelgrom, JSSC 24, 1989).

σ(ΔVth) = A_vt/√(W L m) and σ(Δβ/β) = A_β/√(W L m), with W L m the gate area of all fingers of the device. Resistors and
capacitor of the neuron have no drawn size here: their relative σ is stated by the process.
"""

import hashlib
import math
from collections.abc import Iterable, Mapping
from functools import lru_cache

import numpy as np

from neurocircuit.spec import Circuit, Components, Mismatch, Passives
from neurocircuit.spice.devices import Device, DeviceShift, devices
from neurocircuit.spice.process import load
from neurocircuit.spice.transistor_deck import Input, compose_neuron

_LARGEST_BETA = 0.9  # a current factor of a very small device stays positive


def shifts_of(circuit: Circuit, inputs: int) -> Mapping[str, DeviceShift]:
    """Return the deviations of every device of the circuit's chip, with that many synapses.

    None for nominal devices.
    """
    return {} if circuit.chip_seed is None else _shifts_of(circuit, inputs)


@lru_cache(maxsize=64)
def _shifts_of(circuit: Circuit, inputs: int) -> Mapping[str, DeviceShift]:
    deck = compose_neuron(circuit, [Input()] * inputs, stop_s=1e-9)
    return draw(devices(deck), load(circuit.process).process.mismatch, circuit.chip_seed or 0)


def draw(devices: Iterable[Device], pelgrom: Mismatch, seed: int) -> dict[str, DeviceShift]:
    """Return the deviations by device path of chip number `seed`.

    Each device draws from (seed, its path) alone: a chip stays itself when synapses are added or devices reordered.
    """
    return {device.path: _shift(device, pelgrom, seed) for device in devices}


def draw_components(nominal: Components, passives: Passives, seed: int) -> Components:
    """Return the resistors and the capacitor of the neuron of chip number `seed`, each drawn from (seed, its name)."""
    sigmas = {
        "r1_Ohm": passives.sigma_resistor,
        "c_F": passives.sigma_capacitor,
        "r2_Ohm": passives.sigma_resistor,
        "r4_Ohm": passives.sigma_resistor,
    }
    drawn = {
        name: getattr(nominal, name) * max(1.0 + sigma * float(_generator(seed, name).standard_normal()), 0.1)
        for name, sigma in sigmas.items()
    }
    return Components(**drawn)


def _generator(seed: int, name: str) -> np.random.Generator:
    """Return the generator of a part of a chip by its name."""
    number = int.from_bytes(hashlib.sha256(name.encode()).digest()[:8], "big")
    return np.random.default_rng(np.random.SeedSequence([seed, number]))


def _shift(device: Device, pelgrom: Mismatch, seed: int) -> DeviceShift:
    n_type = device.polarity == "n"
    side_m = math.sqrt(device.w_m * device.l_m * device.m)
    sigma_vth = (pelgrom.a_vt_n if n_type else pelgrom.a_vt_p) / side_m
    sigma_beta = (pelgrom.a_beta_n if n_type else pelgrom.a_beta_p) / side_m
    vth, beta = _generator(seed, device.path).standard_normal(2)
    return DeviceShift(sigma_vth * float(vth), max(sigma_beta * float(beta), -_LARGEST_BETA))
