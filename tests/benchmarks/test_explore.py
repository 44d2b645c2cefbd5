"""What a picture of `explore` costs: with 500 draws a row it must leave the browser most of 200 ms; `make bench`."""

import time

import pytest

from neurocircuit.explore import charts
from neurocircuit.explore.circuit import DRAWS, turned, view
from neurocircuit.spec import NeuronSpec

LONGEST_s = 0.12


@pytest.mark.parametrize("values", [{}, {"tau": 30e-9}, {"noise": 1e4}, {"f0": 3e9}], ids=str)
def test_a_picture_of_a_circuit(benchmark, values):
    """Processor time: what else the machine does is not the page's."""
    spec = turned(NeuronSpec(), values)

    def picture() -> float:
        begin = time.process_time()
        shown = view(spec, draws=DRAWS)
        charts.waveform_chart(shown, charts.LIGHT)
        charts.curve_chart(shown, charts.LIGHT, False)
        return time.process_time() - begin

    picture()
    assert benchmark.pedantic(picture, rounds=5) < LONGEST_s
