"""NeuronSpec: defaults, round trip, one-line errors."""

import math
import tomllib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from neurocircuit.errors import InputError, SpecError
from neurocircuit.spec import Flicker, Lead, NeuronSpec, Ramp, Sensitivity

PHASE_NOISE = "phase_noise = ['0 rad2/s', '0 rad2/s', '0 rad2/s', "


def test_embedded_circuit_has_its_threshold_at_one_and_an_overdamped_loop():
    spec = NeuronSpec()
    assert spec.threshold_weight == pytest.approx(1.0)
    assert spec.loop_ratio == pytest.approx(8.0)
    assert spec.cycles_per_tau == pytest.approx(15.28)


@given(
    tau=st.floats(1e-10, 1e-6),
    cycles=st.floats(1.5, 1e4),
    ratio=st.floats(0.1, 1e6),
    threshold=st.one_of(
        st.builds(Lead, lead_rad=st.floats(1e-3, 3.14)), st.builds(Ramp, offset_Hz=st.floats(1e3, 1e9))
    ),
    noise=st.floats(0, 1e3),
)
def test_toml_round_trip_is_exact(tau, cycles, ratio, threshold, noise):
    spec = NeuronSpec(
        tau_s=tau,
        f0_Hz=cycles / tau,
        loop_filter_rad_per_s=ratio / tau,
        vco4_swing_Hz=0.1 * cycles / tau,
        spike_width_s=0.01 * tau,
        window_s=7 * tau,
        threshold=threshold,
        phase_noise=(noise, 0.0, noise / 3, 1.0),
        flicker=Flicker(h=(1e-9 * noise, 0.0, 1e-8, 1e-8), shared_vco1_vco2=noise / 1e3, since_trim_s=noise),
        sensitivities=(Sensitivity(field="tau_s", per_supply=-0.3, per_kelvin=1e-3, source="planted"),),
    )
    assert NeuronSpec.from_dict(tomllib.loads(spec.to_toml())) == spec


def test_a_noise_is_assumed_unless_its_source_is_given_with_it():
    flicker = Flicker(h=(1e-8, 1e-8, 1e-8, 1e-8))
    measured = NeuronSpec(phase_noise=(1e5, 1e5, 1e5, 1e5), flicker=flicker, noise_source="devices of planted")
    assert NeuronSpec.from_dict(tomllib.loads(measured.to_toml())) == measured
    assert measured.replace(name="other", tau_s=19e-9).noise_source == "devices of planted"
    # What a person changes is a person's.
    assert measured.replace(phase_noise=(2e5, 1e5, 1e5, 1e5)).noise_source is None
    assert measured.replace(flicker=flicker.replace(since_trim_s=2.0)).noise_source is None
    assert measured.replace(flicker=None, noise_source="devices of planted").noise_source == "devices of planted"
    quiet = measured.without_noise()
    assert quiet == NeuronSpec()
    with pytest.raises(SpecError, match="noise_source must stand beside phase_noise or flicker, got 'planted' alone"):
        quiet.replace(noise_source="planted")


def test_loop_gain_and_cycles_may_stand_for_tau_and_f0():
    by_gain = NeuronSpec.from_dict({"K": "50 Mrad/s", "cycles_per_tau": 70.0})
    assert by_gain.tau_s == pytest.approx(20e-9)
    assert by_gain.f0_Hz == pytest.approx(3.5e9)


def test_sensitivities_move_their_field_only():
    spec = NeuronSpec(sensitivities=(Sensitivity(field="f0_Hz", per_supply=1.2, per_kelvin=-5e-4, source="planted"),))
    moved = spec.at(supply_ratio=1.05, temperature_K=310.15)
    assert moved.f0_Hz == pytest.approx(spec.f0_Hz * (1 + 1.2 * 0.05 - 5e-4 * 10))
    assert moved.replace(f0_Hz=spec.f0_Hz) == spec


@pytest.mark.parametrize(
    ("toml", "message"),
    [
        ("f0 = '-1 GHz'", "NeuronSpec.f0 must be > 0, got '-1 GHz'"),
        ("f0 = 764e6", "NeuronSpec.f0 must be text with the unit Hz"),
        ("f0 = '1M'", "NeuronSpec.f0 must carry the unit Hz"),
        ("f0 = '1 kHz'", "NeuronSpec.f0·tau must be >= 1 cycle"),
        ("tau = '20 Hz'", "NeuronSpec.tau must carry the unit s"),
        ("tau = 'nan s'", "NeuronSpec.tau must be finite"),
        ("tau = '2 s'", "NeuronSpec.tau must be <= 1.0"),
        ("tau = '20 ns'\nK = '50 Mrad/s'", "NeuronSpec.K must not stand beside tau"),
        ("K = '-1 rad/s'", "NeuronSpec.K must be > 0"),
        ("cycles_per_tau = 'many'", "NeuronSpec.cycles_per_tau must be a finite number"),
        ("foo = 1", "NeuronSpec.foo is not a known field, got 1"),
        ("treshold = 1", "NeuronSpec.treshold is not a known field, got 1; did you mean threshold?"),
        (
            "threshold = { kind = 'lead', leed = '1 rad' }",
            "NeuronSpec.threshold.leed is not a known field, got '1 rad'; did you mean lead?",
        ),
        (
            "threshold = { kind = 'ramp', offsett = '1 Hz' }",
            "NeuronSpec.threshold.offsett is not a known field, got '1 Hz'; did you mean offset?",
        ),
        (
            "supply = {sensitivity = ['1 1/V', '0 1/V', '0 1/V', '0 1/V'], tones = [{frequency = '1 MHz', "
            "amplitud = '1 mV'}]}",
            "NeuronSpec.supply.tones[0].amplitud is not a known field, got '1 mV'; did you mean amplitude?",
        ),
        ("readout = 'x'", "NeuronSpec.readout must be 'continuous' or 'q', got 'x'"),
        ("threshold = { kind = 'lead', lead = '4 rad' }", "NeuronSpec.threshold.lead must be < 3.14"),
        ("threshold = { kind = 'x' }", "NeuronSpec.threshold must have a 'kind' among 'lead', 'ramp'"),
        (
            'supply = {tones = [{frequency = "1 MHz", amplitude = "10 mV"}]}',
            "NeuronSpec.supply.sensitivity is missing",
        ),
        (
            'supply = {sensitivity = ["1 1/V", "0 1/V", "0 1/V", "-9 1/V"], tones = [{frequency = "1 MHz", '
            'amplitude = "10 mV"}]}',
            "NeuronSpec.supply must move frequencies by <= 0.03 at most, got 0.09",
        ),
        (
            'supply = {sensitivity = ["1 1/V", "0 1/V", "0 1/V", "0 1/V"], tones = [{frequency = "0.2 GHz", '
            'amplitude = "1 mV"}]}',
            "NeuronSpec.supply.tones must have frequencies <= f0/4, here 1.91e+08 Hz, got 2e+08 Hz",
        ),
        ("flicker = {h = [1e-8, 1e-8, 1e-8, 1e-3]}", "NeuronSpec.flicker.h[3] must be <= 1e-05, got 0.001"),
        (
            "flicker = {h = [0, 0, 0, 0], since_trim = 1.0}",
            "NeuronSpec.flicker.since_trim must be text with the unit s",
        ),
        (
            "flicker = {h = [0, 0, 0, 0], shared_vco3_vco4 = 1.1}",
            "NeuronSpec.flicker.shared_vco3_vco4 must be <= 1, got 1.1",
        ),
        ("phase_noise = ['1 rad2/s']", "NeuronSpec.phase_noise[1] is missing"),
        (PHASE_NOISE + "'-1 rad2/s']", "NeuronSpec.phase_noise must be >= 0, got -1"),
        (PHASE_NOISE + "'1e9 rad2/s']", "NeuronSpec.phase_noise must be <= 0.1·f0"),
        ("frequency_error = { after_trim = [0, 0, 0, 0.9] }", "NeuronSpec.frequency_error.after_trim[3] must be < 0.5"),
        ("weight_bank = { excitatory = { bits = 4.5 } }", "NeuronSpec.weight_bank.excitatory.bits must be a valid int"),
        ("weight_bank = { inhibitory = { bits = 0 } }", "NeuronSpec.weight_bank.inhibitory.bits must be >= 1, got 0"),
        ("sensitivities = [{ field = 'tau_s' }]", "NeuronSpec.sensitivities[0].source is missing"),
        ("vco4_swing = '3 GHz'", "NeuronSpec.vco4_swing must be <= 2·f0"),
        ("window = '1 ms'", "NeuronSpec.window must be <= 1000 tau"),
        ("f0 = '7640000 GHz'", "NeuronSpec.f0·window must be <= 1e+07 cycles"),
        ("frequency_error = { trimmed = 'yes' }", "NeuronSpec.frequency_error.trimmed must be a valid boolean"),
        ("spike_width = '300 ns'", "NeuronSpec.spike_width must be < window"),
        ("loop_filter = '1 rad/s'", "NeuronSpec.loop_filter·tau must be within"),
        ("start_phases = 'fixed'", "NeuronSpec.start_phases must be 'random', got 'fixed'"),
        ('name = "a\\n.include /etc/passwd"', "NeuronSpec.name must match"),
    ],
)
def test_wrong_fields_give_one_line(toml, message):
    with pytest.raises(SpecError) as caught:
        NeuronSpec.from_dict(tomllib.loads(toml))
    assert str(caught.value).startswith(message)
    assert "\n" not in str(caught.value)


def test_python_names_fields_by_their_si_name():
    with pytest.raises(SpecError, match=r"^NeuronSpec.f0_Hz must be > 0, got -1"):
        NeuronSpec(f0_Hz=-1)
    with pytest.raises(SpecError, match=r"^NeuronSpec.tau_s must be finite"):
        NeuronSpec(tau_s=math.inf)


def test_unreadable_files_are_named(tmp_path):
    with pytest.raises(InputError, match=r"cannot read .*nowhere.toml: No such file"):
        NeuronSpec.from_toml(str(tmp_path / "nowhere.toml"))
    broken = tmp_path / "broken.toml"
    broken.write_bytes(b"\xff\xfe = [")
    with pytest.raises(InputError, match=r"broken.toml must be TOML"):
        NeuronSpec.from_toml(broken)
