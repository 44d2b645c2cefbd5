"""Phase noise over current, frequency and area: the fit on planted rings, and what was measured on the devices."""

from dataclasses import replace
from pathlib import Path

import pytest

from neurocircuit.process.measurements.noise_law import Case, Noise, cases, fitted, with_bias_area
from neurocircuit.results import measurement
from neurocircuit.results.noise_law import NoiseLaw
from neurocircuit.spice.process import characterised, load
from tests.process.planted import BIAS_A, planted_ring

PUBLISHED = Path(__file__).parents[3] / "reports/published"


def test_the_fit_finds_a_planted_law():
    found = fitted([planted_ring(case) for case in cases(1.25)], BIAS_A, (5e-12, 1e-12), 1.0)
    law = NoiseLaw.of(found)
    assert (law.white.slope, law.white.curvature, law.white.scale_exponent) == pytest.approx((-0.8, -0.9, 0.9))
    assert (law.flicker_bias.scale_exponent, law.flicker_bias.area_exponent) == pytest.approx((0.95, 0.85))
    assert (law.flicker_rest.slope, law.flicker_common.slope, law.pushing.slope) == pytest.approx((0.4, 1.0, 1.7))
    assert law.pushing.scale_exponent == pytest.approx(0.0, abs=1e-9)
    assert (law.h_bias, law.h_rest, law.current_exponent) == pytest.approx((1.6e-8, 1.2e-9, 0.3))
    assert (law.bias_A, law.loop_bias_A) == pytest.approx((5e-5, 2.1e-5))
    assert (law.lowest, law.highest, law.largest_area) == pytest.approx((0.7, 1.375, 4.0))
    assert found.value("white") == pytest.approx(2e5)
    assert max(found.value(f"{what}_residual") for what in ("white", "flicker", "pushing")) < 1e-9


def test_a_ring_of_another_law_is_told_by_the_residual():
    rings = [planted_ring(case) for case in cases(1.25)]
    stepped = [replace(ring, white=2 * ring.white) if ring.case.area == 2 else ring for ring in rings]
    assert fitted(stepped, BIAS_A, (5e-12, 1e-12), 1.0).value("white_residual") > 0.2


def test_rings_that_share_nothing_have_no_such_part():
    rings = [replace(planted_ring(case), of_common=0.0) for case in cases(1.25)]
    assert NoiseLaw.of(fitted(rings, BIAS_A, (5e-12, 1e-12), 1.0)).flicker_common is None


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


@pytest.mark.parametrize("process", ["generic65", "generic65_low_noise"])
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
    where = law.lowest, 0.5, law.largest_area
    for name in ("white", "flicker_bias", "flicker_rest", "pushing"):
        assert getattr(again, name)(*where) == pytest.approx(getattr(law, name)(*where), rel=1e-9)
    for what in ("white", "flicker", "pushing"):
        assert measured.value(f"{what}_residual") < 0.06
    # Independent copies in parallel would have exponents of 1; devices of other widths are near that.
    for name in ("white", "flicker_bias", "flicker_rest"):
        assert 0.75 < getattr(law, name).scale_exponent < 1.1
    assert (law.flicker_common is None) == (process == "generic65")
    # The first ring is VCO1, whose noise the datasheet has.
    noise = (
        measurement.load(PUBLISHED / f"datasheet-{process}/conditions/tt_27C_1V/phase_noise.json")
        if (process == "generic65_low_noise")
        else measurement.load(PUBLISHED / "device-noise/generic65/conditions/tt_27C_1V/phase_noise.json")
    )
    assert rings[0].white == pytest.approx(noise.value("white_vco1"), rel=0.01)
    assert rings[0].flicker == pytest.approx(noise.value("flicker_vco1"), rel=0.01)
