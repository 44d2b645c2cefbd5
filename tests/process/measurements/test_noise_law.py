"""Phase noise over current, frequency and area: the fit on planted rings, and what was measured on the devices."""

from dataclasses import replace

import numpy as np
import pytest

from neurocircuit.process.measurements import noise_law
from neurocircuit.process.measurements.noise_law import Case, Noise, cases, fitted, with_bias_area
from neurocircuit.results import measurement
from neurocircuit.results.noise_law import LogCurve, NoiseLaw
from neurocircuit.spice.process import characterised, load
from tests.process.planted import BIAS_A, planted_ring


def test_the_fit_finds_a_planted_law():
    found = fitted([planted_ring(case) for case in cases(1.25)], BIAS_A, (5e-12, 1e-12), 1.0)
    law = NoiseLaw.of(found)
    assert (law.white.slope, law.white.curvature) == pytest.approx((-0.8, -0.9))
    assert (law.flicker_bias.slope, law.flicker_rest.slope, law.pushing.slope) == pytest.approx((-1.5, 0.4, 1.7))
    assert (law.h_bias, law.h_rest) == pytest.approx((1.6e-8, 1.2e-9))
    assert (law.area_exponent, law.current_exponent) == pytest.approx((0.85, 0.3))
    assert (law.bias_A, law.loop_bias_A) == pytest.approx((5e-5, 2.1e-5))
    assert (law.lowest, law.highest, law.largest_area) == pytest.approx((0.7, 1.375, 4.0))
    assert found.value("white") == pytest.approx(2e5)
    residuals = [q.value for q in found.quantities if "_residual_" in q.key]
    assert len(residuals) == 9
    assert max(residuals) < 1e-9


def test_rings_of_another_law_are_told_by_the_residuals():
    found = fitted([planted_ring(case, width_exponent=0.5) for case in cases(1.25)], BIAS_A, (5e-12, 1e-12), 1.0)
    for what in ("white", "flicker"):
        assert found.value(f"{what}_residual_scale") == pytest.approx(4.0**0.5 - 1, rel=1e-6)
    # Another exponent of the area is fitted, a step in it is not.
    rings = [planted_ring(case) for case in cases(1.25)]
    stepped = [replace(ring, of_bias=2e-8, flicker=2e-8 + 1.2e-9) if ring.case.area == 2 else ring for ring in rings]
    assert fitted(stepped, BIAS_A, (5e-12, 1e-12), 1.0).value("flicker_residual_area") > 0.3


def test_a_log_curve_is_found_beside_its_factor():
    x = np.array([0.7, 0.9, 1.0, 1.3])
    curve, factor = LogCurve.fitted(x, 3.0 * x ** (1.2 - 0.5 * np.log(x)))
    assert (curve.slope, curve.curvature, factor) == pytest.approx((1.2, -0.5, 3.0))
    assert curve(1.0) == 1.0


def test_larger_bias_devices_keep_their_ratio_of_width_to_length():
    process = load("generic65").process
    larger = with_bias_area(process, 4.0).sizes
    assert larger.l_diode == pytest.approx(2 * process.sizes.l_diode)
    assert larger.w_load / larger.l_load == pytest.approx(process.sizes.w_load / process.sizes.l_load)
    assert larger.w_tail_n == process.sizes.w_tail_n
    assert with_bias_area(process, 1.0) == process


def test_the_rings_span_what_neurons_were_built_at():
    """Frequencies of VCO1 and VCO3 and scales as of the neurons whose power was measured."""
    from neurocircuit.process.measurements import power

    rings = cases(1.25)
    assert rings[0] == Case()
    ratios = [case.ratio for case in rings]
    assert min(ratios) == min(ratio for _, ratio in power.GRID)
    assert max(ratios) == pytest.approx(1.25 * max(ratio for _, ratio in power.GRID))
    assert {case.scale for case in rings} == {scale for scale, _ in power.GRID}


@pytest.mark.parametrize("process", ["generic65"])
def test_the_shipped_law_is_the_fit_of_its_rings(process):
    measured = measurement.load(characterised(process) / "conditions/tt_27C_1V/noise_law.json")
    curve = measured.curves["noise_law"]
    rings = [
        Noise(
            Case(scale, area, f_Hz / curve["frequency_Hz"][0]),
            *(float(curve[name][k]) for name in ("current_A", "frequency_Hz", "white_rad2_per_s", "flicker")),
            *(float(curve[name][k]) for name in ("flicker_of_bias", "flicker_in_common", "pushing_per_V")),
        )
        for k, (scale, area, f_Hz) in enumerate(zip(curve["scale"], curve["area"], curve["frequency_Hz"], strict=True))
    ]
    law = NoiseLaw.of(measured)
    again = NoiseLaw.of(fitted(rings, BIAS_A, (law.area_m2, law.bias_area_m2), 0.0))
    for name in ("white", "flicker_bias", "flicker_rest", "pushing"):
        assert getattr(again, name)(law.lowest) == pytest.approx(getattr(law, name)(law.lowest), rel=1e-9)
    # Copies in parallel have exactly 1/s; widths do not, for narrow devices are others: half of generic65's are 80 nm.
    assert measured.value("white_residual_scale") < 0.12
    assert measured.value("flicker_residual_scale") < 0.1
    assert measured.value("white_residual_frequency") < 0.05
    assert noise_law.AREAS[-1] == law.largest_area
