"""neurocircuit sweep --process: which neurons, directories and chips the options ask for; nothing is simulated."""

import sys
from pathlib import Path

import numpy as np
import pytest

from neurocircuit.cli import main, sweep
from neurocircuit.errors import SimulatorBadOutput
from neurocircuit.spec import Bias, Circuit, Components, NeuronSpec
from neurocircuit.studies.sweep import api
from neurocircuit.studies.sweep.plan import SweepRequest
from neurocircuit.studies.sweep.run import Outcome

PARTS = Components(r1_Ohm=3e5, c_F=1e-14, r2_Ohm=1.3e6, r4_Ohm=8e4)
CURRENTS = Bias(vco1_A=1e-5, vco2_A=1e-5, vco3_A=1.5e-5, vco4_A=1.4e-5, weight_A=1e-6)


def neuron(condition, **fields):
    circuit = Circuit(
        process="generic65", condition=condition, components=PARTS, bias=CURRENTS, f1_Hz=750e6, f3_Hz=937e6
    )
    return NeuronSpec(circuit=circuit.replace(**fields), threshold_vco_ratio=1.25)


@pytest.fixture
def call(monkeypatch, capsys, tmp_path):
    """Run `neurocircuit sweep …` without trim and without a sweep; (exit code, stderr, requests with their folders)."""
    asked = []
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("NEUROCIRCUIT_LEDGER", str(tmp_path / "ledger"))
    monkeypatch.setattr(api, "neuron_at", lambda process, condition: neuron(condition))
    monkeypatch.setattr(sweep, "deliver", lambda *arguments: None)
    monkeypatch.setattr(api.SweepRun, "of", lambda *arguments: None)

    def run(request, settings, *others):
        asked.append((request, settings.out))
        return Outcome(None, {})

    monkeypatch.setattr(api, "_run", run)

    def call(*arguments: str):
        monkeypatch.setattr(sys, "argv", ["neurocircuit", "sweep", "--no-report", *arguments])
        asked.clear()
        code: object = 0
        try:
            main()
        except SystemExit as ended:
            code = ended.code or 0
        return code, capsys.readouterr().err, list(asked)

    return call


def test_the_level_brings_its_testbench_and_only_the_jitter_half(call):
    code, _, [(request, out)] = call("--level", "transistor", "--process", "generic65", "--out", "run")
    assert (code, out) == (0, Path("run"))
    assert request.testbench.name == "transistor"
    assert request.halves == ("jitter",)
    assert request.levels == {"ideal": 2000, "averaged": 2000, "edge": 2000, "transistor": request.testbench.trials}
    assert request.spec.circuit.condition.corner == "tt"
    assert request.spec.circuit.condition.supply_V == 1.0


def test_each_condition_gets_a_directory(call):
    options = ("--level", "transistor", "--process", "generic65", "--corner", "tt,ss", "--vdd", "0.95", "--temp", "85")
    code, _, found = call(*options, "--out", "runs")
    assert code == 0
    assert [out for _, out in found] == [Path("runs/tt_85C_0.95V"), Path("runs/ss_85C_0.95V")]
    assert [request.spec.circuit.condition.corner for request, _ in found] == ["tt", "ss"]
    assert call(*options)[:2] == (
        2,
        "neurocircuit: several conditions must come with --out: each gets a folder below it\n",
    )


def test_a_process_serves_the_fast_levels_too(call):
    _, _, [(request, _)] = call("--process", "generic65", "--out", "run")
    assert request.testbench.level == "edge"
    assert request.spec.circuit is not None
    assert "transistor" not in request.levels


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (("--corner", "ss"), "--corner, --temp and --vdd need --process"),
        (("--process", "generic65", "--spec", "embedded"), "--process and --spec must not stand together"),
        (("--process", "generic65", "--corner", "sss"), "corner of process generic65 must be one of tt, ss, ff"),
        (("--process", "generic56"), "generic56"),
        (("--process", "generic65", "--resume", "--out", "run"), "--resume takes process"),
        (("--level", "transistor", "--process", "generic65", "--bits", "4,8"), "--bits must be <= 4"),
        (("--mc", "3"), "--mc needs a neuron with transistors"),
        (("--process", "generic65", "--mc", "0"), "--mc"),
    ],
)
def test_what_does_not_go_together_is_one_line(call, options, words):
    code, err, found = call(*options)
    assert (code, found) == (2, [])
    assert len(err.splitlines()) == 1
    assert words in err


def test_chips_differ_by_seed_are_trimmed_and_the_untrimmable_are_lost_yield(call, monkeypatch):
    from neurocircuit.process import monte_carlo

    def trimmed(circuit):
        seen.append(circuit.chip_seed)
        if len(seen) == 2:
            raise SimulatorBadOutput("VCO2 does not lock within 6 trim steps")
        changed = {"bias": circuit.bias.replace(vco2_A=1.1e-5), "f1_Hz": 7e8, "f3_Hz": 9e8, "lead_rad": 1.7}
        return type("Found", (), changed | {"standing_V": ()})

    seen: list[int] = []
    monkeypatch.setattr(monte_carlo, "_trimmed", trimmed)
    monkeypatch.setattr(
        monte_carlo,
        "spec_as_measured",
        lambda spec, circuit, trim, weights: spec.replace(circuit=circuit.replace(bias=trim.bias)),
    )
    options = ("--level", "transistor", "--process", "generic65", "--mc", "3", "--out", "run")
    code, err, [(request, _)] = call(*options)
    assert code == 0
    why = "VCO2 does not lock within 6 trim steps"
    assert err == ""
    assert [chip.circuit.chip_seed for chip in request.chips] == [seen[0], seen[2]]
    assert len(set(seen)) == 3
    np.testing.assert_allclose([chip.circuit.bias.vco2_A for chip in request.chips], 1.1e-5)
    assert request.lost == {f"{request.spec.name} chip 1": why}
    assert SweepRequest.from_dict(request.to_dict()) == request
    first = seen.copy()
    longer = call(*options[:5], "5", *options[6:], "--seed", "1")[2][0][0]
    assert [chip.circuit.chip_seed for chip in longer.chips[:3]] == first


def test_a_run_without_a_chip_that_trims_is_one_line(call, monkeypatch):
    from neurocircuit.process import monte_carlo

    def trimmed(circuit):
        raise SimulatorBadOutput("VCO2 does not lock within 6 trim steps")

    monkeypatch.setattr(monte_carlo, "_trimmed", trimmed)
    code, err, found = call("--level", "transistor", "--process", "generic65", "--mc", "2", "--out", "run")
    assert (code, found) == (3, [])
    assert len(err.splitlines()) == 1
    assert "none of 2 chips can be trimmed" in err
    assert "chip 0: VCO2 does not lock within 6 trim steps" in err


def test_minutes_of_trim_come_after_what_can_be_refused_and_not_in_a_dry_run(call, monkeypatch):
    from neurocircuit.process import monte_carlo
    from neurocircuit.studies.sweep import estimate

    def trimmed(circuit):
        raise AssertionError("no chip was to be trimmed")

    monkeypatch.setattr(monte_carlo, "_trimmed", trimmed)
    monkeypatch.setattr(estimate, "_probe", lambda batch: 1.0)  # half a minute of ngspice for this made-up neuron
    options = ("--level", "transistor", "--process", "generic65", "--mc", "2", "--out", "run")
    code, err, _ = call(*options, "--cross-trials", "1")
    assert (code, err) == (2, "neurocircuit: Testbench.cross_check_trials must be >= 2, got 1\n")
    assert call(*options, "--dry-run")[0] == 0


def test_the_transistor_level_takes_the_characterised_neuron_that_ships(call):
    _, _, [(request, _)] = call("--level", "transistor", "--out", "run")
    assert request.spec.circuit.process == "generic65"
    assert request.spec.circuit.condition.corner == "tt"
