"""Defaults of a sweep: which testbench and how many draws, before anything runs."""

import pytest

from neurocircuit.spec import Testbench
from neurocircuit.studies.sweep import library
from neurocircuit.studies.sweep.options import SweepOptions, build_request


def draws(**options):
    request = build_request(SweepOptions(**options))
    bench = request.testbench
    return bench.name, request.levels.get("transistor"), bench.trials, bench.cross_check_trials


def test_transistors_have_few_draws_whatever_the_testbench():
    assert draws(level="transistor") == ("transistor", 12, 12, 3)
    assert draws(level="transistor", testbench="paper") == ("paper", 12, 12, 3)
    assert draws(testbench="transistor") == ("transistor", 12, 12, 3)


def test_fast_levels_beside_the_transistors_keep_many_draws():
    request = build_request(SweepOptions(level="transistor", testbench="paper"))
    assert request.levels == {"ideal": 2000, "averaged": 2000, "edge": 2000, "transistor": 12}
    assert request.halves == ("jitter",)


def test_a_cross_check_in_transistors_has_few_draws_and_the_level_itself_all():
    spec = build_request(SweepOptions(level="transistor")).spec
    assert draws(spec=spec, cross_check="transistor", bits=()) == ("paper", 3, 2000, 3)


@pytest.mark.parametrize("testbench", [None, "paper"])
def test_what_is_asked_for_goes_before_the_few_draws(testbench):
    assert draws(level="transistor", testbench=testbench, trials=40, cross_trials=8)[1:] == (40, 40, 8)
    assert draws(level="transistor", testbench=testbench, trials=40)[1:] == (40, 40, 3)


def test_a_testbench_of_the_level_says_how_many_draws():
    bench: Testbench = library.load_testbench("transistor").replace(trials=30, cross_check_trials=5)
    assert draws(testbench=bench)[1:] == (30, 30, 5)
    assert draws(testbench=bench, level="transistor")[1:] == (30, 30, 5)


def test_other_levels_have_the_draws_of_the_testbench():
    assert draws(level="bsource") == ("paper", None, 2000, 20)
    assert draws() == ("paper", None, 2000, 20)


def test_an_unknown_option_is_refused():
    with pytest.raises(TypeError, match="jiter"):
        SweepOptions(jiter=(0.01,))  # type: ignore[call-arg]
