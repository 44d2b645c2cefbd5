"""The optional packages: which extra of ours names them, and what to type where one is missing."""

from neurocircuit.errors import InputError

# Import name of each: the distribution that brings it and our extra that names it.
PACKAGES = {
    "torch": ("torch", "snn"),
    "sklearn": ("scikit-learn", "data"),
    "PIL": ("pillow", "data"),
    "distributed": ("distributed", "dask"),
    "optuna": ("optuna", "codesign"),
    "nir": ("nir", "nir"),
    "onnx": ("onnx", "onnx"),
    "nicegui": ("nicegui", "explore"),
}


class MissingExtra(InputError, ImportError):
    """An optional package is not installed; the message says what to type."""


def install_line(package: str) -> str:
    """Return what to type to install an optional package, by its import name, within the bounds that we state.

    The package itself, not an extra of ours: no package index has neurocircuit.

    >>> install_line("torch")
    "pip install 'torch>=2.6'"
    """
    from importlib import metadata  # takes longer than all else that `import neurocircuit` does

    distribution, _ = PACKAGES[package]
    stated = (line.partition(";")[0].strip() for line in metadata.requires("neurocircuit") or ())
    return f"pip install '{next((line for line in stated if line.startswith(distribution)), distribution)}'"


def missing(error: ImportError) -> MissingExtra | None:
    """Return the error to raise in place of a failed import of an optional package; None for any other import."""
    package = (error.name or "").partition(".")[0]
    if package not in PACKAGES:
        return None
    distribution, extra = PACKAGES[package]
    return MissingExtra(
        f"{distribution} is not installed; type: {install_line(package)} (the extra [{extra}] of the wheel file)",
        name=package,
    )
