"""Rows that the edge level's draws cannot resolve."""

from neurocircuit.report import pulses
from neurocircuit.report.run import read_run
from neurocircuit.spec import NeuronSpec


def test_counts_draws_beyond_a_quarter_pulse(make_run):
    """Planted: |Δ|/t = 0.3/2^b |N(0, 1)| at t = 1.05; the count must match the normal law within 5 sigma."""
    from scipy.stats import norm

    run = read_run(make_run())
    found = pulses.moves(run, "bits")
    quarter = 1 / (8 * NeuronSpec().cycles_per_tau)
    for bits in (4, 8):
        share = 2 * norm.sf(quarter / (1.05 * 0.3 / 2.0**bits))
        expected, spread = 400 * share, (400 * share * (1 - share)) ** 0.5
        assert abs(found[bits] - expected) <= 5 * spread + 1
    assert found[32] == 0


def test_note_names_the_rows(make_run):
    run = read_run(make_run())
    text = pulses.note(run, "bits")
    assert "32 bit (0)" in text
    assert "4 bit" not in text.replace("24 bit", "")


def test_no_edge_level_no_note(make_run):
    run = read_run(make_run(levels=("averaged", "ideal"), level="averaged"))
    assert pulses.note(run, "bits") == ""
