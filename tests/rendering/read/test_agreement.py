"""Draws at two levels side by side."""

from neurocircuit.rendering.read.agreement import agreements
from neurocircuit.rendering.read.sweep import read_run
from tests.rendering.conftest import RunMaker


def test_agreement_names_the_worst_draw(make_run: RunMaker) -> None:
    run = read_run(make_run(silent=0.1))
    found = {one.level: one for one in agreements(run)}
    assert set(found) == {"edge", "ideal", "bsource"}
    one = found["ideal"]
    times = run.draws["jittered"].sel(level="ideal") - run.draws["jittered"].sel(level="averaged")
    bits = run.draws["quantised"].sel(level="ideal") - run.draws["quantised"].sel(level="averaged")
    finite = [float(abs(part.where(abs(part) < 1e9)).max()) for part in (times, bits)]
    assert one.worst is not None
    assert abs(one.difference_over_tau[one.worst]) == max(finite)
    assert one.compared == 4000
    assert found["bsource"].compared == 200
    assert one.only_one_fired == 0
