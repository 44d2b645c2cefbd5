"""Processes: finding one and its model files, and the head of every deck that uses it."""

import importlib.metadata
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from hashlib import sha256
from pathlib import Path
from typing import Any

from neurocircuit.core import shipped
from neurocircuit.errors import InputError
from neurocircuit.spec import Condition, Location, ModelFile, NeuronSpec, Process
from neurocircuit.spec.fields import read_toml
from neurocircuit.spice.library import Library, read_library, stays_within
from neurocircuit.spice.own_cells import own_cells

MODELS = "models"  # the name under which a deck finds the folder of the model files
CELLS = "cells.cir"
OSDI_VARIABLE = "NEUROCIRCUIT_OSDI"
_TOML = "process.toml"
_WRAPPERS = {
    "model": """.subckt {wrapper} d g s b w=1 l=1 mult=1
m{element} d g s b {device} w={{w}} l={{l}} ad={{w*l_diffusion}} as={{w*l_diffusion}}
+ pd={{2*(w+l_diffusion)}} ps={{2*(w+l_diffusion)}} m={{mult}}
.ends {wrapper}""",
    # Own names first: a parameter that the call gives is visible in the expressions after it on the same line.
    "subcircuit": """.subckt {wrapper} d g s b w=1 l=1 mult=1
.param own_w={{w/unit}} own_l={{l/unit}} own_area={{w*l_diffusion/(unit*unit)}} own_edge={{2*(w+l_diffusion)/unit}}
+ own_m={{mult}}
x{element} d g s b {device} w={{own_w}} l={{own_l}} ad={{own_area}} as={{own_area}} pd={{own_edge}} ps={{own_edge}}
+ m={{own_m}}
.ends {wrapper}""",
}


class ProcessMissing(InputError):
    """The process is known, but its model files are not on this machine; the message says how to get them."""


@dataclass(frozen=True)
class Installed:
    """A process whose model files are here.

    folder: where the files of `process.corners` are. toml_sha256: hash of its TOML file, and of its bases'. library:
    the files, checked. own_cells: text of the cells that the user's own replace, by subcircuit. osdi: compiled models
    that ngspice loads.
    """

    process: Process
    folder: Path
    toml_sha256: str
    library: Library = field(default_factory=Library)
    own_cells: Mapping[str, str] = field(default_factory=dict)
    osdi: tuple[Path, ...] = ()

    @property
    def variables(self) -> dict[str, str]:
        """Variables that ngspice has before it reads a deck of this process."""
        return {"ngbehavior": self.process.ngbehavior} if self.process.ngbehavior else {}

    @property
    def files(self) -> dict[str, str]:
        """Text by name of what a deck of this process finds beside it: the cells, and translated model files."""
        return {CELLS: cells_text(self.process, self.own_cells), **self.library.texts}

    def path_in_deck(self, model: ModelFile) -> str:
        """Return the path by which a deck includes a model file."""
        path = self.folder / model.file
        return self.library.name_in_deck(path) or (model.file if path == Path(model.file) else f"{MODELS}/{model.file}")

    def models_sha256(self, corner: str) -> str:
        """Hash of the model files of a corner with all that they include, and of the compiled models."""
        of_files = self.library.hash_of([self.folder / model.file for model in models_of(self.process, corner)])
        return sha256(b"".join([of_files.encode(), *(path.read_bytes() for path in self.osdi)])).hexdigest()

    def with_synapses(self, synapses: int | None) -> "Installed":
        """Return the process with another number of synapses on each neuron; None: its own. Raise SpecError."""
        return self if synapses is None else replace(self, process=self.process.replace(synapses=synapses))

    def condition(self, corner: str = "", temperature_C: float = 27.0, supply_V: float | None = None) -> Condition:
        """Return a condition of this process; what is left out is nominal.

        Raise InputError for an unknown corner, and for one whose files lack its section.
        """
        corner = corner or self.process.nominal_corner
        for model in models_of(self.process, corner):
            if model.section and (fault := self.library.section_fault(model.file, model.section)):
                raise InputError(f"process {self.process.name}, corner {corner}: {fault}")
        supply_V = self.process.supply_V if supply_V is None else supply_V
        return Condition(corner=corner, temperature_C=temperature_C, supply_V=supply_V)


def names() -> tuple[str, ...]:
    """Return the processes that come with the package, installed or not."""
    return tuple(sorted(path.name for path in _shipped_processes().iterdir() if (path / _TOML).is_file()))


def describe(name_or_path: str) -> Process:
    """Return the process of a name, or of a TOML file's path, whether its models are here or not.

    Raise InputError for an unknown name and for a file that cannot be read or is wrong.
    """
    return Process.from_dict(_content(_toml_path(name_or_path))[0])


def load(name_or_path: str) -> Installed:
    """Return the process with its model files, read as text and checked: nothing that they say is run.

    Raise ProcessMissing when they or its compiled models are not here, InputError for a file that holds commands or a
    path that leads out of the process's folder, and as `describe`.
    """
    path = _toml_path(name_or_path)
    content, described_in = _content(path)
    process = Process.from_dict(content)
    folder, root = _folder(process, described_in[-1].parent)
    files: dict[str, Path] = {}
    for corner in process.corners:
        for model in models_of(process, corner):
            if not stays_within(model.file, folder, root):
                raise InputError(f"process {process.name}, corner {corner}: {model.file} leads out of {root}")
            files[model.file] = folder / model.file
            if not files[model.file].is_file():
                raise ProcessMissing(f"process {process.name}, corner {corner}: no model file {folder / model.file}")
    library = read_library(tuple(files.values()), root, process.ignored_parameters)
    named_in = next((file for file in described_in if "cells" in read_toml(file)), path)
    replaced = own_cells(process, named_in.parent.absolute())
    toml_sha256 = sha256(b"".join(file.read_bytes() for file in described_in)).hexdigest()
    return Installed(process, folder, toml_sha256, library, replaced, _compiled_models(process))


def characterised(name: str) -> Path:
    """Return the folder of the characterisation of a process that comes with the package: spec.toml, conditions/.

    Raise InputError where none does.

    >>> (characterised("generic65") / "spec.toml").is_file()
    True
    """
    folder = _shipped_processes() / name / "characterised"
    if not folder.is_dir():
        with_one = ", ".join(known for known in names() if (_shipped_processes() / known / "characterised").is_dir())
        raise InputError(
            f"process {name} comes without a characterisation (with one: {with_one}); type: neurocircuit characterize "
            f"--process {name}, and give its folder"
        )
    return folder


def default_neuron(level: str) -> NeuronSpec:
    """Return the neuron of a level where no spec is given: at `transistor` generic65 without noise, else embedded.

    >>> default_neuron("edge").name, default_neuron("transistor").circuit.process
    ('embedded', 'generic65')
    """
    if level != "transistor":
        return NeuronSpec()
    return NeuronSpec.from_toml(characterised("generic65") / "spec.toml").without_noise()


def models_of(process: Process, corner: str) -> tuple[ModelFile, ...]:
    """Return the model files of a corner. Raise InputError naming the known ones."""
    devices = process.device_corner(corner)
    if devices not in process.corners:
        known = ", ".join(process.corners)
        passive = ", ".join(f"_{name}" for name in process.passives.corners)
        behind = f" (behind it may stand {passive})" if passive else ""
        raise InputError(f"corner of process {process.name} must be one of {known}{behind}, got {corner!r}")
    return process.corners[devices]


def prelude(installed: Installed, condition: Condition) -> str:
    """Head of a deck: models by relative path (links: MODELS to the folder), temperature, sizes, device wrappers.

    The wrappers nmos, pmos, synapse_nmos, synapse_pmos (ports d g s b; w l in m, mult) make the cells the same for
    devices that are models and devices that are subcircuits. Raise InputError for an unknown corner.
    """
    process = installed.process
    sizes = process.sizes_at(condition.corner)
    unit = process.devices.length_unit_m
    lines = [
        *_loading(installed.osdi),
        *(
            f".lib '{installed.path_in_deck(model)}' {model.section}"
            if model.section
            else f".include '{installed.path_in_deck(model)}'"
            for model in models_of(process, condition.corner)
        ),
        # Behind the files: of two definitions ngspice takes the later one.
        *(f".param {name}={value!r}" for name, value in process.parameters.items()),
        f".options temp={condition.temperature_C!r} method=trap",
        f".param unit={unit!r}",
        *(
            f".param {name}={getattr(values, name)!r}"
            for values in (sizes, process.shared_bias)
            if values is not None
            for name in type(values).model_fields
        ),
    ]
    called = process.devices
    for wrapper, device in {
        "nmos": called.nmos,
        "pmos": called.pmos,
        "synapse_nmos": called.synapse_nmos or called.nmos,
        "synapse_pmos": called.synapse_pmos or called.pmos,
    }.items():
        lines.append(_WRAPPERS[called.kind].format(wrapper=wrapper, element=wrapper[-4:], device=device))
    return "\n".join(lines) + "\n"


def cells_text(process: Process, replaced: Mapping[str, str]) -> str:
    """Return the text of all cells, with the ring and replica delay of the process; replaced: the user's, by name."""
    folder = shipped.folder("netlists", "cells")
    others = (
        f"replica_delay_{6 - process.delay_stages}.cir",
        "ring_cco.cir" if process.shared_bias else "ring_cco_shared.cir",
    )
    paths = sorted((path for path in folder.iterdir() if path.name.endswith(".cir")), key=lambda path: path.name)
    built_in = {path.name.removesuffix(".cir"): path for path in paths if path.name not in others}
    return "\n".join(replaced.get(name) or path.read_text(encoding="utf-8") for name, path in built_in.items())


def _loading(osdi: tuple[Path, ...]) -> tuple[str, ...]:
    """Return the control block that loads compiled models; ngspice runs it before it reads the circuit."""
    return (".control", *(f"pre_osdi '{path}'" for path in osdi), ".endc") if osdi else ()


def _compiled_models(process: Process) -> tuple[Path, ...]:
    """Return the compiled models that a process names.

    They are code. So the user says by a variable from which folder it is loaded, not the process file.
    """
    if not process.osdi:
        return ()
    folder = os.environ.get(OSDI_VARIABLE, "")
    absent = [name for name in process.osdi if not folder or not (Path(folder) / name).is_file()]
    if absent:
        reason = f"not in {folder}" if folder else f"{OSDI_VARIABLE} is not set"
        raise ProcessMissing(
            f"process {process.name} needs the compiled Verilog-A models {', '.join(absent)} ({reason}); "
            f"set {OSDI_VARIABLE} to their folder: libs.tech/ngspice/osdi of the PDK, or where openvaf puts them"
        )
    return tuple(Path(folder).absolute() / name for name in process.osdi)


def _shipped_processes() -> Path:
    return shipped.folder("netlists", "processes")


def _toml_path(name_or_path: str) -> Path:
    if name_or_path.endswith(".toml"):
        return Path(name_or_path)
    if name_or_path not in names() and (Path(name_or_path) / _TOML).is_file():
        return Path(name_or_path) / _TOML
    if name_or_path not in names():
        known = ", ".join(names())
        raise InputError(
            f"process must be one of {known}, or the path of a TOML file or of its folder, got {name_or_path!r}"
        )
    return _shipped_processes() / name_or_path / _TOML


def _content(path: Path) -> tuple[dict[str, Any], tuple[Path, ...]]:
    """Return what a TOML file says of a process, and the files that say it: this one, then its base, and so on.

    A file with a `base` holds only what differs from that process, whose model files it uses. A base is a name, or a
    path from the file's folder.
    """
    content = read_toml(path)
    files: tuple[Path, ...] = (path,)
    while base := content.pop("base", ""):
        above = files[-1].parent / base if str(base).endswith(".toml") else _toml_path(str(base))
        if above in files:
            raise InputError(f"base of {files[-1]} must be another process, got {base!r}, which leads back to it")
        content, files = _over(read_toml(above), content), (*files, above)
    return content, files


def _over(base: dict[str, Any], changes: dict[str, Any]) -> dict[str, Any]:
    """Return the base's content with the changes: tables entry by entry, all else as a whole."""
    return base | {
        name: _over(base[name], value) if isinstance(value, dict) and isinstance(base.get(name), dict) else value
        for name, value in changes.items()
    }


def _folder(process: Process, beside: Path) -> tuple[Path, Path]:
    """Return the folder of the model files, and the one that their paths must not leave."""
    if not process.locations:
        return beside.absolute(), beside.absolute()
    for location in process.locations:
        root = _root(location)
        if root is not None and (root / location.folder).is_dir():
            return root / location.folder, root
    searched = " or ".join(_described(process.locations))
    how = f"; type: {process.install}" if process.install else ""
    raise ProcessMissing(f"process {process.name} is not installed (looked for {searched}){how}")


def _root(location: Location) -> Path | None:
    if location.environment:
        folder = os.environ.get(location.environment)
        return Path(folder).absolute() if folder else None
    try:
        # The package's list of files answers this: nothing of it is imported.
        return Path(str(importlib.metadata.distribution(location.package).locate_file("")))
    except importlib.metadata.PackageNotFoundError:
        return None


def _described(locations: tuple[Location, ...]) -> Iterator[str]:
    for location in locations:
        yield f"package {location.package}" if location.package else f"${location.environment}/{location.folder}"
