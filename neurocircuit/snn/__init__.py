"""Deep networks of neurons that spike once, in torch: `load` and `train` give a `Model`."""

from typing import TYPE_CHECKING

from neurocircuit.core.lazy import lazy_names

if TYPE_CHECKING:
    from neurocircuit.snn.model import Model, load
else:
    __getattr__, __dir__ = lazy_names(
        __name__,
        {
            "Model": "neurocircuit.snn.model:Model",
            "load": "neurocircuit.snn.model:load",
        },
    )

__all__ = ["Model", "load"]
