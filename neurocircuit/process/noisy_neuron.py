"""One transistor neuron under the noise of its devices: locked, armed, and run until it fires, in one deck.

From a locked state the loop runs LOCK_over_tau under noise, which brings its phase error to 95 % of the variance that
it has after long lock; then the neuron is armed, and its inputs come. A run without noise comes first: it tells the
phases by which the noise is modulated, and from what time noise moves the fire time.
"""

from dataclasses import dataclass
from functools import lru_cache
from math import exp, inf, pi
from typing import Any

import numpy as np

from neurocircuit.core.arrays import Floats
from neurocircuit.errors import SimulatorBadOutput, SimulatorTimeout
from neurocircuit.neuron.flicker import variance_over_h
from neurocircuit.neuron.record import Arming
from neurocircuit.process.bench import TIMEOUT_s
from neurocircuit.process.drawn_noise import Draw, RingNoise, noise_lines
from neurocircuit.process.measurements.prediction import synapses_drawn
from neurocircuit.spec import Circuit, NeuronSpec
from neurocircuit.spice import ngspice, transistor_run
from neurocircuit.spice.control_deck import State
from neurocircuit.spice.phases import rising_edges, steady
from neurocircuit.spice.saved_states import idle, lock_deck
from neurocircuit.spice.transistor import circuit_of
from neurocircuit.spice.transistor_deck import Input, compose_neuron

LOCK_over_tau = 1.5
LOCKED_SHARE = 1 - exp(-2 * LOCK_over_tau)  # of the stationary variance of the loop's error
ORIGIN_periods = 2.0  # of VCO1, from the arming to the time origin of the inputs: VCO4 has started by then
MAX_STEP_s = 10e-12  # noise moves a fire time a hundred times further than twice the usual step does
_RINGS = ("o1", "o2", "o3", "o4")
_SAVED = tuple(f"v({node})" for node in (*_RINGS, "en3", "q", "fired"))

Value = dict[str, Any]


@dataclass(frozen=True)
class NeuronRun:
    """A neuron and its inputs. t_over_tau: [synapse], inf for an idle one, from the time origin; weights on codes.

    vco1_turns: phase of VCO1, of the free run since the locked state, at which it is armed: 0 … 1.
    """

    spec: NeuronSpec
    t_over_tau: Floats
    weights: Floats
    vco1_turns: float

    @property
    def settling_s(self) -> float:
        """From the begin of the deck to the arming."""
        return LOCK_over_tau * self.spec.tau_s + self.vco1_turns / circuit_of(self.spec).f1_Hz

    @property
    def origin_s(self) -> float:
        """From the begin of the deck to the time origin of the inputs."""
        return self.settling_s + ORIGIN_periods / circuit_of(self.spec).f1_Hz


def clean_run(run: NeuronRun) -> Value:
    """Return the rising edges of VCO1 … VCO4 from the begin of the deck, s, and the time of Q, from the origin.

    Also the start of VCO4, and why the run failed, "" where it did not. Raise SimulatorMissing.
    """
    try:
        vectors = _simulate(run, "")
        edges = _edges(run, vectors)
        for name in _RINGS:
            steady(edges[name], 3, f"oscillator {name}")
    except (SimulatorTimeout, SimulatorBadOutput) as error:
        return {"failed": ngspice.reason_of(error)}
    started_s = float(edges["en3"][-1] + edges["o4"][0] - edges["o3"][0])
    return {
        "failed": "",
        "edges_s": [edges[name].tolist() for name in _RINGS],
        "started_s": started_s,
        "fired_over_tau": _fired(run, edges["q"]),
    }


def noisy_run(run: NeuronRun, clean: Value, rings: tuple[RingNoise, RingNoise], white: bool, seed: list[int]) -> Value:
    """Return the time of Q and VCO3's rising edges under noise that the seed draws, and why the run failed.

    rings: of VCO1 and VCO3. Flicker is that of the spec's interval since the trim; white: whether white noise is on.
    """
    spec, circuit = run.spec, circuit_of(run.spec)
    over_h = 0.0
    if spec.flicker is not None:
        over_h = variance_over_h(spec.flicker.trim_time_s, spec.flicker.since_trim_s, spec.observed_s)
    draw = Draw(white, over_h, run.settling_s, spec.tau_s)
    edges_s = [np.array(edges) for edges in clean["edges_s"]]
    stop_s = run.origin_s + spec.window_s
    four = (rings[0], rings[0], rings[1], rings[1])
    lines = noise_lines(four, circuit, edges_s, stop_s, draw, np.random.default_rng(seed))
    try:
        edges = _edges(run, _simulate(run, lines))
    except (SimulatorTimeout, SimulatorBadOutput) as error:
        return {"failed": ngspice.reason_of(error)}
    return {"failed": "", "fired_over_tau": _fired(run, edges["q"]), "vco3_s": edges["o3"].tolist()}


def arming_of(run: NeuronRun, clean: Value) -> Arming:
    """Return the arming of a run without noise as the fast levels take it: phases [1, 2], time to the origin [1]."""
    circuit, started_s = circuit_of(run.spec), clean["started_s"]
    o1, o3 = (np.array(clean["edges_s"][k]) for k in (0, 2))
    f3_Hz, begin3_s = steady(o3[:5], 3, "VCO3 after arming")
    turns1 = float(np.interp(started_s - circuit.detector_delay_s, o1, np.arange(len(o1))))
    turns3 = f3_Hz * (started_s - begin3_s)
    start_rad = np.mod(2 * pi * np.array([[turns1, turns3]]), 2 * pi)
    return Arming(start_rad, np.array([(run.origin_s - started_s) / run.spec.tau_s]))


def _simulate(run: NeuronRun, noise: str) -> dict[str, Floats]:
    spec, circuit, count = run.spec, circuit_of(run.spec), synapses_drawn(run.t_over_tau)
    locked = _locked(circuit, count)
    origin_s, codes = locked.time_s + run.origin_s, spec.weight_bank.codes(run.weights)
    inputs = [
        Input((origin_s + float(time) * spec.tau_s,) if time < inf else (), int(code))
        for time, code in zip(run.t_over_tau[:count], codes[:count], strict=True)
    ]
    deck = compose_neuron(
        circuit,
        inputs,
        stop_s=origin_s + spec.window_s,
        max_step_s=MAX_STEP_s,
        arm_s=locked.time_s + run.settling_s,
        saved=_SAVED,
        start=locked,
        stop_when_fired=True,
        extra=f"{idle(circuit, count)}\n{noise}",
    )
    vectors = transistor_run.simulate(deck, timeout_s=TIMEOUT_s).vectors
    return {**vectors, "time": vectors["time"] - locked.time_s}


@lru_cache(maxsize=8)
def _locked(circuit: Circuit, synapses: int) -> State:
    """Return the locked state of a neuron with so many synapses drawn one by one."""
    state = transistor_run.simulate(lock_deck(circuit, synapses), timeout_s=TIMEOUT_s).state
    if state is None:
        raise SimulatorBadOutput("ngspice saved no state")
    return state


def _edges(run: NeuronRun, vectors: dict[str, Floats]) -> dict[str, Floats]:
    level_V = circuit_of(run.spec).condition.supply_V / 2
    return {name: rising_edges(vectors["time"], vectors[f"v({name})"], level_V) for name in (*_RINGS, "en3", "q")}


def _fired(run: NeuronRun, q_s: Floats) -> float | None:
    """Return the first rise of Q behind the arming, units of tau from the origin; None where there is none."""
    behind_s = q_s[q_s > run.settling_s]
    return float(behind_s[0] - run.origin_s) / run.spec.tau_s if len(behind_s) else None
