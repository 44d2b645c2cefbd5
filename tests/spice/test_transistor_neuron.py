"""The whole neuron in transistors, generic65: locks, fires, stays silent, is reset; the time step; mismatch."""

import numpy as np
import pytest

from neurocircuit.errors import InputError
from neurocircuit.spec import Circuit
from neurocircuit.spice.devices import DeviceShift, devices
from neurocircuit.spice.phases import rising_edges
from neurocircuit.spice.process import load
from neurocircuit.spice.saved_states import idle
from neurocircuit.spice.transistor_deck import Input, State, compose_bench, compose_neuron, number
from neurocircuit.spice.transistor_run import fire_times_s, simulate
from tests.command_line import LONG_s

NS = 1e-9
ARM_s, STATE_s = 14 * NS, 17 * NS
# What `characterize` found for generic65 tt with six synapses attached: standing voltages, and trimmed currents in A.
STANDING_V = (0.4557, 0.5444, 0.7190, 0.3368)
TRIMMED = {"vco2_A": 10.21e-6, "vco3_A": 15.47e-6, "vco4_A": 14.14e-6}
CODE = 7  # 0.58 of the threshold: two fire, one does not
INPUTS_s = (18 * NS, 19.5 * NS)
pytestmark = pytest.mark.xdist_group("transistor")


def run(circuit, inputs, *, power_up=False, **options):
    """With idle synapses up to those of the trim."""
    extra = idle(circuit, len(inputs), from_power_up=power_up)
    return simulate(compose_neuron(circuit, inputs, extra=extra, **options), timeout_s=LONG_s)


@pytest.fixture(scope="module")
def circuit():
    """generic65, trimmed."""
    installed = load("generic65")
    process = installed.process
    return Circuit(
        process=process.name,
        condition=installed.condition(),
        components=process.components,
        bias=process.nominal.replace(**TRIMMED),
        standing_V=STANDING_V,
        f1_Hz=process.f1_Hz,
        f3_Hz=process.threshold_vco_ratio * process.f1_Hz,
    )


@pytest.fixture(scope="module")
def locked(circuit):
    """The armed neuron with idle synapses: the run to it, and its state."""
    return run(circuit, [Input()] * 2, power_up=True, stop_s=STATE_s, arm_s=ARM_s, save_state_at_s=STATE_s)


@pytest.fixture(scope="module")
def fired(circuit, locked):
    inputs = [Input((time_s,), CODE) for time_s in INPUTS_s]
    return run(circuit, inputs, stop_s=70 * NS, start=locked.state, stop_when_fired=True)


def test_the_loop_locks_at_quadrature_and_arming_sets_the_lead(locked):
    vectors = locked.vectors
    edges = {node: rising_edges(vectors["time"], vectors[f"v({node})"], 0.5) for node in ("o1", "o2", "o3", "o4")}
    o1, o2 = (edges[node][edges[node] > 10 * NS] for node in ("o1", "o2"))
    count = min(len(o1), len(o2))
    lag = 2 * np.pi * (o2[:count] - o1[:count]) / np.diff(o1).mean()
    assert np.mod(lag[-1], 2 * np.pi) == pytest.approx(np.pi / 2, abs=0.2)
    assert 1 / np.diff(o1).mean() == pytest.approx(0.75e9, rel=0.01)
    o3, o4 = (edges[node][edges[node] > ARM_s] for node in ("o3", "o4"))
    assert 1 / np.diff(o3)[-1] == pytest.approx(0.9375e9, rel=0.02)
    assert 1.5 < 2 * np.pi * 0.9375e9 * (o4[0] - o3[0]) < 2.2
    assert locked.state.inputs == 2
    assert all(0 <= phase < 2 * np.pi for phase in locked.state.start_rad)


def test_it_fires_once_with_two_inputs_and_the_run_stops_there(fired):
    times_s = fire_times_s(fired, 1.0)
    assert fired.stopped
    assert len(times_s) == 1
    assert INPUTS_s[1] + 2 * NS < times_s[0] < 55 * NS
    assert fired.vectors["time"][-1] < times_s[0] + 1 * NS


@pytest.mark.long
def test_it_stays_silent_with_one_of_its_inputs_missing(circuit, locked):
    """To four time constants after the other; one input of this code takes the membrane to 0.58 of the threshold."""
    inputs = [Input((INPUTS_s[0],), CODE), Input((), CODE)]
    silent = run(circuit, inputs, stop_s=INPUTS_s[0] + 80 * NS, start=locked.state, stop_when_fired=True)
    assert not silent.stopped
    assert len(fire_times_s(silent, 1.0)) == 0


@pytest.mark.long
def test_it_fires_again_after_it_was_armed_again_and_a_silent_one_is_reset(circuit, locked):
    """Two patterns; both fire. The third arming meets no input, and reset ends it without a spike."""
    spikes = [(time_s, time_s + 60 * NS) for time_s in INPUTS_s]
    inputs = [Input(times, 15) for times in spikes]
    later = {"arm_s": (ARM_s + 60 * NS, 118 * NS), "reset_s": (124 * NS,)}
    outcome = run(circuit, inputs, stop_s=127 * NS, start=locked.state, **later)
    times_s = fire_times_s(outcome, 1.0)
    assert len(times_s) == 2
    # To the edges of VCO3, which starts with each arming. Measured: 60.22 ns.
    assert times_s[1] - times_s[0] == pytest.approx(60 * NS, abs=2 / 0.9375e9)
    running = rising_edges(outcome.vectors["time"], outcome.vectors["v(en3)"], 0.5)
    stopped = rising_edges(outcome.vectors["time"], -outcome.vectors["v(en3)"], -0.5)
    assert len(running) == 2  # the first arming lies in the state
    assert len(stopped) == 3
    assert stopped[-1] == pytest.approx(124 * NS, abs=1 * NS)


@pytest.mark.long
def test_half_the_time_step_moves_the_fire_time_by_less_than_15_ps(circuit, locked, fired):
    """The trapezoidal rule is of second order: 5 ps is 270 points a period of VCO1. Measured with code 8: 3.2 ps."""
    inputs = [Input((time_s,), CODE) for time_s in INPUTS_s]
    finer = run(circuit, inputs, stop_s=70 * NS, start=locked.state, stop_when_fired=True, max_step_s=2.5e-12)
    assert fire_times_s(finer, 1.0)[0] == pytest.approx(fire_times_s(fired, 1.0)[0], abs=15e-12)


@pytest.mark.parametrize(
    ("inputs", "options", "message"),
    [
        ([Input((30e-9,), 16)], {}, r"code of input 0 must be within ±15, got 16"),
        ([Input((30e-9, 30.5e-9), 1)], {}, r"spikes of input 0 must be >= 1.1e-09 s apart, got 5e-10 s"),
        ([Input()], {"start": State("", 20e-9, (0.0, 0.0), 2)}, r"inputs must be 2, as in the saved state, got 1"),
        (
            [Input((5e-9,), 1)],
            {"start": State("", 20e-9, (0.0, 0.0), 1)},
            r"input 0 must come after 2e-08 s, got 5e-09",
        ),
        ([], {"stop_s": 0.0}, r"stop must be > 0 s, where the deck begins, got 0 s"),
    ],
)
def test_impossible_decks_are_refused(circuit, inputs, options, message):
    with pytest.raises(InputError, match=message):
        compose_neuron(circuit, inputs, **{"stop_s": 50e-9, **options})


def test_numbers_in_decks_are_plain_and_the_identity_follows_the_content(circuit):
    one = compose_neuron(circuit, [Input((np.float64(30e-9),), 3)], stop_s=np.float64(50e-9))
    assert "np." not in one.text
    assert one.identity == compose_neuron(circuit, [Input((30e-9,), 3)], stop_s=50e-9).identity
    assert one.identity != compose_neuron(circuit, [Input((30e-9,), 4)], stop_s=50e-9).identity
    assert str(load("generic65").folder) not in one.text


def test_every_transistor_is_listed_with_its_size(circuit):
    found = {device.path: device for device in devices(compose_neuron(circuit, [Input()], stop_s=50e-9))}
    tail, unit = found["m.xneuron.xvco1.x2.xps.mpmos"], found["m.xw0.x3.xcn.mnmos"]
    assert (tail.polarity, tail.w_m, tail.l_m, tail.m) == ("p", pytest.approx(600e-9), pytest.approx(120e-9), 1)
    assert (unit.polarity, unit.w_m, unit.l_m, unit.m) == ("n", pytest.approx(160e-9), pytest.approx(240e-9), 8)
    assert sum(path.startswith("m.xneuron.xvco1.") for path in found) == 3 + 6 + 4 * 4 + 4


RINGS = """Vdd vdd 0 1.0
.ic v(vdd)=1.0
Ven en 0 pulse(0.0 1.0 2e-9 2e-11 2e-11 1.0 2.0)
"""


@pytest.mark.parametrize("name", ["generic65", "freepdk45", "sky130"])
def test_shifts_of_single_devices_act_and_shifts_of_zero_do_not(name):
    """Higher |Vth| of the mirror diode lets more current through the ring's sources, a higher beta of it less."""
    try:
        installed = load(name)
    except InputError as error:
        pytest.skip(str(error))
    process = installed.process
    high = number(process.supply_V)
    body = RINGS.replace("1.0\n", f"{high}\n").replace("0.0 1.0 2e-9", f"0.0 {high} 2e-9")
    body += "\n".join(
        f"I{k} vdd ib{k} {number(process.nominal.vco1_A)}\nx{k} ib{k} en o{k} vdd ring_cco" for k in range(4)
    )
    bench = {"saved": tuple(f"v(o{k})" for k in range(4)), "stop_s": 2e-9 + 6 / process.f1_Hz, "max_step_s": 1e-11}
    condition = installed.condition()
    diodes = {}
    for device in devices(compose_bench(installed, condition, body, **bench)):
        if ".xdiode." in device.path:
            diodes[device.path.split(".")[1]] = device.path
    shifts = {diodes["x1"]: DeviceShift(vth_V=0.01), diodes["x2"]: DeviceShift(beta=0.05), diodes["x3"]: DeviceShift()}
    vectors = simulate(compose_bench(installed, condition, body, **bench, mismatch=shifts), timeout_s=LONG_s).vectors
    frequencies = []
    for k in range(4):
        edges = rising_edges(vectors["time"], vectors[f"v(o{k})"], process.supply_V / 2)[2:]
        frequencies.append(1 / np.diff(edges).mean())
    assert frequencies[1] > 1.02 * frequencies[0]
    assert 0.93 * frequencies[0] < frequencies[2] < 0.995 * frequencies[0]
    assert frequencies[3] == pytest.approx(frequencies[0], rel=1e-4)
