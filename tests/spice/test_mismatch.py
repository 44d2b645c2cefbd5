import shutil

import numpy as np
import pytest

from neurocircuit.spec import Components, Mismatch, Passives
from neurocircuit.spice.devices import Device, DeviceShift, devices
from neurocircuit.spice.mismatch import draw, draw_components
from neurocircuit.spice.phases import rising_edges
from neurocircuit.spice.process import load
from neurocircuit.spice.transistor_deck import compose_bench, number
from neurocircuit.spice.transistor_run import simulate
from tests.command_line import LONG_s

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


def test_resistors_and_capacitors_deviate_by_what_the_process_states():
    nominal = Components(r1_Ohm=3e5, c_F=1e-14, r2_Ohm=1.3e6, r4_Ohm=8e4)
    stated = Passives(sigma_resistor=0.02, sigma_capacitor=0.01)
    chips = [draw_components(nominal, stated, seed) for seed in range(2000)]
    errors = {
        name: np.array([getattr(chip, name) for chip in chips]) / getattr(nominal, name) - 1
        for name in ("r1_Ohm", "r2_Ohm", "r4_Ohm", "c_F")
    }
    # A standard deviation from 2000 draws is known to 1.6 %: 8 % is five of them.
    assert [error.std() for error in errors.values()] == pytest.approx([0.02, 0.02, 0.02, 0.01], rel=0.08)
    pairs = np.corrcoef(list(errors.values())) - np.eye(4)
    assert np.abs(pairs).max() < 5 / np.sqrt(2000)
    assert draw_components(nominal, stated, 7) == chips[7]
    assert draw_components(nominal, Passives(), 7) == nominal


_SHARE = 0.2  # of the mismatch: small enough that frequencies move in proportion to it
_DRAWN = 40


def frequencies_Hz(shifts, count):
    """Of `count` equal rings side by side with these shifts by device path, nominal current, [ring]."""
    process = load("generic65")
    current, supply_V = number(process.process.nominal.vco1_A), process.condition().supply_V
    lines = [f"Vdd vdd 0 {number(supply_V)}", f"Ven en 0 pulse(0.0 {number(supply_V)} 0.5e-9 20e-12 20e-12 1.0 2.0)"]
    lines += [f"I{k} vdd ib{k} {current}\nxr{k} ib{k} en o{k} vdd ring_cco\n.ic v(ib{k})=0.72" for k in range(count)]
    lines.append(f".ic v(vdd)={number(supply_V)}")
    saved = tuple(f"v(o{k})" for k in range(count))
    deck = compose_bench(
        process, process.condition(), "\n".join(lines), saved, stop_s=9e-9, max_step_s=2e-11, mismatch=shifts
    )
    vectors = simulate(deck, timeout_s=LONG_s).vectors
    edges = [rising_edges(vectors["time"], vectors[name], supply_V / 2)[2:] for name in saved]
    return deck, np.array([(len(edge) - 1) / (edge[-1] - edge[0]) for edge in edges])


@pytest.mark.long
@pytest.mark.skipif(shutil.which("ngspice") is None, reason="ngspice is not installed")
def test_the_spread_of_a_ring_is_the_sum_of_what_its_devices_contribute():
    """σ_f² = Σ (∂f/∂Vth σ)² over the devices of a ring, against rings whose devices are all drawn."""
    deck, _ = frequencies_Hz({}, 1)
    ring = devices(deck)
    sigma_V = {d.path: PELGROM.a_vt_n / np.sqrt(d.w_m * d.l_m * d.m) * _SHARE for d in ring}
    one_each = {path.replace(".xr0.", f".xr{k}."): DeviceShift(s) for k, (path, s) in enumerate(sigma_V.items(), 1)}
    f_Hz = frequencies_Hz(one_each, len(ring) + 1)[1]
    contributions = (f_Hz[1:] - f_Hz[0]) / f_Hz[0]
    rng = np.random.default_rng(3)
    drawn = {
        path.replace(".xr0.", f".xr{k}."): DeviceShift(s * rng.standard_normal())
        for k in range(_DRAWN)
        for path, s in sigma_V.items()
    }
    spread = frequencies_Hz(drawn, _DRAWN)[1].std(ddof=1) / f_Hz[0]
    assert len(ring) > 20
    assert np.sum(np.abs(contributions) > 1e-4) > 10
    # A standard deviation from 40 draws is known to 11 %: 45 % is four of them, missed by chance once in 10 000.
    assert spread == pytest.approx(np.sqrt(np.sum(contributions**2)), rel=0.45)
