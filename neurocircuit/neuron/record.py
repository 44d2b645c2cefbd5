"""What every level returns: fire records and waveforms."""

from dataclasses import dataclass, field

import numpy as np

from neurocircuit.core.arrays import Bools, Floats
from neurocircuit.spec import NeuronSpec


@dataclass(frozen=True)
class FireRecord:
    """Outcome of a batch of neuron evaluations; every array is [trial].

    fire_time_over_tau: from arming, units of tau; inf: silent (not fired within the window); nan: failed.
    headroom: largest |phase error| until the decision over pi/2, the linear range of the XOR; nan where unknown.
    false_fire: the phases met modulo 2 pi without the membrane reaching its threshold.
    failures: reason by trial, for the failed ones only.
    engine: what computed it, with its version; part of the identity of a result.
    start_rad: phases of VCO1 and VCO3 that were really there at the time origin, [trial, 2]; None: as asked.
    forced: whether the spike is that of a readout window's end; None: there is no such window.
    """

    fire_time_over_tau: Floats
    headroom: Floats
    false_fire: Bools
    failures: dict[int, str] = field(default_factory=dict)
    engine: str = ""
    start_rad: Floats | None = None
    forced: Bools | None = None

    @property
    def by_itself_over_tau(self) -> Floats:
        """Fire times without forced spikes: inf there; [trial]."""
        return (
            self.fire_time_over_tau if self.forced is None else np.where(self.forced, np.inf, self.fire_time_over_tau)
        )

    @property
    def fired(self) -> Bools:
        """True where a spike came within the window; [trial]."""
        return np.isfinite(self.fire_time_over_tau)


@dataclass(frozen=True)
class Arming:
    """The arming that a level really makes: phases of VCO1 and VCO3 at it [trial, 2], rad, and the time to the origin.

    wait_over_tau: from arming to the time origin, [trial], units of tau. Another level meets the same phases when it
    arms at start_rad and gets its inputs later by wait_over_tau.
    """

    start_rad: Floats
    wait_over_tau: Floats


def armed_as_asked(spec: NeuronSpec, start_rad: Floats, inputs: int) -> Arming:
    """Return the arming of a level that solves the model's equations: at the time origin, at the phases wanted."""
    return Arming(start_rad, np.zeros(len(start_rad)))


def no_identity(spec: NeuronSpec, inputs: int) -> str:
    """Return "": nothing beside level, engine and spec determines the numbers."""
    return ""


@dataclass(frozen=True)
class Waveforms:
    """One neuron over time; every array is [sample], times from arming in units of tau.

    vco_rad: excess phases of VCO1 … VCO4 over 2 pi f t at their nominal frequency, [4, sample].
    up: XOR output, 0 or 1 (its running mean at the averaged levels); loop_filter: its RC-filtered copy, 0 … 1.
    membrane: 1 + (phase of VCO4 less that of VCO3) over the threshold, so that firing is at 1; it starts at 0
    with a fixed lead, and at 1 with a ramping threshold.
    q: output of the flip-flop, 0 or 1.
    """

    time_over_tau: Floats
    vco_rad: Floats
    up: Floats
    loop_filter: Floats
    membrane: Floats
    q: Floats
