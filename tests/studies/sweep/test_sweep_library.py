import numpy as np
import pytest

from neurocircuit.errors import InputError, SpecError
from neurocircuit.neuron import levels
from neurocircuit.spec import NeuronSpec
from neurocircuit.studies.sweep.draws import draw
from neurocircuit.studies.sweep.library import NAMES, load_testbench


@pytest.mark.parametrize("name", NAMES)
def test_a_shipped_testbench_carries_its_own_name_and_survives_a_round_trip(name, tmp_path):
    testbench = load_testbench(name)
    assert testbench.name == name
    (tmp_path / "copy.toml").write_text(testbench.to_toml())
    assert load_testbench(str(tmp_path / "copy.toml")) == testbench


def test_paper_ideal_differs_from_paper_only_in_its_level():
    paper, ideal = load_testbench("paper"), load_testbench("paper-ideal")
    assert paper.replace(name=ideal.name, summary=ideal.summary, level="ideal") == ideal


def test_most_random_operating_points_fire_within_the_range_of_the_xor():
    testbench, spec = load_testbench("random-operating-points"), NeuronSpec()
    draws = draw(spec, testbench, 1, 0, 2000)
    for weights in (draws.weights, draws.quantised_weights):
        assert (weights > 0).any()
        assert (weights < 0).any()
        record = levels.evaluate("ideal", spec, draws.t_over_tau, weights)
        # Of 2000 draws the fraction is known to 0.007 (one sigma); the summary says nine in ten.
        assert 0.85 < record.fired.mean() < 1.0
        assert record.headroom.max() < 1.0
    assert np.ptp(draws.t_over_tau) > 0.5


@pytest.mark.parametrize("name", ["papr", "paper_ideal", "no/such/thing", ""])
def test_an_unknown_name_lists_the_known_ones(name):
    with pytest.raises(InputError, match="paper, paper-ideal, random-operating-points"):
        load_testbench(name)


def test_a_missing_or_wrong_file_is_named(tmp_path):
    with pytest.raises(InputError, match=r"gone\.toml"):
        load_testbench(str(tmp_path / "gone.toml"))
    (tmp_path / "bad.toml").write_text('name = "bad"\n')
    with pytest.raises(SpecError, match="Testbench"):
        load_testbench(str(tmp_path / "bad.toml"))
