"""The compiled kernels. `native` is None where the package was built without a compiler."""

from importlib import import_module
from types import ModuleType

native: ModuleType | None
try:
    native = import_module("neurocircuit._kernel._native")
except ImportError:
    native = None
