"""Runs transistor decks: vectors on the time axis of power-up, the saved state with its phases, the devices."""

from dataclasses import dataclass
from math import nan, pi

from neurocircuit.core.arrays import Floats
from neurocircuit.spice import ngspice
from neurocircuit.spice.phases import rising_edges
from neurocircuit.spice.transistor_deck import STATE, State, TransistorDeck


@dataclass(frozen=True)
class Outcome:
    """Vectors [point] with "time" in s from power-up; whether `stop_when_fired` ended the run; the state, if saved."""

    vectors: dict[str, Floats]
    stopped: bool
    state: State | None


def simulate(deck: TransistorDeck, *, timeout_s: float) -> Outcome:
    """Run a deck. Raise SimulatorMissing, SimulatorTimeout, SimulatorBadOutput as ngspice.run_control does."""
    ran = ngspice.run_control(
        deck.text,
        deck.vectors,
        deck.t_stop_s - deck.t_start_s,
        timeout_s=timeout_s,
        files=deck.files,
        links=deck.links,
        variables=deck.variables,
        outputs=(STATE,) if deck.saves_state else (),
        first_by_s=deck.max_step_s,
        may_stop=deck.may_stop,
    )
    vectors = {**ran.vectors, "time": ran.vectors["time"] + deck.t_start_s}
    return Outcome(vectors, ran.stopped, _state(deck, vectors, ran.texts[STATE]) if deck.saves_state else None)


def fire_times_s(outcome: Outcome, supply_V: float, after_s: float = 0.0) -> Floats:
    """Return the instants from after_s on at which Q rises through half the supply; [spike]."""
    edges = rising_edges(outcome.vectors["time"], outcome.vectors["v(q)"], supply_V / 2)
    return edges[edges >= after_s]


def _state(deck: TransistorDeck, vectors: dict[str, Floats], text: str) -> State:
    lines = [line for line in text.splitlines() if line.startswith(".ic ")]
    phases = tuple(_phase(vectors, name, deck.supply_V) for name in ("v(o1)", "v(o3)"))
    return State("\n".join(lines) + "\n", deck.t_stop_s, (phases[0], phases[1]), deck.inputs)


def _phase(vectors: dict[str, Floats], name: str, supply_V: float) -> float:
    """Return the phase of an oscillator at the last point, by its last whole period.

    Nan where it is not there or stands still.
    """
    if name not in vectors:
        return nan
    time_s = vectors["time"]
    edges = rising_edges(time_s, vectors[name], supply_V / 2)
    if len(edges) < 2:
        return nan
    period_s = edges[-1] - edges[-2]
    periods = (time_s[-1] - edges[-1]) / period_s
    return float(2 * pi * periods) if periods < 1.5 else nan
