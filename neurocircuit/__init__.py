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
    "NeurocircuitError": "neurocircuit.errors:NeurocircuitError",
    "NeuronSpec": "neurocircuit.spec:NeuronSpec",
    "NoiseTable": "neurocircuit.noise.table:NoiseTable",
    "Result": "neurocircuit.core.result:Result",
    "Testbench": "neurocircuit.spec:Testbench",
    "TransferTable": "neurocircuit.tables:TransferTable",
    "Variation": "neurocircuit.spec:Variation",
    "calibrate": "neurocircuit.network.calibrate:calibrate",
    "characterize": "neurocircuit.studies.characterisation:characterize",
    "circuit_curves": "neurocircuit.studies.circuit_curves.study:circuit_curves",
    "codesign": "neurocircuit.studies.codesign.api:codesign",
    "compare": "neurocircuit.studies.compare_circuits:compare_circuits",
    "compare_networks": "neurocircuit.studies.compare_networks:compare_networks",
    "data": "neurocircuit.snn.data.sets",
    "evaluate": "neurocircuit.studies.evaluation:evaluate",
    "load": "neurocircuit.kinds:load",
    "map": "neurocircuit.snn.mapping:map_network",
    "new_project": "neurocircuit.studies.loop.project:new_project",
    "pvt": "neurocircuit.studies.pvt.study:pvt",
    "register_cause": "neurocircuit.noise.causes:register_cause",
    "report": "neurocircuit.rendering:write_report",
    "robustness": "neurocircuit.studies.robustness:robustness",
    "run": "neurocircuit.studies.loop.api:run",
    "simulate": "neurocircuit.studies.simulate:simulate",
    "snn": "neurocircuit.snn",
    "sweep": "neurocircuit.studies.sweep.api:sweep",
    "unregister_cause": "neurocircuit.noise.causes:unregister_cause",
    "verify": "neurocircuit.network.verify:verify",
    "waveforms": "neurocircuit.neuron.levels:waveforms",
}

if TYPE_CHECKING:
    from neurocircuit import snn
    from neurocircuit.core.result import Result
    from neurocircuit.errors import NeurocircuitError
    from neurocircuit.kinds import load
    from neurocircuit.network.calibrate import calibrate
    from neurocircuit.network.verify import verify
    from neurocircuit.neuron.levels import waveforms
    from neurocircuit.noise.causes import register_cause, unregister_cause
    from neurocircuit.noise.table import NoiseTable
    from neurocircuit.rendering import write_report as report
    from neurocircuit.snn.data import sets as data
    from neurocircuit.snn.mapping import map_network as map
    from neurocircuit.spec import Condition, MappedNetwork, NeuronSpec, Testbench, Variation
    from neurocircuit.studies.characterisation import characterize
    from neurocircuit.studies.circuit_curves.study import circuit_curves
    from neurocircuit.studies.codesign.api import codesign
    from neurocircuit.studies.compare_circuits import compare_circuits as compare
    from neurocircuit.studies.compare_networks import compare_networks
    from neurocircuit.studies.evaluation import evaluate
    from neurocircuit.studies.loop.api import run
    from neurocircuit.studies.loop.project import new_project
    from neurocircuit.studies.pvt.study import pvt
    from neurocircuit.studies.robustness import robustness
    from neurocircuit.studies.simulate import simulate
    from neurocircuit.studies.sweep.api import sweep
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
    "characterize",
    "circuit_curves",
    "codesign",
    "compare",
    "compare_networks",
    "data",
    "evaluate",
    "load",
    "map",
    "new_project",
    "pvt",
    "register_cause",
    "report",
    "robustness",
    "run",
    "simulate",
    "snn",
    "sweep",
    "unregister_cause",
    "verify",
    "waveforms",
]
