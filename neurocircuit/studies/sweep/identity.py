"""What else determines a number of a sweep: the machine, the code, and the engine of each level."""

from dataclasses import dataclass

from neurocircuit.core.provenance import machine_identity
from neurocircuit.errors import SimulatorBadOutput, SimulatorMissing, SimulatorTimeout
from neurocircuit.neuron import levels as neuron_levels
from neurocircuit.spice.ngspice import find_ngspice


@dataclass(frozen=True)
class Environment:
    """Identity of the machine and the code; two machines that agree in it give the same bytes."""

    identity: dict[str, str]
    engines: dict[str, str]  # by level

    @classmethod
    def here(cls, levels: tuple[str, ...]) -> "Environment":
        """Of this process. Raise SimulatorMissing when a level's simulator is not installed or does not work."""
        try:
            return cls(machine_identity(), {level: neuron_levels.engine(level) for level in levels})
        except (SimulatorBadOutput, SimulatorTimeout) as error:
            raise SimulatorMissing(f"{error} ({find_ngspice()}); mend it, or do without: --cross-check none") from None
