"""A network that a recipe names as code, package.module:function, which runs only where that was allowed."""

import importlib
import sys
import traceback
from pathlib import Path

import torch
from torch import nn

from neurocircuit.errors import InputError, SpecError


def module_of(code: str, allow_code: bool, seed: int) -> nn.Module:
    """Return the torch module that `code`, package.module:function, gives; called without arguments.

    Modules are also looked for in the current directory. seed: of torch's random numbers meanwhile. Raise SpecError
    where code was not allowed, InputError naming what is missing or what the code raised.
    """
    if not allow_code:
        raise SpecError(f"network.code {code} is code that training would run: give --allow-code if you trust it")
    name, _, function = code.partition(":")
    here = str(Path.cwd())
    added = here not in sys.path
    if added:
        sys.path.insert(0, here)
    try:
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            module = getattr(importlib.import_module(name), function)()
    except Exception as error:  # a user's code raises what it likes
        last = traceback.extract_tb(error.__traceback__)[-1]
        where = "" if last.filename == __file__ else f" ({last.filename}:{last.lineno})"
        raise InputError(f"network.code {code} failed: {type(error).__name__}: {error}{where}") from None
    finally:
        if added:
            sys.path.remove(here)
    if not isinstance(module, nn.Module):
        raise InputError(f"network.code {code} must return a torch module, got {type(module).__name__}")
    return module
