import re
import subprocess
import sys
import zipfile
from pathlib import Path

import numpy as np
import pytest

from neurocircuit.errors import InputError
from neurocircuit.spec import FrequencyError, NeuronSpec, Ramp
from neurocircuit.spice import deck, ngspice
from tests.command_line import LONG_s

ROOT = Path(__file__).parents[2]
SILENT_AND_LATE = (np.array([0.16, 0.19, np.inf, 10.5]), np.array([0.8, -0.5, 3.0, 4.0]))

GOLDEN = """\
.title phase_domain_averaged_neuron
.include phase_domain_averaged.cir
Vphi1 phi1 0 PWL(0.0 0.0
+ 3.2e-09 0.0
+ 3.8000000000000003e-09 0.24000000000000013
+ 4.2e-09 0.30000000000000004
+ 4.800000000000001e-09 0.15000000000000002
+ 2e-07 0.15000000000000002)
Icorner0 0 0 PWL(3.2e-09 0.0
+ 2e-07 0.0)
Icorner1 0 0 PWL(3.8000000000000003e-09 0.0
+ 2e-07 0.0)
Icorner2 0 0 PWL(4.2e-09 0.0
+ 2e-07 0.0)
Icorner3 0 0 PWL(4.800000000000001e-09 0.0
+ 2e-07 0.0)
Xneuron phi1 e up vc phi2 membrane up phase_domain_averaged <parameters>
.options method=trap reltol=1e-07
.save v(phi1) v(e) v(up) v(vc) v(phi2) v(membrane)
.tran 4e-10 2e-07 0.0 4e-10
.control
set num_threads=1
.endc
.end
"""


def numbers_rounded(text):
    """The same text with every float at 12 digits, so that the last digit of a product does not matter."""
    return re.sub(r"-?\d+\.?\d*(e[-+]\d+)?", lambda found: f"{float(found[0]):.11e}", text)


def test_the_composed_text():
    """Worked out by hand: two pulses of 1 ns that overlap by 0.4 ns, +0.4 and -0.25 rad; VCO1 0.02 % fast."""
    spec = NeuronSpec(frequency_error=FrequencyError(after_trim=(2e-4, 0, 0, 0)))
    drift2 = -2 * np.pi * 764e6 * 2e-4
    parameters = f"drift2={drift2!r} drift4=0.0 swing=75000000.0 tau=2e-08 w_lf=400000000.0"
    expected = GOLDEN.replace("<parameters>", parameters)
    assert numbers_rounded(deck.compose(spec, *SILENT_AND_LATE).text) == numbers_rounded(expected)


def test_no_number_carries_a_suffix_and_each_survives_the_text():
    spec = NeuronSpec(tau_s=1 / 3e7, f0_Hz=1e9 / 3, loop_filter_rad_per_s=1e9 / 7, spike_width_s=1e-9 / 3)
    composed = deck.compose(spec, np.array([1 / 3, 1 / 7]), np.array([0.1, 1 / 9]))
    waveform = re.search(r"PWL\(([^)]*)\)", composed.text)[1].replace("\n+", "")
    corners, phases = deck.vco1_corners(spec, np.array([1 / 3, 1 / 7]), np.array([0.1, 1 / 9]))
    assert [float(word) for word in waveform.split()] == np.stack([corners, phases], axis=1).ravel().tolist()
    settings = dict(word.split("=") for word in re.search(r"Xneuron.*", composed.text)[0].split()[9:])
    assert float(settings["tau"]) == spec.tau_s
    assert float(settings["w_lf"]) == spec.loop_filter_rad_per_s


def test_the_deck_does_not_depend_on_the_working_directory(tmp_path, monkeypatch):
    before = deck.compose(NeuronSpec(), *SILENT_AND_LATE)
    monkeypatch.chdir(tmp_path)
    assert deck.compose(NeuronSpec(), *SILENT_AND_LATE) == before


@pytest.mark.parametrize("seed", range(3))
def test_ngspice_meets_every_corner_whatever_its_steps(seed):
    """With the PWL source alone and this reltol it loses 16 to 20 of these 24 corners; with ours it seldom does."""
    rng = np.random.default_rng(seed)
    times, weights = rng.uniform(0, 2, 12), rng.normal(0, 1, 12)
    composed = deck.compose(NeuronSpec(), times, weights)
    text = composed.text.replace("reltol=1e-07", "reltol=1e-03")
    assert text != composed.text
    vectors = ngspice.run(text, composed.vectors, composed.t_stop_s, timeout_s=LONG_s, files=composed.files)
    corners, phases = deck.vco1_corners(NeuronSpec(), times, weights)
    distance = np.abs(vectors["time"][:, None] - corners).min(axis=0)
    assert np.all(distance <= 1e-6 * 20e-9)
    np.testing.assert_allclose(vectors["v(phi1)"], np.interp(vectors["time"], corners, phases), atol=1e-9)


def test_it_starts_in_the_static_lock():
    """e = 2 pi f0 (d1 - d2) tau, and the loop filter at 1/2 + e/pi: found by ngspice, not told to it."""
    spec = NeuronSpec(frequency_error=FrequencyError(after_trim=(1e-3, -2e-3, 0, 0)))
    composed = deck.compose(spec, np.array([0.5]), np.array([1.0]))
    vectors = ngspice.run(composed.text, composed.vectors, composed.t_stop_s, timeout_s=LONG_s, files=composed.files)
    lock = 2 * np.pi * 764e6 * 3e-3 * 20e-9
    assert vectors["v(e)"][0] == pytest.approx(lock, rel=1e-12)
    assert vectors["v(vc)"][0] == pytest.approx(0.5 + lock / np.pi, rel=1e-12)
    assert vectors["v(membrane)"][0] == 0


def test_coinciding_and_many_inputs():
    times = np.concatenate([np.zeros(3), np.full(3, 0.05), np.linspace(0, 9.99, 294)])
    corners, phases = deck.vco1_corners(NeuronSpec(), times, np.full(300, 0.01))
    assert np.all(np.diff(corners) > 0)
    assert phases[0] == 0
    assert np.interp(4.025 * 20e-9, corners, phases) == pytest.approx(
        0.5 * 0.01 * np.clip((4.025 - times) / 0.05, 0, 1).sum(), rel=1e-12
    )
    composed = deck.compose(NeuronSpec(threshold=Ramp(offset_Hz=1e6)), times, np.full(300, 0.01))
    assert (
        len(ngspice.run(composed.text, composed.vectors, composed.t_stop_s, timeout_s=LONG_s, files=composed.files))
        == 7
    )


def test_lengths_that_differ_are_refused():
    with pytest.raises(InputError, match=r"one entry for each input, got \(2,\) for \(1,\)"):
        deck.compose(NeuronSpec(), np.array([0.1]), np.array([1.0, 1.0]))


def test_the_netlist_travels_as_package_data(tmp_path):
    """The installed package (editable here) reads the live file; one zipped as a wheel is reads its own copy."""
    live = (ROOT / "netlists" / deck.NETLIST).read_text(encoding="utf-8")
    assert deck.netlist_text() == live
    archive = tmp_path / "wheel.zip"
    with zipfile.ZipFile(archive, "w") as wheel:
        for path in (ROOT / "neurocircuit").rglob("*.py"):
            wheel.write(path, path.relative_to(ROOT))
        wheel.writestr(f"neurocircuit/netlists/{deck.NETLIST}", live)
    script = (
        "import sys; sys.meta_path[:] = [f for f in sys.meta_path if 'ditable' not in type(f).__module__];"
        f"sys.path.insert(0, {str(archive)!r}); from neurocircuit.spice import deck;"
        "print(deck.__file__, deck.netlist_sha256())"
    )
    done = subprocess.run([sys.executable, "-c", script], cwd=tmp_path, capture_output=True, text=True, check=True)
    file, sha256 = done.stdout.split()
    assert file.startswith(str(archive))
    assert sha256 == deck.netlist_sha256()


def test_pyspice_is_loaded_only_to_compose():
    script = (
        "import sys; from neurocircuit.spice import bsource; assert 'PySpice' not in sys.modules;"
        "import numpy as np; from neurocircuit.spec import NeuronSpec;"
        "bsource.deck.compose(NeuronSpec(), np.zeros(1), np.ones(1)); assert 'PySpice' in sys.modules"
    )
    subprocess.run([sys.executable, "-W", "error", "-c", script], check=True)


def test_the_subcircuit_alone_runs_as_its_readme_says(tmp_path):
    """The commands of netlists/README.md, as they stand there."""
    readme = (ROOT / "netlists" / "README.md").read_text(encoding="utf-8")
    example = re.search(r"```spice\n(.*?)```", readme, re.DOTALL)[1]
    command = re.search(r"```sh\n(.*?)```", readme, re.DOTALL)[1].splitlines()[0]
    (tmp_path / "example.cir").write_text(example.replace("netlists/", f"{ROOT}/netlists/"))
    done = subprocess.run(command.split(), cwd=tmp_path, capture_output=True, text=True, check=True)
    printed = float(re.search(r"^fired\s*=\s*(\S+)", done.stdout, re.MULTILINE)[1])
    said = float(re.search(r"^fired\s*=\s*(\S+)", readme, re.MULTILINE)[1])
    assert printed == pytest.approx(said, rel=1e-5)
    # ngspice itself finds the crossing by a straight line between two points, hence the tolerance
    assert printed == pytest.approx(1.0476 * 20e-9, rel=1e-3)
