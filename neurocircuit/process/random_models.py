"""Models that draw random numbers: with them every run has other devices, so they are refused.

The check expands a deck of one device of each kind under two seeds: what differs is drawn.
"""

from neurocircuit.errors import InputError
from neurocircuit.process.card_errors import card_faults
from neurocircuit.spec import Condition
from neurocircuit.spice.devices import listing
from neurocircuit.spice.process import Installed
from neurocircuit.spice.transistor_deck import compose_bench

_TIMEOUT_s = 120.0
_SEED_OPTION = ".options seed="
_WRAPPERS = ("nmos", "pmos", "synapse_nmos", "synapse_pmos")


def refuse_random_models(installed: Installed, condition: Condition) -> None:
    """Raise InputError where the devices of a process differ from seed to seed at a condition.

    Nothing is run where no model file draws a number. Raise InputError too where the card is wrong,
    SimulatorError as `listing`.
    """
    location = installed.library.random_call()
    if location is None or _expanded(installed, condition, 1) == _expanded(installed, condition, 2):
        return
    raise InputError(
        f"process {installed.process.name}, corner {condition.corner}: the models draw random numbers ({location}), so "
        "every run has other devices; switch that off by the library's parameters, in [parameters] of the process file"
    )


def _expanded(installed: Installed, condition: Condition, seed: int) -> list[str]:
    lines = [f"x{k} d g 0 0 {wrapper} w={{w_logic_n}} l={{l_min}}" for k, wrapper in enumerate(_WRAPPERS)]
    body = "\n".join(["Vd d 0 0.0", "Vg g 0 0.0", f"{_SEED_OPTION}{seed}", *lines])
    deck = compose_bench(installed, condition, body, ("v(d)",), stop_s=1e-12)
    with card_faults(installed, condition):
        expanded = listing(deck, timeout_s=_TIMEOUT_s)
    return [line for line in expanded.splitlines() if _SEED_OPTION not in line]
