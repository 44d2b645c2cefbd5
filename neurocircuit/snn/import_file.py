"""What `neurocircuit import-weights` does: weights of others, in arrays or in a NIR graph, into a checkpoint."""

from dataclasses import replace
from pathlib import Path

from neurocircuit.core.files import check_output
from neurocircuit.errors import InputError
from neurocircuit.snn.encode import Encoding, EncodingName
from neurocircuit.snn.importer import import_weights
from neurocircuit.snn.model import Model


def import_file(
    source: Path | str,
    out: Path | str,
    *,
    network: str | None = None,
    data_set: str | None = None,
    circuit: Path | None = None,
    alpha: float | None = None,
    encoding: EncodingName | None = None,
) -> Model:
    """Write the checkpoint `out` from a directory (`import_weights`) or a .nir file (`from_nir`) and return its model.

    network: architecture of a directory's weights. data_set: of another writer's graph. circuit: file (.toml) for the
    mapped network that a graph holds. alpha: latest input spike, units of tau; default: 3. encoding: see both.

    Raise InputError or FileFormatError naming what does not fit; nothing is written then.
    """
    source, out = Path(source), Path(out)
    if not out.parent.is_dir():
        raise InputError(f"--out must lie in an existing directory, got {str(out)!r}")
    latest = 3.0 if alpha is None else alpha
    if source.suffix != ".nir":
        for name, value in (("--data-set", data_set), ("--circuit", circuit)):
            if value is not None:
                raise InputError(f"{name} is for a .nir file, got {source}")
        if network is None:
            raise InputError("--network must name the architecture of a directory's weights, such as mnist_scnn")
        return import_weights(source, network, alpha=latest, encoding=encoding).save(out)
    from neurocircuit.snn.exchange import circuit_from_nir, from_nir

    if network is not None:
        raise InputError("--network must be left out: a .nir file says what the network is")
    if circuit is None:
        fed = None if encoding is None else Encoding(kind=encoding, alpha=latest)
        return from_nir(source, data_set, fed).save(out)
    check_output(circuit, ".toml")
    on_circuit = circuit_from_nir(source)
    assert on_circuit.model is not None  # noqa: S101
    model = on_circuit.model.save(out)
    replace(on_circuit, model=model).save(circuit)
    return model
