"""Neurons side by side: sums of planted budgets, the area of a known netlist, and datasheets that lack something."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest

from neurocircuit.errors import InputError
from neurocircuit.kinds import load
from neurocircuit.rendering import write_report
from neurocircuit.results.measurement import Measured, Quantity
from neurocircuit.spice.process import load as load_process
from neurocircuit.studies.noise_cost import noise_cost
from tests.command_line import call

PUBLISHED = Path(__file__).parents[2] / "reports/published/datasheet-generic65"
SLUG = "tt_27C_1V"
DEVICES = ("xdiode", "x1.xps", "x2.xps")
needs_ngspice = pytest.mark.skipif(shutil.which("ngspice") is None, reason="ngspice is not installed")


def phase_noise(scale: float) -> Measured:
    """D of 1, 2, 3 krad²/s and h of 4, 5, 6 e-9 by device, times scale."""
    white, flicker = 1e3 * scale * np.array([1.0, 2.0, 3.0]), 1e-9 * scale * np.array([4.0, 5.0, 6.0])
    quantities, curves, devices = [], {}, {}
    for vco in ("vco1", "vco2", "vco3", "vco4"):
        totals = {"white": white.sum(), "low": 0.0, "high": 0.0, "flicker": flicker.sum(), "f0": 750e6, "corner": 1e6}
        quantities += [Quantity(f"{name}_{vco}", name, float(value), "") for name, value in totals.items()]
        curves[f"budget_{vco}"], devices[vco] = {"white_rad2_per_s": white, "flicker": flicker}, list(DEVICES)
    quantities += [Quantity(f"power_{vco}", "power", 17e-6, "W") for vco in ("vco1", "vco3")]
    quantities += [Quantity(f"shared_{pair}", "shared", 0.25, "") for pair in ("vco1_vco2", "vco3_vco4")]
    return Measured(tuple(quantities), curves, details={"devices": devices})


def datasheet(folder: Path, scale: float) -> Path:
    measured = folder / "conditions" / SLUG
    measured.mkdir(parents=True)
    shutil.copy(PUBLISHED / "conditions" / SLUG / "trim.json", measured)
    (measured / "phase_noise.json").write_text(json.dumps(phase_noise(scale).to_dict()))
    request = json.loads((PUBLISHED / "request.json").read_bytes())
    request |= {"conditions": request["conditions"][:1], "measurements": ["trim", "phase_noise"]}
    (folder / "request.json").write_text(json.dumps(request))
    shutil.copy(PUBLISHED / "run.json", folder)
    return folder


@needs_ngspice
def test_two_neurons_side_by_side(tmp_path: Path) -> None:
    folders = [datasheet(tmp_path / name, scale) for name, scale in (("first", 1.0), ("second", 0.25))]
    result = noise_cost(folders)
    first, second = result.neurons
    assert first.vcos[0].white == pytest.approx({"bias diode": 1e3, "PMOS tails": 5e3})
    assert (first.vcos[2].white_rad2_per_s, first.vcos[2].h) == pytest.approx((6e3, 15e-9))
    assert second.vcos[1].h == pytest.approx(0.25 * 15e-9)
    assert first.shared == (0.25, 0.25)
    bias = load_process("generic65").process.nominal
    assert first.rings_W == pytest.approx(4 * 17e-6 + bias.vco1_A + bias.vco2_A + bias.vco3_A + bias.vco4_A, rel=1e-3)
    assert np.isnan(first.energy_J)
    assert load(result.save(tmp_path / "out")) == result
    page = write_report(tmp_path / "out").with_suffix(".md").read_text()
    assert "white noise of VCO1 0.25, flicker 0.25, power of the rings 1.00, gate area 1.00 times" in page
    printed = call("study", "noise-cost", *folders).stdout
    assert "flicker h of VCO1, 1e-9               15                  3.75" in printed
    assert "energy" not in printed


@needs_ngspice
def test_the_area_is_that_of_the_gates_without_the_synapses(tmp_path: Path) -> None:
    area_m2 = noise_cost([datasheet(tmp_path / "one", 1.0)]).neurons[0].area_m2
    sizes = load_process("generic65").process.sizes
    ring = 7 * sizes.w_tail_n * sizes.l_bias + 6 * sizes.w_tail_p * sizes.l_bias  # diode, mirror, load and ten tails
    ring += 4 * (sizes.w_logic_n + sizes.w_logic_p) * sizes.l_min  # four inverters
    ring += (2 * sizes.w_series_n + sizes.w_logic_p + sizes.w_hold) * sizes.l_min  # the NAND
    assert 4 * ring < area_m2 < 2.5 * 4 * ring  # buffers, XOR, flip-flop, latch and replica delay are the others


def test_a_datasheet_without_phase_noise_is_told_how_to_get_it(tmp_path: Path) -> None:
    shutil.copytree(PUBLISHED, tmp_path / "without", ignore=shutil.ignore_patterns("phase_noise.json", "figures"))
    with pytest.raises(InputError, match="must hold the measurement phase_noise at tt_27C_1V; type: neurocircuit char"):
        noise_cost([tmp_path / "without"])
