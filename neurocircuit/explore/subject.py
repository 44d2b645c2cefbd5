"""What `explore` opens: a circuit, a mapped network, or the folder of a run, and the network that goes with it."""

from dataclasses import dataclass
from pathlib import Path

from neurocircuit.core.files import read_json
from neurocircuit.errors import FileFormatError, InputError
from neurocircuit.noise.table import NoiseTable
from neurocircuit.spec import MappedNetwork, NeuronSpec, Testbench
from neurocircuit.spec.fields import read_toml
from neurocircuit.studies.sweep import library

CIRCUITS = ("circuit.toml", "spec.toml", "network.toml")
NETWORK, TABLE = "network.toml", "table.nc"
PAPER = "paper"
# Networks of a loop's run: the first that is there is shown first.
LOOPED = {
    "noise-aware": ("aware-map", "aware-calibrate"),
    "trained for no circuit in particular": ("map", "calibrate"),
}


@dataclass(frozen=True)
class NetworkFiles:
    """A network on chips of a circuit: a name for it, its weights, and its noise table."""

    name: str
    weights: Path
    noise: Path


@dataclass(frozen=True)
class Subject:
    """A circuit, the testbench of its curve, the file that it would be saved in, and the networks on it, if any."""

    spec: NeuronSpec
    testbench: Testbench
    file: Path
    networks: tuple[NetworkFiles, ...] = ()

    @classmethod
    def open(cls, path: Path | None = None, weights: Path | None = None, noise: Path | None = None) -> "Subject":
        """Read a circuit.toml, a mapped network (.toml), or the folder of a project or a run; None: the embedded one.

        weights, noise: of the network's tab; default: those of a mapped network and the noise table beside it, or both
        networks of a loop's run as far as they have noise tables. Raise InputError for what is missing, and for weights
        without a noise table or the reverse.
        """
        spec, mapped, bench, file = _read(path)
        save_in = Path("circuit.toml") if mapped is not None or path is None or path.is_dir() else file
        if weights is None and noise is None and path is not None and (looped := _looped(path)):
            return cls(spec, bench, save_in, looped)
        noise = noise or _table_beside(file)
        if mapped is not None:
            weights = weights or mapped.checkpoint_path(file)
        if noise is not None and weights is None:
            described = MappedNetwork.from_dict(NoiseTable.load(noise).provenance["network"])
            weights = described.checkpoint_path(noise)
            if not weights.exists():
                raise InputError(f"--weights must name the network of {noise}: {weights} does not exist")
        if weights is not None and noise is None and mapped is None:
            raise InputError(f"--noise must stand beside --weights, a noise table of `calibrate`, got {weights} alone")
        if noise is None or weights is None:
            return cls(spec, bench, save_in)
        return cls(spec, bench, save_in, (NetworkFiles(weights.stem, weights, noise),))


def _read(path: Path | None) -> tuple[NeuronSpec, MappedNetwork | None, Testbench, Path]:
    bench = library.load_testbench(PAPER)
    if path is None:
        return NeuronSpec(), None, bench, Path("circuit.toml")
    if not path.is_dir():
        return (*_circuit_in(path), bench, path)
    request = path / "request.json"
    if request.exists():
        values = read_json(request)
        if not isinstance(values, dict) or "spec" not in values or "testbench" not in values:
            raise FileFormatError(f"{request} must hold the spec and the testbench of a sweep")
        return NeuronSpec.from_dict(values["spec"]), None, Testbench.from_dict(values["testbench"]), request
    for name in CIRCUITS:
        if (path / name).exists():
            return (*_circuit_in(path / name), bench, path / name)
    raise InputError(f"{path} must hold one of request.json, {', '.join(CIRCUITS)}; found none")


def _looped(folder: Path) -> tuple[NetworkFiles, ...]:
    """Return the networks of a loop's run, or of a project's, that have been mapped and calibrated."""
    networks = []
    for run in (folder, folder / "run"):
        for name, (map_stage, calibrate_stage) in LOOPED.items():
            mapped, table = run / map_stage / NETWORK, run / calibrate_stage / TABLE
            if mapped.is_file() and table.is_file():
                weights = MappedNetwork.from_dict(read_toml(mapped)).checkpoint_path(mapped)
                networks.append(NetworkFiles(name, weights, table))
    return tuple(networks)


def _circuit_in(file: Path) -> tuple[NeuronSpec, MappedNetwork | None]:
    values = read_toml(file)
    if "checkpoint" not in values:
        return NeuronSpec.from_dict(values), None
    mapped = MappedNetwork.from_dict(values)
    return mapped.neuron, mapped


def _table_beside(file: Path) -> Path | None:
    """Return the noise table beside a file; a transfer table, which a sweep has under that name, is none."""
    table = file.parent / TABLE
    if not table.exists():
        return None
    try:
        NoiseTable.load(table)
    except FileFormatError:
        return None
    return table
