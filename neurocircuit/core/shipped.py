"""Files that come with the package, by name: recipes, studies, what was characterised."""

import importlib.resources
from pathlib import Path

from neurocircuit.errors import InputError


def folder(*parts: str) -> Path:
    """Return a folder of the package's data, in a checkout and in an installed wheel alike.

    >>> folder("netlists", "processes", "generic65").is_dir()
    True
    """
    resource = importlib.resources.files("neurocircuit")
    for part in parts:
        resource = resource / part
    return Path(str(resource))


def toml_path(what: str, shelf: Path, name_or_path: Path | str) -> Path:
    """Return the path of a TOML file: the given one, or by its bare name the one that ships in `shelf`.

    Raise InputError naming `what` and the shipped names for a bare name that is not among them.

    >>> toml_path("RECIPE", folder("training"), "mnist").name
    'mnist.toml'
    """
    path = Path(name_or_path)
    if path.suffix or len(path.parts) != 1 or path.exists():
        return path
    names = sorted(file.stem for file in shelf.glob("*.toml"))
    if path.name not in names:
        raise InputError(f"{what} must be a TOML file or one of {', '.join(names)}, got {str(name_or_path)!r}")
    return shelf / f"{path.name}.toml"
