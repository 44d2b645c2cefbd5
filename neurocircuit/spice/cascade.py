"""Two neurons in a row: the spike of the first, shaped, is an input of the second."""

from collections.abc import Sequence

from neurocircuit.errors import InputError
from neurocircuit.spec import Circuit
from neurocircuit.spice.process import Installed, load
from neurocircuit.spice.transistor_deck import (
    NODES,
    Input,
    MAX_STEP_s,
    TransistorDeck,
    code_lines,
    compose_neuron,
    neuron_lines,
    number,
    power_up_lines,
)

SECOND = "_2"  # ends the names of all that is the second neuron's
_HIGH = (
    *(f"xneuron.xff.{node}" for node in ("s", "mb", "sf", "qb")),
    *(f"xneuron.xlatch.{node}" for node in ("qb", "firedb")),
    *(f"xshaper.{node}" for node in ("firedb", "notyet", "yb")),
)
SAVED = (*tuple(f"v({node}{tag})" for tag in ("", SECOND) for node in NODES), "v(shaped)")


def compose_cascade(
    circuit: Circuit,
    inputs: Sequence[Input],
    code: int,
    *,
    stop_s: float,
    arm_s: float,
    max_step_s: float = MAX_STEP_s,
    extra: str = "",
    installed: Installed | None = None,
) -> TransistorDeck:
    """Return the neuron with its synapses, and a second one like it that hears the first through one synapse of `code`.

    Nodes of the second end in SECOND; `shaped` is the pulse between them. Both are armed at arm_s.
    extra: further SPICE lines.
    """
    if abs(code) > circuit.largest_code:
        raise InputError(f"code of the second neuron must be within ±{circuit.largest_code}, got {code}")
    installed = installed or load(circuit.process)
    lines = [
        *neuron_lines(circuit, installed.process, SECOND),
        *power_up_lines(circuit, installed.process.bias_lines_V, ("xlink",), SECOND),
        # From zero, `fired` would begin with a glitch, and the second neuron with a spike.
        f".ic {' '.join(f'v({node})={number(circuit.condition.supply_V)}' for node in _HIGH)}",
        f"Ishape vdd_logic ib_shape {number(circuit.bias.vco1_A)}",
        "xshaper fired shaped ib_shape vdd_logic spike_shaper",
        f"xlink shaped {code_lines(code, circuit.weight_bits, 'vdd_synapse')} ib1{SECOND} wbp{SECOND} wbn{SECOND}",
        "+ vdd_synapse synapse",
        extra,
    ]
    return compose_neuron(
        circuit,
        inputs,
        stop_s=stop_s,
        max_step_s=max_step_s,
        arm_s=arm_s,
        saved=SAVED,
        extra="\n".join(lines),
        installed=installed,
    )
