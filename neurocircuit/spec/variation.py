"""Variation: how far chips, neurons and synapses of one design differ, as standard deviations."""

from typing import Annotated

import numpy as np
from pydantic import Field

from neurocircuit.core.arrays import Floats
from neurocircuit.spec.fields import Ratio, Spec

Sigma = Annotated[Ratio, Field(ge=0, le=0.2)]


class DieVariation(Spec):
    """Shared by all neurons of a chip: relative errors of τ, gain of VCO4, threshold and all weights."""

    tau: Sigma = 0.0
    gain: Sigma = 0.0
    threshold: Sigma = 0.0
    weight: Sigma = 0.0


class NeuronVariation(Spec):
    """Each neuron's own: relative errors of τ, gain and threshold, and of VCO1 … VCO4 after trim."""

    tau: Sigma = 0.0
    gain: Sigma = 0.0
    threshold: Sigma = 0.0
    frequency: tuple[Sigma, Sigma, Sigma, Sigma] = (0.0, 0.0, 0.0, 0.0)


class SynapseVariation(Spec):
    """Each physical weight's own relative error: of the whole synapse, and of each unit current that makes its code."""

    weight: Sigma = 0.0
    unit: Annotated[
        Ratio,
        Field(
            ge=0,
            le=1,
            description="of one unit current: a synapse of n of them spreads by 1/sqrt(n) of it "
            "(`characterize --only mismatch`)",
        ),
    ] = 0.0

    def spread(self, units: Floats) -> Floats:
        """Return the relative spread of synapses of so many unit currents, same shape; 0 for none.

        >>> SynapseVariation(unit=0.2).spread(np.array([0.0, 1.0, 4.0]))
        array([0. , 0.2, 0.1])
        """
        made = units > 0
        return np.where(made, np.sqrt(self.weight**2 + self.unit**2 / np.where(made, units, 1.0)), 0.0)


class Variation(Spec):
    """What differs from chip to chip; noise of each event is in the neuron spec (phase_noise, start_phases, readout).

    Assumed, not characterised: the embedded numbers stand for a trimmed neuron of matched devices.
    """

    die: DieVariation = DieVariation()
    neuron: NeuronVariation = NeuronVariation()
    synapse: SynapseVariation = SynapseVariation()

    def only(self, *components: str) -> "Variation":
        """Return the same with every component but the named ones switched off."""
        kept = {name: getattr(self, name) for name in components if name in type(self).model_fields}
        return Variation(**kept)

    @property
    def is_zero(self) -> bool:
        """Whether all chips are alike."""
        return self == Variation()


EMBEDDED = Variation(
    die=DieVariation(tau=0.01, gain=0.01, threshold=0.01, weight=0.01),
    neuron=NeuronVariation(tau=0.005, gain=0.005, threshold=0.005, frequency=(2e-5, 2e-5, 2e-5, 2e-5)),
    synapse=SynapseVariation(weight=0.01),
)
