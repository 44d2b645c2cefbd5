"""Rows of what an inference costs, in a replay and in an evaluation."""

import json
from pathlib import Path

import pytest

from neurocircuit.rendering.document import Table
from neurocircuit.rendering.renderers import evaluation, replay
from neurocircuit.rendering.renderers.inference import cost_rows
from neurocircuit.results.inference import InferenceCost

PUBLISHED = Path(__file__).parents[3] / "reports/published"
COST = InferenceCost(
    latency_s=24e-9,
    latency_over_tau=1.2,
    energy_J=6.68e-12,
    energy_spikes_J=3.84e-12,
    energy_per_spike_J=1.28e-12,
    spikes=3.0,
    spikes_before_decision=3.0,
    neurons=5,
    power_W=100e-6,
    ramp_power_W=60e-6,
    forced_spikes=0.0,
    window_over_tau=1.5,
    power_source="planted",
)


def test_rows_hold_every_number_with_its_unit():
    rows = dict(cost_rows(COST))
    shown = " ".join(rows.values())
    for text in (
        "60.0% of 5",
        "100 µW, on a ramp 60 µW (planted)",
        "0.00668 nJ",
        "1.28 pJ",
        "1.200 τ = 24 ns",
        "1.5 τ",
    ):
        assert text in shown
    assert len(rows) + 1 == len(cost_rows(COST.model_copy(update={"forced_spikes": 2.0})))


@pytest.mark.parametrize(
    ("renderer", "file", "place"),
    [
        (evaluation, "networks/mnist-seed1/evaluation.json", ()),
        (replay, "mnist-network/embedded/replay/result.json", ("images",)),
    ],
)
def test_reports_show_them(renderer, file, place, tmp_path, monkeypatch):
    monkeypatch.setattr(renderer, "draw", lambda *_: "a figure")
    values = json.loads((PUBLISHED / file).read_bytes())
    holder = values
    for name in place:
        holder = holder[name]
    holder["cost"] = COST.model_dump(mode="json")
    path = tmp_path / "result.json"
    path.write_text(json.dumps(values))
    blocks = [block for section in renderer.render(path).sections for block in section.blocks]
    tables = [block for block in blocks if isinstance(block, Table)]
    assert sum(table.rows == tuple(cost_rows(COST)) for table in tables) == 1
