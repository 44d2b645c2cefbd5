"""What our wrapping adds to a bare `ngspice -b` on the same deck; both alternately."""

import os
import subprocess
import time

import numpy as np

from neurocircuit.neuron import levels
from neurocircuit.spec import NeuronSpec
from neurocircuit.spice import deck
from neurocircuit.spice.ngspice import find_ngspice


def wall_s(function):
    begin = time.perf_counter()
    function()
    return time.perf_counter() - begin


def test_bsource_against_bare_ngspice(benchmark, tmp_path):
    """Composing, checking, reading and finding the crossing: at most as much again as ngspice itself needs."""
    spec = NeuronSpec()
    t, w = np.array([0.16, 0.16]), np.array([0.8, 0.8])
    ready = deck.compose(spec, t, w)
    for name, text in {**ready.files, "deck.cir": ready.text}.items():
        (tmp_path / name).write_text(text, encoding="utf-8")
    bare = [str(find_ngspice()), "-n", "-b", "-r", "out.raw", "deck.cir"]
    environment = {**os.environ, "OMP_THREAD_LIMIT": "1"}

    def plain():
        subprocess.run(bare, cwd=tmp_path, env=environment, capture_output=True, check=True)

    def wrapped():
        assert levels.evaluate("bsource", spec, t, w).fired[0]

    plain(), wrapped()
    pairs = [(wall_s(plain), wall_s(wrapped)) for _ in range(25)]
    ratio = float(np.median([ours / theirs for theirs, ours in pairs]))
    benchmark.extra_info["ours_over_bare"] = ratio
    benchmark.extra_info["bare_ms"] = 1e3 * float(np.median([theirs for theirs, _ in pairs]))
    benchmark.pedantic(wrapped, rounds=10)
    assert ratio < 2.5
