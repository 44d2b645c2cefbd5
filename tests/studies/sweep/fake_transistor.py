"""A stand-in for the transistor level: the edge level at placed phases, 2 % slower, with a numerical floor."""

from typing import Any

import numpy as np

from neurocircuit.neuron import levels
from neurocircuit.neuron.record import Arming, FireRecord
from neurocircuit.spec import Bias, Circuit, Components, Condition, NeuronSpec
from neurocircuit.spice.phases import nearest_placement

HAS_DEVICES = True
SLOWER, FLOOR_over_tau = 1.02, 1e-4
SAVED_rad = np.array([[0.3, 0.0], [1.9, 0.4]])


def make_circuit(**fields: Any) -> Circuit:
    values: dict[str, Any] = {
        "process": "generic65",
        "condition": Condition(corner="tt", supply_V=1.0),
        "components": Components(r1_Ohm=3e5, c_F=1e-14, r2_Ohm=1.5e6, r4_Ohm=1.7e5),
        "bias": Bias(vco1_A=1e-5, vco2_A=1e-5, vco3_A=1e-5, vco4_A=1e-5, weight_A=1e-6),
        "f1_Hz": 764e6,
        "f3_Hz": 955e6,
    }
    return Circuit(**(values | fields))


def make_spec(**fields: Any) -> NeuronSpec:
    return NeuronSpec(**({"circuit": make_circuit(), "threshold_vco_ratio": 1.25} | fields))


def engine() -> str:
    return "fake/1"


def not_modelled(spec: NeuronSpec) -> tuple[str, ...]:
    return ()


def identity(spec: NeuronSpec, inputs: int) -> str:
    return "fake"


def arming(spec: NeuronSpec, start_rad: np.ndarray, inputs: int) -> Arming:
    assert spec.circuit is not None
    placed = nearest_placement(start_rad, SAVED_rad, spec.circuit.f1_Hz, spec.circuit.f3_Hz)
    return Arming(SAVED_rad[placed.state], placed.wait_s / spec.tau_s)


def fire(
    spec: NeuronSpec,
    t_over_tau: np.ndarray,
    weights: np.ndarray,
    start_rad: np.ndarray,
    noise_seed: np.ndarray,
    *,
    timeout_s: float,
    step_divisor: int,
) -> FireRecord:
    armed = arming(spec, start_rad, t_over_tau.shape[1])
    later = t_over_tau + armed.wait_over_tau[:, None]
    record = levels.evaluate("edge", spec, later, weights, start_rad=armed.start_rad)
    moved = FLOOR_over_tau * (step_divisor - 1) * np.sin(1e6 * t_over_tau.sum(axis=1))
    fire_time = (record.fire_time_over_tau - armed.wait_over_tau) * SLOWER + moved
    return FireRecord(fire_time, record.headroom, record.false_fire, engine=engine())


def waveforms(
    spec: NeuronSpec,
    t_over_tau: np.ndarray,
    weights: np.ndarray,
    start_rad: np.ndarray,
    noise_seed: int,
    ripple: Any = None,
) -> Any:
    return levels.waveforms("edge", spec, t_over_tau, weights, start_rad, noise_seed)
