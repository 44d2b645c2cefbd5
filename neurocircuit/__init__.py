"""Mixed-signal modelling and co-design of temporal-coded spiking neural networks.

A neuron (`NeuronSpec`, `simulate`, `sweep`), a network on it (`map`, `calibrate`, `evaluate`, `verify`), and studies
(`robustness`, `compare`, `pvt`, `codesign`). Names are imported when they are first used: `import neurocircuit as nc`
takes milliseconds, and torch is loaded by what computes with networks only.

>>> import neurocircuit as nc
>>> print(nc.simulate([0.16, 0.16], [0.8, 0.8], level="ideal"))
ideal     fires at 1.140829 tau = 22.8166 ns
"""

from typing import TYPE_CHECKING

from neurocircuit.core.lazy import lazy_names

__version__ = "0.1.0"

# Where each public name stands; type checkers read the imports below.
PUBLIC = {
    "Condition": "neurocircuit.spec:Condition",
    "MappedNetwork": "neurocircuit.spec:MappedNetwork",
    "NeuronSpec": "neurocircuit.spec:NeuronSpec",
    "NeurocircuitError": "neurocircuit.errors:NeurocircuitError",
    "NoiseTable": "neurocircuit.noise.table:NoiseTable",
    "Result": "neurocircuit.core.result:Result",
    "Testbench": "neurocircuit.spec:Testbench",
    "TransferTable": "neurocircuit.tables:TransferTable",
    "Variation": "neurocircuit.spec:Variation",
    "calibrate": "neurocircuit.network.calibrate:calibrate",
    "data": "neurocircuit.snn.data.sets",
    "map": "neurocircuit.snn.mapping:map_network",
    "simulate": "neurocircuit.studies.simulate:simulate",
    "snn": "neurocircuit.snn",
    "verify": "neurocircuit.network.verify:verify",
    "waveforms": "neurocircuit.neuron.levels:waveforms",
}

if TYPE_CHECKING:
    from neurocircuit import snn
    from neurocircuit.core.result import Result
    from neurocircuit.errors import NeurocircuitError
    from neurocircuit.network.calibrate import calibrate
    from neurocircuit.network.verify import verify
    from neurocircuit.neuron.levels import waveforms
    from neurocircuit.noise.table import NoiseTable
    from neurocircuit.snn.data import sets as data
    from neurocircuit.snn.mapping import map_network as map
    from neurocircuit.spec import Condition, MappedNetwork, NeuronSpec, Testbench, Variation
    from neurocircuit.studies.simulate import simulate
    from neurocircuit.tables import TransferTable
else:
    __getattr__, __dir__ = lazy_names(__name__, PUBLIC)

__all__ = [
    "Condition",
    "MappedNetwork",
    "NeurocircuitError",
    "NeuronSpec",
    "NoiseTable",
    "Result",
    "Testbench",
    "TransferTable",
    "Variation",
    "calibrate",
    "data",
    "map",
    "simulate",
    "snn",
    "verify",
    "waveforms",
]
