"""The testbenches that ship with the package, by name; others by file."""

from importlib import resources
from pathlib import Path

from neurocircuit.errors import InputError
from neurocircuit.spec import Testbench

NAMES = ("paper", "paper-ideal", "random-operating-points", "transistor")


def load_testbench(name_or_file: Testbench | str) -> Testbench:
    """Return a shipped testbench by its name, else the one in a TOML file; a testbench as it is.

    Raise InputError naming the known ones when there is neither, SpecError for a wrong field in a file.
    """
    if isinstance(name_or_file, Testbench):
        return name_or_file
    if name_or_file in NAMES:
        shipped = resources.files("neurocircuit.studies.sweep") / "testbenches" / f"{name_or_file}.toml"
        with resources.as_file(shipped) as path:
            return Testbench.from_toml(path)
    path = Path(name_or_file)
    if path.suffix != ".toml" and not path.is_file():
        raise InputError(f"testbench must be one of {', '.join(NAMES)}, or a TOML file, got {name_or_file!r}")
    return Testbench.from_toml(path)
