"""Files that come with the package, by name: recipes, studies, what was characterised."""

import importlib.resources
from pathlib import Path

from neurocircuit.core.suggest import nearest
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


def toml_path(what: str, shipped: Path, name_or_path: Path | str) -> Path:
    """Return the path of a TOML file: a path as it is, or the file of this bare name in the folder `shipped`.

    Raise InputError naming `what` and the shipped names for a bare name that is not among them.

    >>> toml_path("RECIPE", folder("training"), "mnist").name
    'mnist.toml'
    """
    path = Path(name_or_path)
    if path.suffix or len(path.parts) != 1 or path.exists():
        return path
    names = sorted(file.stem for file in shipped.glob("*.toml"))
    if path.name not in names:
        raise InputError(
            f"{what} must be a TOML file or one of {', '.join(names)}, got {str(name_or_path)!r}"
            + nearest(path.name, names)
        )
    return shipped / f"{path.name}.toml"
