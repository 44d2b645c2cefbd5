"""A bench for each cell that a process file may replace, run on the user's cell and on the built-in one."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np

from neurocircuit.errors import InputError, SimulatorBadOutput
from neurocircuit.process.bench import Bench
from neurocircuit.process.measurements import detector, flipflop
from neurocircuit.process.ring import check_ring
from neurocircuit.results.measurement import Quantity
from neurocircuit.spec import Condition
from neurocircuit.spice.own_cells import BUILT_IN
from neurocircuit.spice.process import Installed

_NEAR = 0.05  # of the nominal current: between I (1 ± this) the tuning gain is taken
_EARLY_s = np.linspace(160e-12, -160e-12, 21)  # data before the clock


def compare(installed: Installed, condition: Condition) -> dict[str, tuple[tuple[Quantity, Quantity], ...]]:
    """Return what each replaced cell's bench says, by the field of `cells`: pairs of user's and built-in.

    Each cell stands alone: among built-in ones. Raise InputError where the process replaces none, SimulatorError as the
    benches do; it names the cell.
    """
    built_in = replace(installed, own_cells={})
    compared = {}
    for name, bench in _BENCHES.items():
        text = installed.own_cells.get(BUILT_IN[name])
        if text is None:
            continue
        replaced = replace(installed, own_cells={BUILT_IN[name]: text})
        try:
            compared[name] = tuple(zip(bench(replaced, condition), bench(built_in, condition), strict=True))
        except SimulatorBadOutput as error:
            raise SimulatorBadOutput(f"cells.{name}: {error}") from None
    if not compared:
        raise InputError(f"process {installed.process.name} replaces no cell; [cells] of its file names them")
    return compared


def _ring(installed: Installed, condition: Condition) -> tuple[Quantity, ...]:
    ring = check_ring(installed, condition)
    near = replace(installed, process=installed.process.replace(f1_Hz=ring.f_Hz))
    current_A = installed.process.nominal.vco1_A
    rings = Bench(near, condition).rings([current_A * (1 - _NEAR), current_A * (1 + _NEAR)])
    gain = float(np.diff(rings.frequency_Hz)[0]) / (2 * _NEAR * current_A)
    return (
        Quantity("frequency", "Frequency at the nominal current", ring.f_Hz, "Hz"),
        Quantity("gain", "Tuning gain there", gain, "Hz/A"),
        Quantity("power", "Power", ring.power_W, "W"),
        Quantity("bias", "Voltage of the current node", ring.bias_V, "V"),
    )


def _xor(installed: Installed, condition: Condition) -> tuple[Quantity, ...]:
    nominal = installed.process.nominal
    phase, duty = detector.transfer(
        Bench(installed, condition), installed.process.f1_Hz, nominal.vco1_A, nominal.vco3_A
    )
    near = detector.near(phase)
    gain, offset = np.polyfit(phase[near] - np.pi / 2, duty[near], 1)
    return (
        Quantity("gain", "Detector gain over the ideal 1/π per rad", float(gain * np.pi), ""),
        Quantity("offset", "Mean of UP at π/2, over the supply, less 1/2", float(offset - 0.5), ""),
    )


def _flip_flop(installed: Installed, condition: Condition) -> tuple[Quantity, ...]:
    bench = Bench(installed, condition)
    bias_V = float(bench.rings([installed.process.nominal.vco3_A]).bias_V[0])
    early_s, delay_s = flipflop.delays(bench, bias_V, _EARLY_s)
    is_latched = np.isfinite(delay_s)
    if not is_latched[0] or is_latched[-1]:
        raise SimulatorBadOutput("the flip-flop must see data 160 ps before the clock, and none 160 ps after it")
    return (
        Quantity("clock_to_q", "Clock to Q with early data", float(delay_s[0]), "s"),
        Quantity("edge", "Latest data that is seen, before the clock, to 16 ps", float(early_s[is_latched].min()), "s"),
    )


_BENCHES: dict[str, Callable[[Installed, Condition], tuple[Quantity, ...]]] = {
    "ring": _ring,
    "xor": _xor,
    "flip_flop": _flip_flop,
}
