"""Peak memory of forward and backward, against dense convolutions of the same shapes; `make bench`.

Each side runs in a process of its own, once on a small batch (libraries, thread pools), then the peak of the resident
memory is reset and read after one run at full batch. What both sides are given is allocated before.
"""

import subprocess
import sys
from pathlib import Path

import pytest

from tests.benchmarks.test_layer_speed import SHAPES

SCRIPT = """
import ctypes
import sys
import torch
from tests.benchmarks.test_layer_speed import Layer
torch.set_num_threads(2)
name, side = sys.argv[1:]
getattr(Layer(name, batch=2), side)()
layer = Layer(name)
def kilobytes(field):
    with open("/proc/self/status") as status:
        return next(int(line.split()[1]) for line in status if line.startswith(field))
ctypes.CDLL(None).malloc_trim(0)  # what set-up has freed is not there to be used again
with open("/proc/self/clear_refs", "w") as file:
    file.write("5")  # VmHWM starts again at VmRSS
before = kilobytes("VmRSS")
getattr(layer, side)()
print(kilobytes("VmHWM") - before)
"""


def peak_MiB(name, side):
    command = [sys.executable, "-c", SCRIPT, name, side]
    root = Path(__file__).parents[2]
    return int(subprocess.run(command, cwd=root, capture_output=True, text=True, check=True).stdout) / 1024


@pytest.mark.skipif(sys.platform != "linux", reason="reads the peak from /proc")
@pytest.mark.parametrize("name", SHAPES)
def test_peak_memory_within_dense(benchmark, name):
    ours, other = peak_MiB(name, "kernel_side"), peak_MiB(name, "dense_side")
    benchmark.extra_info |= {"ours_MiB": ours, "dense_MiB": other}
    benchmark.pedantic(lambda: None, rounds=1)
    assert ours <= other
