"""The compiled kernels. `native` is None where the package was built without a compiler."""

from types import ModuleType

native: ModuleType | None
try:
    from neurocircuit._kernel import _native as native
except ImportError:
    native = None
