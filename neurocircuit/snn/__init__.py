"""Deep networks of neurons that spike once, in torch: `load` and `train` give a `Model`, `convert` windowed neurons."""

from typing import TYPE_CHECKING

from neurocircuit.core.lazy import lazy_names

if TYPE_CHECKING:
    from neurocircuit.snn import layers
    from neurocircuit.snn.conversion import convert
    from neurocircuit.snn.encode import Encoding
    from neurocircuit.snn.exchange import circuit_from_nir, from_nir, to_nir, write_nir
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
            "circuit_from_nir": "neurocircuit.snn.exchange:circuit_from_nir",
            "convert": "neurocircuit.snn.conversion:convert",
            "from_nir": "neurocircuit.snn.exchange:from_nir",
            "import_weights": "neurocircuit.snn.importer:import_weights",
            "layers": "neurocircuit.snn.layers",
            "load": "neurocircuit.snn.model:load",
            "to_nir": "neurocircuit.snn.exchange:to_nir",
            "train": "neurocircuit.snn.training.train:train",
            "write_nir": "neurocircuit.snn.exchange:write_nir",
        },
    )

__all__ = [
    "Encoding",
    "Model",
    "NetworkOnCircuit",
    "WindowedNetwork",
    "circuit_from_nir",
    "convert",
    "from_nir",
    "import_weights",
    "layers",
    "load",
    "to_nir",
    "train",
    "write_nir",
]
