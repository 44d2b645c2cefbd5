"""Names of a package that are imported when they are first asked for (PEP 562)."""

import sys
from collections.abc import Callable, Mapping
from importlib import import_module
from typing import Any

from neurocircuit.core import extras


def lazy_names(package: str, names: Mapping[str, str]) -> tuple[Callable[[str], Any], Callable[[], list[str]]]:
    """Return `__getattr__` and `__dir__` of a package whose `names` lead to "module:attribute", or to a module.

    >>> getattr_, dir_ = lazy_names("json", {"pi": "math:pi", "arithmetic": "math"})
    >>> getattr_("pi"), getattr_("arithmetic").__name__
    (3.141592653589793, 'math')
    """

    def __getattr__(name: str) -> Any:  # noqa: N807
        where = names.get(name)
        if where is None:
            raise AttributeError(f"module {package!r} has no attribute {name!r}")
        module, _, attribute = where.partition(":")
        try:
            value = import_module(module)
        except ImportError as error:
            raise extras.missing(error) or error from None
        if attribute:
            value = getattr(value, attribute)
        setattr(sys.modules[package], name, value)
        return value

    def __dir__() -> list[str]:  # noqa: N807
        return sorted({*vars(sys.modules[package]), *names})

    return __getattr__, __dir__
