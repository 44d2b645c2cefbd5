import numpy as np
import pytest

from neurocircuit.spec import Mismatch
from neurocircuit.spice.devices import Device
from neurocircuit.spice.mismatch import draw

PELGROM = Mismatch(a_vt_n=3.5e-9, a_vt_p=4.5e-9, a_beta_n=10e-9, a_beta_p=12e-9, source="made up")


def many(polarity="n", w=240e-9, m=1.0, count=4000):
    return [Device(f"m.x{k}.xnmos.m", polarity, w, 120e-9, m) for k in range(count)]


@pytest.mark.parametrize(
    ("polarity", "w", "m", "a_vt", "a_beta"),
    [("n", 240e-9, 1.0, 3.5e-9, 10e-9), ("p", 600e-9, 1.0, 4.5e-9, 12e-9), ("n", 240e-9, 8.0, 3.5e-9, 10e-9)],
)
def test_the_deviations_follow_the_area(polarity, w, m, a_vt, a_beta):
    shifts = draw(many(polarity, w, m=m), PELGROM, 1).values()
    vth, beta = np.array([[shift.vth_V, shift.beta] for shift in shifts]).T
    side = np.sqrt(w * 120e-9 * m)
    # A standard deviation from 4000 draws is known to 1.1 %: 6 % is five of them. The mean to σ/63.
    assert vth.std() == pytest.approx(a_vt / side, rel=0.06)
    assert beta.std() == pytest.approx(a_beta / side, rel=0.06)
    assert abs(vth.mean()) < 5 * a_vt / side / np.sqrt(4000)
    assert abs(np.corrcoef(vth, beta)[0, 1]) < 5 / np.sqrt(4000)


def test_a_chip_stays_itself_when_devices_are_added_or_reordered():
    few, more = many(count=5), list(reversed(many(count=9)))
    before, after = draw(few, PELGROM, 7), draw(more, PELGROM, 7)
    assert all(after[path] == shift for path, shift in before.items())
    assert draw(few, PELGROM, 8) != before
    assert len({shift.vth_V for shift in after.values()}) == 9
