"""Mismatch of one chip: threshold and current factor of every device, drawn once (Pelgrom, JSSC 24, 1989).

σ(ΔVth) = A_vt/√(W L m) and σ(Δβ/β) = A_β/√(W L m), with W L m the gate area of all fingers of the device.
"""

import hashlib
import math
from collections.abc import Iterable, Mapping
from functools import lru_cache

import numpy as np

from neurocircuit.spec import Circuit, Mismatch
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


def _shift(device: Device, pelgrom: Mismatch, seed: int) -> DeviceShift:
    n_type = device.polarity == "n"
    side_m = math.sqrt(device.w_m * device.l_m * device.m)
    sigma_vth = (pelgrom.a_vt_n if n_type else pelgrom.a_vt_p) / side_m
    sigma_beta = (pelgrom.a_beta_n if n_type else pelgrom.a_beta_p) / side_m
    name = int.from_bytes(hashlib.sha256(device.path.encode()).digest()[:8], "big")
    vth, beta = np.random.default_rng(np.random.SeedSequence([seed, name])).standard_normal(2)
    return DeviceShift(sigma_vth * float(vth), max(sigma_beta * float(beta), -_LARGEST_BETA))
