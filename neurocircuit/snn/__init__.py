"""Deep networks of neurons that spike once, in torch: `load` and `train` give a `Model`, `convert` windowed neurons."""

from typing import TYPE_CHECKING

from neurocircuit.core.lazy import lazy_names

if TYPE_CHECKING:
    from neurocircuit.snn import layers
    from neurocircuit.snn.conversion import convert
    from neurocircuit.snn.encode import Encoding
    from neurocircuit.snn.importer import import_weights
    from neurocircuit.snn.mapping import NetworkOnCircuit
    from neurocircuit.snn.model import Model, load
    from neurocircuit.snn.training.train import train
    from neurocircuit.snn.windowed import WindowedNetwork
else:
    __getattr__, __dir__ = lazy_names(
        __name__,
        {
            "Encoding": "neurocircuit.snn.encode:Encoding",
            "Model": "neurocircuit.snn.model:Model",
            "NetworkOnCircuit": "neurocircuit.snn.mapping:NetworkOnCircuit",
            "WindowedNetwork": "neurocircuit.snn.windowed:WindowedNetwork",
            "convert": "neurocircuit.snn.conversion:convert",
            "import_weights": "neurocircuit.snn.importer:import_weights",
            "layers": "neurocircuit.snn.layers",
            "load": "neurocircuit.snn.model:load",
            "train": "neurocircuit.snn.training.train:train",
        },
    )

__all__ = [
    "Encoding",
    "Model",
    "NetworkOnCircuit",
    "WindowedNetwork",
    "convert",
    "import_weights",
    "layers",
    "load",
    "train",
]
