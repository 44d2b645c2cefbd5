"""Small-signal noise of a circuit, element by element, thermal (white) and flicker (1/f) apart.

A noise analysis is linear: ngspice takes the density of each element's noise current at the operating point, and the
gain from there to the node `out`.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from neurocircuit.core.arrays import Floats
from neurocircuit.errors import SimulatorBadOutput
from neurocircuit.spec import Condition
from neurocircuit.spice import ngspice
from neurocircuit.spice.control_deck import number
from neurocircuit.spice.process import CELLS, MODELS, Installed, prelude

FREQUENCIES_Hz = (1.0, 1e6)  # first and last; one point a decade
_TOTAL, _FLICKER = "onoise_spectrum", "1overf"
_KIND = re.compile(r"[._][^._]*$")


@dataclass(frozen=True)
class Spectrum:
    """One-sided densities at the output, V²/Hz, by frequency [point]: what an element adds, white and flicker."""

    frequency_Hz: Floats
    white: Floats
    flicker: Floats


def noise_by_element(
    installed: Installed, condition: Condition, body: str, *, timeout_s: float
) -> Mapping[str, Spectrum]:
    """Return what each element of `body` adds to the noise at its node `out`, by the element's path; "" is the total.

    body: SPICE around the cells of the process, with its own supplies. A resistor of `noisy=0` adds nothing. The total
    is white here, since ngspice does not split it.

    Raise SimulatorError, also where the elements do not sum to the total.
    """
    text = "\n".join(
        [
            f"* noise, process {installed.process.name}, corner {condition.corner}",
            prelude(installed, condition) + f".include {CELLS}",
            "Vnoise noise_input 0 dc 0.0 ac 1.0",
            body,
            ".control",
            "set num_threads=1",
            "set sqrnoise",
            f"noise v(out) Vnoise dec 1 {number(FREQUENCIES_Hz[0])} {number(FREQUENCIES_Hz[1])} 1",
            "setplot noise1",
            "write out.raw all",
            "quit 0",
            ".endc",
            ".end",
        ]
    )
    vectors = ngspice.run_noise(
        text + "\n",
        timeout_s=timeout_s,
        files=installed.files,
        links={MODELS: installed.folder},
        variables=installed.variables,
    )
    return _by_element(vectors)


def _by_element(vectors: Mapping[str, Floats]) -> dict[str, Spectrum]:
    """Return the spectra from ngspice's vectors: `onoise.PATH` is an element's sum, `onoise.PATH.KIND` a part of it.

    Some devices have `_` in place of the dots around PATH.
    """
    frequency_Hz, total = vectors["frequency"], vectors[_TOTAL]
    parts = {
        name.removeprefix("onoise")[1:]: density
        for name, density in vectors.items()
        if name.startswith(("onoise.", "onoise_")) and name != _TOTAL
    }
    nothing = np.zeros_like(total)
    kinds: dict[str, dict[str, Floats]] = {}
    for path, density in parts.items():
        above = _KIND.sub("", path)
        if above != path and above in parts:
            kinds.setdefault(above, {})[path[len(above) + 1 :]] = density
        else:
            kinds.setdefault(path, {})
    spectra = {"": Spectrum(frequency_Hz, total, nothing)}
    for path, by_kind in kinds.items():
        flicker = by_kind.pop(_FLICKER, nothing)
        white = sum(by_kind.values(), nothing) if by_kind else parts[path] - flicker
        spectra[path] = Spectrum(frequency_Hz, white, flicker)
    if not np.all(total > 0):
        raise SimulatorBadOutput("there is no noise at the node out")
    summed = sum((item.white + item.flicker for path, item in spectra.items() if path), nothing)
    if not np.allclose(summed, total, rtol=1e-6, atol=0.0):
        raise SimulatorBadOutput("the noise of ngspice's elements does not sum to its total")
    return spectra
