"""Table 3's curve through a network: relative jitter of each layer from that of the one before."""

import numpy as np
import pytest

from neurocircuit.errors import InputError
from neurocircuit.tables import TransferTable
from neurocircuit.tables.curve import jitter_by_layer
from neurocircuit.tables.jitter import output_jitter

ROWS = (0.01, 0.03, 0.1)


def table_of(deviation):
    """A table whose output |Δ|/t is that of a normal Δ/t with the standard deviation `deviation(input jitter)`."""
    quantiles = np.random.default_rng(1).normal(size=200_000)
    clean = np.ones(len(quantiles))
    rows = {("edge", a): output_jitter(clean, clean + deviation(a) * quantiles, floor=1e-9) for a in ROWS}
    return TransferTable.from_statistics(rows, {}, {}, {})


@pytest.mark.parametrize("power", [1.0, 1.5])
def test_the_standard_deviation_of_a_layer_is_that_of_the_law(power):
    """Rows hold mean |Δ|/t = σ sqrt(2/π); what goes on is σ itself.

    200 000 draws know a mean to 0.17 %; three layers of power 1.5 add up 1 + 1.5 + 2.25 of that, and four errors of it.
    """
    table = table_of(lambda a: 0.4 * a**power)
    jitter, outside = jitter_by_layer(table, 0.05, 3, "it")
    expected = [0.05]
    for _ in range(3):
        expected.append(0.4 * expected[-1] ** power)
    np.testing.assert_allclose(jitter, expected, rtol=0.03)
    assert outside == sum(not 0.01 <= value <= 0.1 for value in expected[:3])


def test_an_input_jitter_beyond_a_ratio_is_refused():
    with pytest.raises(InputError, match=r"input jitter must be within 0 … 1, got 1\.5"):
        jitter_by_layer(table_of(lambda a: a), 1.5, 1, "it")
