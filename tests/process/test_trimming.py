from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from math import nan, pi

import numpy as np
import pytest

from neurocircuit.errors import InputError, SimulatorBadOutput
from neurocircuit.process.ring_tuning import Rings
from neurocircuit.process.trimming import Idle, check_residuals, residual_bound, trim_plant
from neurocircuit.spec import Bias, Components

COMPONENTS = Components(r1_Ohm=300e3, r2_Ohm=1.5e6, c_F=10e-15, r4_Ohm=170e3)
NOMINAL = Bias(vco1_A=10e-6, vco2_A=10e-6, vco3_A=12.5e-6, vco4_A=11.6e-6, weight_A=1e-6)


@dataclass
class SyntheticPlant:
    """Square-root-like f(I), a loop with its own gain, offsets that trim does not know."""

    supply_V: float = 1.0
    fast: float = 1.0  # corner
    offset2_A: float = 0.1e-6
    offset4_A: float = -0.2e-6
    off: tuple[float, float, float, float] = (0.0, 0.0, 0.0, 0.0)  # relative errors of the four rings: mismatch
    idle_biases: list[Bias] = field(default_factory=list)

    @property
    def alike(self) -> bool:
        return not any(self.off)

    def f_Hz(self, current_A: float, vco: int = 1) -> float:
        x = current_A / 10e-6
        return self.fast * (1 + self.off[vco - 1]) * 750e6 * (0.35 + 0.75 * x - 0.1 * x * x)

    def rings(self, currents_A: Sequence[float], vco: int = 1) -> Rings:
        frequency_Hz = np.array([self.f_Hz(i, vco) for i in currents_A])
        return Rings(frequency_Hz, np.full(len(currents_A), 0.5 * self.supply_V))

    def idle(self, bias: Bias, swing_Hz: float) -> Idle:
        self.idle_biases.append(bias)
        f1, f3 = self.f_Hz(bias.vco1_A), self.f_Hz(bias.vco3_A, 3)
        series = COMPONENTS.r1_Ohm + COMPONENTS.r2_Ohm

        def f2(duty: float) -> float:
            return self.f_Hz(bias.vco2_A + self.offset2_A + (duty - 0.5) * self.supply_V / series, 2)

        duty = np.interp(f1, [f2(0.0), f2(1.0)], [0.0, 1.0]) if f2(0) < f1 < f2(1) else nan
        swing = 0.5 * self.supply_V / COMPONENTS.r4_Ohm
        f4 = self.f_Hz(bias.vco4_A + self.offset4_A + (0.5 if np.isnan(duty) else duty) * swing, 4)
        lag = nan if np.isnan(duty) else pi * duty
        locked2 = f1 if lag == lag else f2(0.5)
        return Idle((f1, locked2, f3, f4), lag, 2 * pi * (f4 - f3) if lag == lag else nan, 1.7)


@pytest.mark.parametrize("fast", [0.8, 1.0, 1.25])
def test_trim_leaves_what_half_a_step_of_the_currents_leaves(fast: float) -> None:
    plant = SyntheticPlant(fast=fast)
    result = trim_plant(plant, NOMINAL, COMPONENTS, 750e6, 1.25, 1e-4)
    lag, drift = residual_bound(result, COMPONENTS, 1.0, NOMINAL)
    # Half a step at the grid's best point; a lag beside π/2 adds its own drift until VCO4 has followed: factor 2.
    assert abs(result.lag_residual_rad) < 2 * lag
    assert abs(result.drift_rad_per_s) < 2 * drift
    assert result.f1_Hz == pytest.approx(750e6, rel=2e-4)
    assert result.f3_Hz == pytest.approx(1.25 * 750e6, rel=2e-4)
    assert result.idle_runs <= 5


@pytest.mark.parametrize("off", [(0.07, -0.08, -0.1, 0.12), (-0.12, 0.1, 0.12, -0.12)])
def test_the_rings_of_a_chip_are_counted_each(off: tuple[float, float, float, float]) -> None:
    """Without that VCO2 begins 15 % or more beside VCO1, ten times its lock range, and VCO3 near VCO1."""
    plant = SyntheticPlant(off=off)
    result = trim_plant(plant, NOMINAL, COMPONENTS, 750e6, 1.25, 1e-4)
    lag, drift = residual_bound(result, COMPONENTS, 1.0, NOMINAL)
    assert abs(result.lag_residual_rad) < 2 * lag
    assert abs(result.drift_rad_per_s) < 2 * drift
    assert result.f1_Hz == pytest.approx(750e6, rel=5e-4)
    assert result.f3_Hz == pytest.approx(1.25 * 750e6, rel=5e-4)
    assert np.isfinite(result.steps[0].lag_rad)  # counted, it locks at once
    assert result.untrimmed[:2] == pytest.approx(off[:2], rel=0.3)  # of VCO2 by its gain: curvature is left out


@pytest.mark.parametrize(
    ("off", "message"),
    [
        ({"lag_residual_rad": 19 * 2.8e-3}, r"the phase of VCO1 over VCO2, less pi/2, is 0.0532 rad after \d runs"),
        ({"drift_rad_per_s": -440 * 1e5}, r"the drift of the idle membrane is -4.4e\+07 rad/s after"),
    ],
)
def test_a_trim_that_leaves_more_than_its_steps_explain_has_failed(off: dict[str, float], message: str) -> None:
    result = trim_plant(SyntheticPlant(), NOMINAL, COMPONENTS, 750e6, 1.25, 1e-4)
    check_residuals(result, COMPONENTS, 1.0, NOMINAL)
    with pytest.raises(SimulatorBadOutput, match=message):
        check_residuals(replace(result, **off), COMPONENTS, 1.0, NOMINAL)


def test_currents_stand_on_the_grid() -> None:
    bias = trim_plant(SyntheticPlant(), NOMINAL, COMPONENTS, 750e6, 1.25, 1e-3).bias
    for name in ("vco1_A", "vco2_A", "vco4_A"):
        steps = getattr(bias, name) / (1e-3 * getattr(NOMINAL, name))
        assert steps == pytest.approx(round(steps), abs=1e-6)


def test_a_coarser_grid_leaves_more() -> None:
    fine, coarse = (
        trim_plant(SyntheticPlant(), NOMINAL, COMPONENTS, 750e6, 1.25, resolution) for resolution in (1e-5, 3e-3)
    )
    assert abs(coarse.drift_rad_per_s) > 10 * abs(fine.drift_rad_per_s)


def test_a_slipping_loop_is_pulled_into_its_range() -> None:
    plant = SyntheticPlant(offset2_A=1.5e-6)  # range of the loop: ± 0.28 µA
    result = trim_plant(plant, NOMINAL, COMPONENTS, 750e6, 1.25, 1e-4)
    assert np.isnan(result.steps[0].lag_rad)
    assert abs(result.lag_residual_rad) < 0.01


def test_rings_that_saturate_run_slower() -> None:
    class Saturating(SyntheticPlant):
        def f_Hz(self, current_A: float, vco: int = 1) -> float:
            return 1000e6 * (1.0 - np.exp(-current_A / 7.2e-6))  # 937.5 MHz is within 7 % of all it can do

    result = trim_plant(Saturating(), NOMINAL, COMPONENTS, 750e6, 1.25, 1e-4)
    # The slope at f is in proportion to 1000 MHz - f: that at 1.25 f is 0.4 of it where f = 706 MHz, above 0.9 of 750.
    assert result.f1_Hz == pytest.approx(0.9 * 750e6, rel=2e-3)
    assert result.f3_Hz == pytest.approx(1.25 * 0.9 * 750e6, rel=2e-3)

    class Flat(SyntheticPlant):
        def f_Hz(self, current_A: float, vco: int = 1) -> float:
            return 750e6 * (0.6 + 0.4 * current_A / 10e-6 if current_A < 10e-6 else 1 + 0.01 * (current_A / 10e-6 - 1))

    with pytest.raises(SimulatorBadOutput):
        trim_plant(Flat(), NOMINAL, COMPONENTS, 750e6, 1.25, 1e-4)


def test_what_the_nominal_currents_would_do_is_told() -> None:
    plant = SyntheticPlant(fast=1.1)
    result = trim_plant(plant, NOMINAL, COMPONENTS, 750e6, 1.25, 1e-4)
    assert result.untrimmed[0] == pytest.approx(plant.f_Hz(10e-6) / 750e6 - 1, rel=1e-6)
    exact = plant.f_Hz(NOMINAL.vco3_A) / (1.25 * 750e6) - 1
    assert result.untrimmed[2] == pytest.approx(exact, rel=0.1)  # by the gain at f3: curvature is left out


def test_what_cannot_be_trimmed_is_told_in_one_line() -> None:
    with pytest.raises(InputError, match=r"trim resolution must be within 0 … 0.1"):
        trim_plant(SyntheticPlant(), NOMINAL, COMPONENTS, 750e6, 1.25, 0.5)
    with pytest.raises(SimulatorBadOutput, match=r"beyond 1/3 … 3 times the nominal 10 uA"):
        trim_plant(SyntheticPlant(fast=0.3), NOMINAL, COMPONENTS, 750e6, 1.25, 1e-4)

    class Dead(SyntheticPlant):
        def rings(self, currents_A: Sequence[float], vco: int = 1) -> Rings:
            return Rings(np.full(len(currents_A), nan), np.full(len(currents_A), 0.5))

    with pytest.raises(SimulatorBadOutput, match=r"the ring does not run near f1 at 8.5 uA, 10 uA, 12 uA and 1 V"):
        trim_plant(Dead(), NOMINAL, COMPONENTS, 750e6, 1.25, 1e-4)

    class Lost(SyntheticPlant):
        def idle(self, bias: Bias, swing_Hz: float) -> Idle:
            return replace(super().idle(bias, swing_Hz), drift_rad_per_s=nan)

    with pytest.raises(SimulatorBadOutput, match=r"VCO4 does not stay with VCO3 within \d+ trim steps"):
        trim_plant(Lost(), NOMINAL, COMPONENTS, 750e6, 1.25, 1e-4)
