"""Pixels to spikes and spikes to a decision, against the formulas of paper §4.1."""

import math

import pytest
import torch

from neurocircuit.errors import SpecError
from neurocircuit.snn.encode import Encoding, encode, first_spike


@pytest.mark.parametrize(("kind", "times"), [("bright_first", (3.0, 1.5, 0.0)), ("dark_first", (0.0, 1.5, 3.0))])
def test_times_follow_the_paper(kind, times):
    z = encode(torch.tensor([0.0, 0.5, 1.0]), Encoding(kind=kind, alpha=3.0))

    assert torch.log(z).tolist() == pytest.approx(times, abs=1e-6)


def test_the_first_output_spike_decides_and_of_two_the_lower_class():
    z_out = torch.tensor([[3.0, 2.0, math.inf], [2.0, 5.0, 2.0]])

    decision, decided = first_spike(z_out)

    assert decision.tolist() == [1, 0]
    assert decided.tolist() == [True, True]


def test_without_an_output_spike_there_is_no_decision():
    decision, decided = first_spike(torch.full((1, 10), math.inf))

    assert decision.tolist() == [-1]
    assert decided.tolist() == [False]


def test_alpha_is_bounded_in_one_line():
    with pytest.raises(SpecError, match=r"^Encoding\.alpha must be > 0, got 0"):
        Encoding(alpha=0.0)
