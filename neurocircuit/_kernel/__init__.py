"""The compiled kernels. `native` is None where the package was built without a compiler.

The hot loops of causal-set layers are compiled for several instruction sets; the fastest that the processor has is
used. The environment variable NEUROCIRCUIT_INSTRUCTION_SET (base, avx2, avx512) names another one.
"""

import os
from importlib import import_module
from types import ModuleType

from neurocircuit.errors import InputError

INSTRUCTION_SET_VARIABLE = "NEUROCIRCUIT_INSTRUCTION_SET"


def _load() -> ModuleType | None:
    """Return the compiled module with the instruction set of the environment, None where there is none.

    Raise InputError if the environment names an instruction set that this processor or this build does not have.
    """
    try:
        module = import_module("neurocircuit._kernel._native")
    except ImportError:
        return None
    name = os.environ.get(INSTRUCTION_SET_VARIABLE, "")
    if name and not module.use_instruction_set(name):
        raise InputError(f"{INSTRUCTION_SET_VARIABLE} must be base, avx2 or avx512 and run here, got {name!r}")
    return module


native: ModuleType | None = _load()
