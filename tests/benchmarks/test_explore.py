"""What a picture of `explore` costs beside the neurons that it simulates: both in one run, so the machine cancels.

A picture at 500 draws is 8 rows of neurons at level edge. On a 2-core machine (AVX-512) the neurons alone take 8 ms of
processor time, 23 ms where f0 is four times as high; with eq. (4), intervals and the options of the charts it is 19 to
45 ms, 2.0 to 3.2 times as much. The bound is 4.5 times; tests/explore/test_circuit.py counts neurons and bytes.
"""

import time

import pytest

from neurocircuit.explore import charts
from neurocircuit.explore.circuit import DRAWS, turned, view
from neurocircuit.neuron import levels
from neurocircuit.spec import NeuronSpec
from neurocircuit.studies.sweep import library
from neurocircuit.studies.sweep.draws import draw

LARGEST = 4.5
ROWS = 8


@pytest.mark.parametrize("values", [{}, {"tau": 30e-9}, {"noise": 1e4}, {"f0": 3e9}], ids=str)
def test_a_picture_costs_little_more_than_its_neurons(benchmark, values):
    """Processor time: what else the machine does is not the page's."""
    spec = turned(NeuronSpec(), values)
    drawn = draw(spec, library.load_testbench("paper"), 1, 0, ROWS * DRAWS)

    def picture() -> None:
        shown = view(spec, draws=DRAWS)
        charts.waveform_chart(shown, charts.LIGHT)
        charts.curve_chart(shown, charts.LIGHT, False)

    def neurons() -> None:
        quiet = spec.without_noise()
        levels.evaluate("edge", quiet, drawn.t_over_tau, drawn.weights, start_rad=drawn.start_rad)

    def seconds(work) -> float:
        begin = time.process_time()
        work()
        return time.process_time() - begin

    ratios = []

    def pair() -> None:
        alone = seconds(neurons)
        ratios.append(seconds(picture) / alone)

    pair()
    benchmark.pedantic(pair, rounds=7)
    assert sorted(ratios)[len(ratios) // 2] < LARGEST
