"""A process file from a model card: what the card tells, and a first sizing from a quick sweep of the ring.

generic65 is the pattern: sizes are scaled with the shortest channel; resistors, capacitor and currents follow from what
the ring shows, so that the loop, the jump of a weight and the membrane keep generic65's proportions.
"""

import math
import shutil
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import numpy as np
from scipy.interpolate import PchipInterpolator

from neurocircuit.core.arrays import Floats
from neurocircuit.core.files import make_directory, write_atomically
from neurocircuit.core.pool import Progress, silent
from neurocircuit.core.result import Number, Result, Values
from neurocircuit.errors import InputError, SimulatorBadOutput
from neurocircuit.process.bench import Bench
from neurocircuit.process.card import Card, Transistor, read_card, usual_channel_m, usual_supply_V
from neurocircuit.process.random_models import refuse_random_models
from neurocircuit.process.ring import check_ring
from neurocircuit.spec import Process
from neurocircuit.spec.commented import commented_toml
from neurocircuit.spice import process as processes
from neurocircuit.units import format_quantity

PROCESS, MODELS = "process.toml", "models"
SWEPT = (0.35, 0.5, 0.7, 1.0, 1.4, 2.0, 2.8)  # of the current that is looked at first
LEAST_GAIN_RATIO = 0.55  # of VCO3 over VCO1; trim asks for 0.4, generic65 has 0.59
# Proportions of generic65 (netlists/processes/generic65, its datasheet at tt, 27 °C, 1 V).
_PATTERN = "generic65"
_CYCLES_PER_TAU = 15.0  # f1 tau
_R_LOOP = 0.886  # (R1 + R2)/(2 V k1 tau)
_R1_SHARE = 0.189  # of R1 + R2
_FILTER_SHARE = 0.15  # R1 C over tau
_SWING = 1.38  # of VCO4 between UP = 0 and 1, times tau
_WEIGHT_A_Hz_PER_A = 44.9e6  # reference current of the weights times k1
_SHAPE_F_PER_V = 8e-15


class SweptRing(Values):
    """The ring at one bias current; nan: it does not run there."""

    current_A: float
    f_Hz: Number


class NewProcess(Result):
    """A process file as it was written: what the card told, what the ring showed, what was chosen and what is next."""

    kind: ClassVar[str] = "new_process"

    name: str
    file: str
    nmos: str
    pmos: str
    device: str
    corners: tuple[str, ...]
    supply_V: float
    supply_from: str
    shortest_channel_m: float
    channel_from: str
    ring: tuple[SweptRing, ...]
    f1_Hz: float
    gain_ratio: Number
    fault: str = ""
    duration_s: float

    @property
    def exit_code(self) -> int:
        """3 where the ring did not run: sizes and currents are guesses then."""
        return 3 if self.fault else 0

    def summary(self) -> str:
        """Return what was told and chosen, and what to type next."""
        folder = Path(self.file).parent
        lines = [
            f"{self.file}: {self.device}s {self.nmos} and {self.pmos}; corners {', '.join(self.corners)}",
            f"supply {format_quantity(self.supply_V, 'V')} ({self.supply_from}), shortest channel "
            f"{format_quantity(float(f'{self.shortest_channel_m:.3g}'), 'm')} ({self.channel_from})",
        ]
        if self.fault:
            lines.append(f"the ring was not sized: {self.fault}")
            lines.append("the file stands, with guesses; change what does not fit in it, then type:")
        else:
            shown = ", ".join(f"{one.f_Hz / 1e6:.0f} MHz at {1e6 * one.current_A:.3g} µA" for one in self.ring)
            lines.append(f"ring: {shown}")
            lines.append(
                f"chosen: f1 {format_quantity(self.f1_Hz, 'Hz')}, where VCO3 at 1.25 f1 keeps {self.gain_ratio:.2f} of "
                f"VCO1's tuning gain; all else in generic65's proportions; {self.duration_s:.0f} s. Next:"
            )
        return "\n".join(
            [
                *lines,
                f"  neurocircuit process check {folder}                        # seconds: does the ring run at f1?",
                f"  neurocircuit characterize --process {folder} --only trim   # a minute: does the neuron trim?",
                f"  neurocircuit characterize --process {folder}               # datasheet and spec.toml",
                f"  neurocircuit sweep --process {folder} --level edge         # input jitter to output jitter",
            ]
        )


def new_process(
    name: str,
    card: Path | str,
    *,
    out: Path | str | None = None,
    supply_V: float | None = None,
    shortest_channel_m: float | None = None,
    nmos: str | None = None,
    pmos: str | None = None,
    reference: bool = False,
    progress: Progress = silent,
) -> NewProcess:
    """Write a process file for a model card, every field explained, with a first sizing; return what was chosen.

    Args:
        name: of the process.
        card: file of SPICE models, or a library with sections.
        out: folder to make; default: one of the process's name. It holds process.toml and a copy of the models.
        supply_V: nominal supply; default: what is usual with the models' gate oxide.
        shortest_channel_m: length of switching devices; default: by the models' bins, or the gate oxide.
        nmos: model or subcircuit; default: the one of the shortest name.
        pmos: the same.
        reference: name the models where they are instead of copying them.
        progress: hears what is being measured.

    Raise InputError for a card without transistors, a folder that is there, and where supply or channel cannot be told;
    SimulatorMissing without ngspice.
    """
    began_s = time.perf_counter()
    folder = Path(name if out is None else out)
    if name in processes.names():
        raise InputError(f"name must be none of a process that ships, got {name}")
    if folder.exists():
        raise InputError(f"--out must be a new folder, got {folder}, which is there")
    read = read_card(Path(card))
    draft = _Draft.of(name, read, read.pair(nmos, pmos), supply_V, shortest_channel_m, reference)
    with tempfile.TemporaryDirectory(prefix="neurocircuit-") as scratch:
        trial = draft.write(Path(scratch) / "process", draft.scaled(), {})
        swept: tuple[SweptRing, ...] = ()
        sized, fault = draft.scaled(), ""
        try:
            swept, sized = _sized(trial, progress)
        except (SimulatorBadOutput, InputError) as error:
            fault = str(error).replace(str(trial.parent), str(folder))  # where the files stand from now on
    remarks = draft.remarks | (_REMARKS_OF_SIZING if not fault else {})
    file = draft.write(folder, sized, remarks)
    rising = [one for one in swept if math.isfinite(one.f_Hz)]
    return NewProcess(
        name=name,
        file=str(file),
        nmos=draft.pair[0].name,
        pmos=draft.pair[1].name,
        device=draft.pair[0].kind,
        corners=tuple(sized.corners),
        supply_V=sized.supply_V,
        supply_from=draft.supply_from,
        shortest_channel_m=sized.sizes.l_min,
        channel_from=draft.channel_from,
        ring=swept,
        f1_Hz=sized.f1_Hz,
        gain_ratio=_Tuning.of(rising).gain_ratio(sized.nominal.vco1_A) if rising and not fault else math.nan,
        fault=fault,
        duration_s=time.perf_counter() - began_s,
    )


@dataclass(frozen=True)
class _Draft:
    """What stands in the file before anything has been measured, and where that comes from."""

    name: str
    card: Card
    pair: tuple[Transistor, Transistor]
    supply_V: float
    supply_from: str
    channel_m: float
    channel_from: str
    reference: bool

    @classmethod
    def of(
        cls,
        name: str,
        card: Card,
        pair: tuple[Transistor, Transistor],
        supply_V: float | None,
        channel_m: float | None,
        reference: bool,
    ) -> "_Draft":
        oxide_nm = card.oxide_nm(pair[0])
        by_oxide = f"usual with {pair[0].name}'s gate oxide of {oxide_nm:.3g} nm" if oxide_nm else ""
        if oxide_nm is None and supply_V is None:
            raise InputError(f"{card.path} does not say its gate oxide as a number: give the supply by --supply")
        shortest_m = card.shortest_channel_m(pair[0])
        if channel_m is None and shortest_m is None and oxide_nm is None:
            raise InputError(f"{card.path} does not say its shortest channel: give it by --length")
        loss_m = max(card.channel_loss_m(one) for one in pair)
        usual_m = usual_channel_m(oxide_nm or 1.0, loss_m)
        effective = f", of which xl and lint leave {1e9 * (usual_m - loss_m):.3g} nm" if loss_m else ""
        by_card = (shortest_m, "lmin of its bins") if shortest_m else (usual_m, f"{by_oxide}{effective}")
        return cls(
            name,
            card,
            pair,
            usual_supply_V(oxide_nm or 1.0) if supply_V is None else supply_V,
            by_oxide if supply_V is None else "given",
            by_card[0] if channel_m is None else channel_m,
            by_card[1] if channel_m is None else "given",
            reference,
        )

    @property
    def remarks(self) -> dict[str, str]:
        """What the file says of its guesses, by field."""
        others = [one.name for one in self.card.transistors if one.name not in {chosen.name for chosen in self.pair}]
        more = f"the card also has {', '.join(dict.fromkeys(others))}"[:300] if others else ""
        sections = f"the card also has the sections {', '.join(self.card.other_sections)}"[:300]
        return {
            "supply": self.supply_from,
            "sizes.l_min": self.channel_from,
            "devices.nmos": more,
            "corners": sections if self.card.other_sections else "",
            "sizes": f"generic65's, scaled by l_min over its 60 nm: a place to start, not a design of {self.name}",
            "sizes.c_wire": "assumed: it weighs as much as the devices do; put in what a layout has",
            "mismatch": "assumed, generic65's: put in your foundry's",
            "passives": "assumed, generic65's: put in your foundry's",
            "f1": "a guess until the ring has been swept",
        }

    def scaled(self) -> Process:
        """Return generic65 with this card's devices, scaled by the shortest channel and the supply."""
        pattern = processes.describe(_PATTERN)
        factor = self.channel_m / pattern.sizes.l_min
        unscaled = {"ring_fingers", "c_line", "c_shape", "c_shared"}
        sizes = {
            field: value if field in unscaled else _round(value * factor, 3)
            for field, value in pattern.sizes.model_dump().items()
        }
        corners = self.card.corners or ("tt",)
        file = str(self.card.path.absolute()) if self.reference else f"{MODELS}/{self.card.path.name}"
        models = {
            _corner_name(corner): ({"file": file, "section": corner} if self.card.corners else {"file": file},)
            for corner in corners
        }
        first, second = self.pair
        return pattern.replace(
            name=self.name,
            summary=f"{self.name}: a first sizing by neurocircuit process new",
            source=f"{self.card.path.name}, given by the user",
            licence="not stated: that of the card",
            supply_V=self.supply_V,
            f1_Hz=_round(pattern.f1_Hz / factor, 2),
            devices={"kind": first.kind, "nmos": first.name, "pmos": second.name},
            corners=models,
            sizes=sizes | {"c_shape": _round(_SHAPE_F_PER_V * self.supply_V, 2)},
            bias_lines_V=tuple(_round(volts * self.supply_V, 3) for volts in pattern.bias_lines_V),
            mismatch=pattern.mismatch.replace(source="assumed: generic65's numbers; sigma = A/sqrt(W L), Pelgrom 1989"),
        )

    def write(self, folder: Path, process: Process, remarks: Mapping[str, str]) -> Path:
        """Write process.toml and the models into a new folder and return the file; the file comes last."""
        make_directory(folder)
        if not self.reference:
            root = self.card.path.absolute().parent
            for source in self.card.library.files:
                copy = folder / MODELS / source.relative_to(root) if source.is_relative_to(root) else None
                if copy is not None:
                    make_directory(copy.parent)
                    shutil.copyfile(source, copy)
        file = folder / PROCESS
        write_atomically(file, _HEAD.format(name=self.name, folder=folder) + commented_toml(process, remarks))
        return file


_HEAD = """\
# The process {name} for the level transistor: each field below what it is, with unit and bounds. Quantities are
# text with a unit. After each change: neurocircuit process check {folder}
# How sizes and values act on the neuron: netlists/README.md of neurocircuit.
"""
_REMARKS_OF_SIZING = {
    "f1": "the highest, to two digits, at which VCO3 keeps its tuning gain in the sweep of the ring",
    "components": "by the ring's tuning gain, in generic65's proportions: 15 cycles of f1 a tau",
    "nominal": "by the sweep of the ring; trim finds them exactly",
    "nominal.weight": "so that a weight at full scale moves VCO1 by about 0.9 rad, as generic65's",
    "enable": "raise it to 1.5 ns where trim says that VCO2 does not lock",
}


def _corner_name(section: str) -> str:
    """Return a name that a condition may have: lower case."""
    return section.lower()[:16]


def _sized(trial: Path, progress: Progress) -> tuple[tuple[SweptRing, ...], Process]:
    """Return the ring's sweep, and the process with f1, components and currents by it.

    Raise SimulatorBadOutput where the ring does not run or its frequency does not rise with its current.
    """
    progress(0, 3, "running one ring")
    installed = processes.load(str(trial))
    condition = installed.condition()
    refuse_random_models(installed, condition)
    process = installed.process
    alone = check_ring(installed, condition)
    progress(1, 3, f"one ring runs at {alone.f_Hz / 1e6:.0f} MHz; sweeping its current")
    at_its_own = processes.Installed(
        process.replace(f1_Hz=alone.f_Hz), installed.folder, installed.toml_sha256, installed.library
    )
    bench = Bench(at_its_own, condition)
    currents_A = tuple(_round(process.nominal.vco1_A * factor, 3) for factor in SWEPT)
    rings = bench.rings(currents_A)
    swept = tuple(
        SweptRing(current_A=current, f_Hz=float(f)) for current, f in zip(currents_A, rings.frequency_Hz, strict=True)
    )
    tuning = _Tuning.of([one for one in swept if math.isfinite(one.f_Hz)])
    vco1_A, f1_Hz = tuning.highest()
    vco3_A = tuning.current_A(process.threshold_vco_ratio * f1_Hz)
    bias1_V, bias3_V = (float(np.interp(current, currents_A, rings.bias_V)) for current in (vco1_A, vco3_A))
    sized = _in_proportion(process, tuning, f1_Hz, (bias1_V, bias3_V))
    progress(2, 3, "bias lines of the synapses")
    wbn_V, wbp_V, *_ = bench.standing(sized.nominal.weight_A, bias1_V)
    return swept, sized.replace(bias_lines_V=(_round(wbn_V, 3), _round(wbp_V, 3)))


def _in_proportion(process: Process, tuning: "_Tuning", f1_Hz: float, bias_V: tuple[float, float]) -> Process:
    """Return the process with components and currents that give generic65's loop, jump and membrane.

    bias_V: of the current nodes of VCO1 and VCO3.
    """
    supply_V, f3_Hz = process.supply_V, process.threshold_vco_ratio * f1_Hz
    vco1_A, vco3_A = tuning.current_A(f1_Hz), tuning.current_A(f3_Hz)
    gain1, gain3 = tuning.gain_Hz_per_A(vco1_A), tuning.gain_Hz_per_A(vco3_A)
    tau_s = _CYCLES_PER_TAU / f1_Hz
    loop_Ohm = _R_LOOP * 2 * supply_V * gain1 * tau_s
    r1_Ohm = _round(_R1_SHARE * loop_Ohm, 3)
    r4_Ohm = _round((supply_V - bias_V[1]) * gain3 * tau_s / _SWING, 3)
    components = {
        "r1_Ohm": r1_Ohm,
        "c_F": _round(_FILTER_SHARE * tau_s / r1_Ohm, 3),
        "r2_Ohm": _round(loop_Ohm - r1_Ohm, 3),
        "r4_Ohm": r4_Ohm,
    }
    # UP, high half of the time in lock, adds its mean current to VCO2 and VCO4.
    nominal = {
        "vco1_A": _round(vco1_A, 4),
        "vco2_A": _round(vco1_A - (supply_V / 2 - bias_V[0]) / loop_Ohm, 4),
        "vco3_A": _round(vco3_A, 4),
        "vco4_A": _round(vco3_A - (supply_V - bias_V[1]) / 2 / r4_Ohm, 4),
        "weight_A": _round(_WEIGHT_A_Hz_PER_A / gain1, 3),
    }
    return process.replace(f1_Hz=f1_Hz, components=components, nominal=nominal)


@dataclass(frozen=True)
class _Tuning:
    """Frequency over current of a ring, a monotone cubic through the swept points."""

    currents_A: Floats
    frequency_Hz: Floats

    @classmethod
    def of(cls, swept: Sequence[SweptRing]) -> "_Tuning":
        """Raise SimulatorBadOutput for fewer than three points, or a frequency that does not rise."""
        currents = np.array([one.current_A for one in swept])
        frequency = np.array([one.f_Hz for one in swept])
        rising = 1 + int(np.argmin(np.append(np.diff(frequency) > 0, False)))  # up to where the ring saturates
        if rising < 3:
            shown = ", ".join(
                f"{f / 1e6:.4g} MHz at {1e6 * i:.3g} uA" for i, f in zip(currents, frequency, strict=True)
            )
            raise SimulatorBadOutput(
                f"the ring's frequency must rise with its current over three currents, got {shown}"
            )
        return cls(currents[:rising], frequency[:rising])

    def current_A(self, f_Hz: float) -> float:
        """Return the current at which the ring has a frequency."""
        return float(PchipInterpolator(self.frequency_Hz, self.currents_A)(f_Hz))

    def gain_Hz_per_A(self, current_A: float) -> float:
        """Return the slope of the frequency over the current."""
        return float(PchipInterpolator(self.currents_A, self.frequency_Hz).derivative()(current_A))

    def gain_ratio(self, current_A: float, ratio: float = 1.25) -> float:
        """Return the tuning gain at `ratio` times the frequency over that at a current; nan beyond the sweep."""
        f3_Hz = ratio * float(PchipInterpolator(self.currents_A, self.frequency_Hz)(current_A))
        if f3_Hz > self.frequency_Hz[-1]:
            return math.nan
        return self.gain_Hz_per_A(self.current_A(f3_Hz)) / self.gain_Hz_per_A(current_A)

    def highest(self) -> tuple[float, float]:
        """Return current and frequency of the fastest VCO1 whose VCO3 keeps its gain, to two digits below it.

        Raise SimulatorBadOutput where none does.
        """
        for current in np.linspace(self.currents_A[-1], self.currents_A[0], 200):
            if self.gain_ratio(float(current)) >= LEAST_GAIN_RATIO:
                f_Hz = float(PchipInterpolator(self.currents_A, self.frequency_Hz)(current))
                step_Hz = 10.0 ** (math.floor(math.log10(f_Hz)) - 1)
                f1_Hz = max(step_Hz * math.floor(f_Hz / step_Hz), float(self.frequency_Hz[0]))
                return self.current_A(f1_Hz), f1_Hz
        raise SimulatorBadOutput(
            f"no ring keeps {LEAST_GAIN_RATIO:g} of its tuning gain at 1.25 times its frequency, between "
            f"{1e6 * self.currents_A[0]:.3g} and {1e6 * self.currents_A[-1]:.3g} uA"
        )


def _round(value: float, digits: int) -> float:
    return float(f"{value:.{digits}g}")
