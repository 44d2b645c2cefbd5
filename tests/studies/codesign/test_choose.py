"""Front, promotion and recommendation on planted designs."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from neurocircuit.studies.codesign import choose


def beats(one, other):
    pairs = list(zip(one, other, strict=True))
    return all(a <= b for a, b in pairs) and any(a < b for a, b in pairs)


def brute_force(costs):
    return [not any(beats(other, mine) for other in costs) for mine in costs]


@given(st.lists(st.tuples(*[st.integers(0, 4)] * 3), min_size=1, max_size=25))
def test_front_is_what_the_definition_says(rows):
    assert choose.non_dominated(np.array(rows, dtype=float)).tolist() == brute_force(rows)


@given(st.lists(st.tuples(*[st.integers(0, 4)] * 2), min_size=1, max_size=25), st.integers(1, 30))
def test_promising_takes_fronts_in_order(rows, count):
    costs = np.array(rows, dtype=float)
    chosen = choose.promising(costs, count)
    assert len(chosen) == len(set(chosen)) == min(count, len(rows))
    level = {k: number for number, front in enumerate(choose.fronts(costs)) for k in front}
    worst = max(level[k] for k in chosen)
    assert all(k in chosen for k in level if level[k] < worst)


def test_promising_keeps_the_ends_of_a_front():
    x = np.linspace(0.0, 1.0, 101)
    chosen = choose.promising(np.stack([x, 1 - x], axis=1), 3)
    assert sorted(chosen) == [0, 50, 100]


def test_recommendation_on_a_planted_front():
    # accuracy, energy, latency; the third is dominated, the fourth is the knee
    values = np.array([[0.99, 90, 9], [0.80, 5, 8], [0.79, 6, 8], [0.95, 10, 2], [0.99, 95, 9]])
    costs = choose.smaller_is_better(values, ("accuracy", "energy", "latency"))
    assert choose.non_dominated(costs).tolist() == [True, True, False, True, False]
    assert choose.recommended(costs, ("accuracy", "energy", "latency")) == {"accuracy": 0, "energy": 1, "balanced": 3}


def test_without_energy_the_latency_has_a_role():
    costs = choose.smaller_is_better(np.array([[0.9, 5.0], [0.5, 1.0]]), ("accuracy", "latency"))
    assert choose.recommended(costs, ("accuracy", "latency")).keys() == {"accuracy", "latency", "balanced"}


def test_one_design_takes_all_roles():
    costs = choose.smaller_is_better(np.array([[0.9, 5.0]]), ("accuracy", "energy"))
    assert set(choose.recommended(costs, ("accuracy", "energy")).values()) == {0}
