import shutil

import pytest

from neurocircuit.process.measurements.trim import trim
from neurocircuit.process.trimming import DERATINGS, LEAST_GAIN_RATIO, residual_bound
from neurocircuit.spice.process import ProcessMissing, load

pytestmark = pytest.mark.skipif(shutil.which("ngspice") is None, reason="ngspice is not installed")
CORNERS = [(corner, temperature) for corner in ("tt", "ss", "ff") for temperature in (0.0, 27.0, 85.0)]


def check(corner: str, temperature_C: float, name: str = "generic65") -> None:
    installed = load(name)
    process = installed.process
    condition = installed.condition(corner, temperature_C)
    result = trim(installed, condition)
    lag, drift = residual_bound(result, process.components_at(corner), condition.supply_V, process.nominal)
    # Half a step, and as much again for what an idle run of 28 ns tells of a loop that still settles.
    assert abs(result.lag_residual_rad) < 2 * lag
    assert abs(result.drift_rad_per_s) < 2 * drift + 1e5
    # Slow rings run at a stated share of the nominal frequencies, so that VCO3 keeps its gain.
    assert min(abs(result.f1_Hz / process.f1_Hz - derating) for derating in DERATINGS) < 0.01
    assert result.f3_Hz == pytest.approx(result.f1_Hz * process.threshold_vco_ratio, rel=0.01)
    assert result.gain3_Hz_per_A > 0.9 * LEAST_GAIN_RATIO * result.gain_Hz_per_A
    if corner == process.nominal_corner:
        assert result.f1_Hz == pytest.approx(process.f1_Hz, rel=0.01)
    assert 1.0 < result.lead_rad < 2.6


def test_trim_works_at_nominal() -> None:
    check("tt", 27.0)


@pytest.mark.long
@pytest.mark.parametrize(("corner", "temperature_C"), [one for one in CORNERS if one != ("tt", 27.0)])
def test_trim_works_in_corners_and_temperatures(corner: str, temperature_C: float) -> None:
    check(corner, temperature_C)


@pytest.mark.long
@pytest.mark.parametrize("corner", ["sf", "fs", "tt_rcmin", "tt_rcmax", "tt_wmin", "tt_wmax"])
def test_trim_works_in_crossed_and_in_passive_corners(corner: str) -> None:
    check(corner, 27.0)


@pytest.mark.long
@pytest.mark.parametrize("name", ["freepdk45", "gf180mcu", "sg13g2", "sky130"])
def test_trim_works_at_nominal_of_the_other_processes(name: str) -> None:
    try:
        corner = load(name).process.nominal_corner
    except ProcessMissing as error:
        pytest.skip(str(error))
    check(corner, 27.0, name)
