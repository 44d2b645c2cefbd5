"""Phase noise and supply sensitivity that `characterize` measured on devices, in the spec of a neuron."""

from collections.abc import Sequence
from pathlib import Path
from typing import Literal

from neurocircuit.core.files import read_json_object
from neurocircuit.errors import InputError
from neurocircuit.results import measurement
from neurocircuit.results.measurement import Measured
from neurocircuit.spec import Flicker, NeuronSpec, Supply

Kind = Literal["both", "white", "flicker"]
FILE, SUPPLY = "phase_noise.json", "supply.json"
RINGS = (("vco1", "vco3"), ("vco2", "vco4"))  # with an undriven bias node, as VCO1 and VCO3, and with a driven one
LARGEST_OFFSET = 0.1  # of a VCO from the ring whose noise it gets, relative: noise goes with the current


def with_noise(spec: NeuronSpec, measured: Measured, source: str) -> NeuronSpec:
    """Return the spec with the white phase noise and flicker of a measurement, each VCO's from the nearest ring.

    source: what measured it, for the spec's noise_source. The interval since the trim, and the time that a trim takes,
    are those of `Flicker`: a person's, not measured. At arming the loop is in lock under its noise.
    Raise InputError where a VCO is far from every measured ring.
    """
    f1_Hz, f3_Hz = spec.f0_Hz, spec.f0_Hz * spec.threshold_vco_ratio
    chosen = [_nearest(measured, rings, f_Hz) for f_Hz in (f1_Hz, f3_Hz) for rings in RINGS]
    white, h = (tuple(measured.value(f"{what}_{vco}") for vco in chosen) for what in ("white", "flicker"))
    shared_12, shared_34 = (measured.value(f"shared_{pair}") for pair in ("vco1_vco2", "vco3_vco4"))
    flicker = Flicker(h=h, shared_vco1_vco2=shared_12, shared_vco3_vco4=shared_34) if any(h) else None
    return spec.replace(phase_noise=white, flicker=flicker, noise_source=source, locked_under_noise=True)


def with_supply(spec: NeuronSpec, measured: Measured, source: str) -> NeuronSpec:
    """Return the spec with the supply sensitivities of a measurement; its ripple, if any, stays.

    source: what measured them.
    """
    s1, s2, s3, s4 = (measured.value(f"vco{k}") for k in range(1, 5))
    tones = () if spec.supply is None else spec.supply.tones
    return spec.replace(supply=Supply(sensitivity_per_V=(s1, s2, s3, s4), source=source, tones=tones))


def with_noise_of(spec: NeuronSpec, folder: Path) -> NeuronSpec:
    """Return the spec with the noise of a condition that `characterize` measured, from the condition's folder.

    With its supply sensitivities too where they were measured. Raise InputError, FileFormatError naming the file.
    """
    measured, request = measurement.load(folder / FILE), read_json_object(folder / "../../request.json")
    source = source_of(str(request.get("process")), folder.resolve().name)
    noisy = with_noise(spec, measured, source)
    return with_supply(noisy, measurement.load(folder / SUPPLY), source) if (folder / SUPPLY).exists() else noisy


def source_of(process: str, condition: str) -> str:
    """Return the noise_source of a spec whose noise was measured at a condition, which is named as its folder."""
    return f"neurocircuit characterize, devices of {process}, {condition}"


def with_chosen_noise(
    spec: NeuronSpec, folder: Path | None, kind: Kind, without: bool, ripple: Sequence[tuple[str, str]] = ()
) -> NeuronSpec:
    """Return the spec with the noise of a folder, of this kind, or without any, or as it is; with tones of a ripple.

    Raise InputError when asked for both.
    """
    return with_ripple(_with_noise_of_kind(spec, folder, kind, without), ripple)


def _with_noise_of_kind(spec: NeuronSpec, folder: Path | None, kind: Kind, without: bool) -> NeuronSpec:
    if folder is not None and without:
        raise InputError("--device-noise and --without-noise exclude each other")
    if folder is None:
        return spec.without_noise() if without else spec
    noisy = with_noise_of(spec, folder)
    if kind == "white":
        return noisy.replace(flicker=None, noise_source=noisy.noise_source)
    if kind == "flicker":
        return noisy.without_noise().replace(flicker=noisy.flicker, noise_source=noisy.noise_source)
    return noisy


def with_ripple(spec: NeuronSpec, tones: Sequence[tuple[str, str]]) -> NeuronSpec:
    """Return the spec with supply ripple of these tones, frequency and amplitude as text with unit; none: as it is.

    Raise InputError where the spec has no supply sensitivities, SpecError naming a tone's field.
    """
    if not tones:
        return spec
    if spec.supply is None:
        raise InputError(
            "--ripple must stand beside supply sensitivities: a --spec with [supply], or --device-noise of a condition "
            "whose supply was measured"
        )
    stated = [{"frequency": frequency, "amplitude": amplitude} for frequency, amplitude in tones]
    return NeuronSpec.from_dict({**spec.to_dict(), "supply": {**spec.supply.to_dict(), "tones": stated}})


def _nearest(measured: Measured, rings: tuple[str, ...], f_Hz: float) -> str:
    f0_Hz = {vco: measured.value(f"f0_{vco}") for vco in rings}
    vco = min(rings, key=lambda name: abs(f0_Hz[name] - f_Hz))
    if abs(f0_Hz[vco] / f_Hz - 1) > LARGEST_OFFSET:
        known = ", ".join(f"{f / 1e6:.4g}" for f in f0_Hz.values())
        raise InputError(
            f"phase noise was measured at {known} MHz: f0 and threshold_vco_ratio must be within "
            f"{LARGEST_OFFSET:.0%} of one of them, got {f_Hz / 1e6:.4g} MHz"
        )
    return vco
