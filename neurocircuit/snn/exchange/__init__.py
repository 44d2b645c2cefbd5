"""Networks from and for other frameworks, as graphs of NIR (Pedersen et al., Nature Communications 15, 8122, 2024).

An n-LIF neuron of eq. (3) is `LI` followed by `IF`: with r = 1 the leaky integrator is its synapse, whose current
decays with tau, and the IF integrates that without a leak up to its threshold. It spikes once: its v_reset is so low
that later inputs cannot bring it up again.
"""

from neurocircuit.core import extras

try:
    import nir as _nir  # noqa: F401
except ImportError as error:
    raise extras.missing(error) or error from None

from neurocircuit.snn.exchange.nir_export import to_nir, write_nir
from neurocircuit.snn.exchange.nir_import import circuit_from_nir, from_nir

__all__ = ["circuit_from_nir", "from_nir", "to_nir", "write_nir"]
