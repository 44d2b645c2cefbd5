"""A mapped network at characterised conditions as one call."""

from collections.abc import Sequence
from pathlib import Path

from neurocircuit.core.pool import Progress, silent
from neurocircuit.core.provenance import RunClock
from neurocircuit.errors import InputError
from neurocircuit.results.pvt import Pvt
from neurocircuit.snn.unroll import load_mapped
from neurocircuit.spice.process import characterised
from neurocircuit.studies.pvt.conditions import chosen, read
from neurocircuit.studies.pvt.run import run


def pvt(
    network: Path | str,
    *,
    process: str = "generic65",
    datasheet: Path | str | None = None,
    corner: Sequence[str] | None = None,
    temp: Sequence[float] | None = None,
    vdd: Sequence[float] | None = None,
    level: str = "edge",
    split: str = "test",
    images: int = 40,
    map_images: int = 40,
    chips: int = 2,
    seed: int = 1,
    data: Path | str | None = None,
    out: Path | str | None = None,
    jobs: int = 1,
    scheduler: str | None = None,
    progress: Progress = silent,
) -> Pvt:
    """Return accuracy, energy (J) and latency (s) of a mapped network (.toml) at corners, temperatures and supplies.

    Each condition three times: trimmed and mapped there, trimmed there and mapped at nominal, trimmed at nominal only.
    datasheet: folder of `characterize`; default what ships for `process`. corner, temp (degC), vdd (over the nominal
    supply): default all that were characterised. images of a split; map_images: training images that a mapping sees.
    out: where finished rows are kept (out/tasks) to go on from.

    Raise InputError for a condition that was not characterised, or a process that ships without a characterisation.

    >>> print(pvt("network.toml", corner=["ss"]))  # doctest: +SKIP
    """
    clock = RunClock()
    if Path(network).suffix != ".toml":
        raise InputError(f"NETWORK must be a mapped network (.toml) of neurocircuit map, got {network}")
    folder = characterised(process) if datasheet is None else Path(datasheet)
    mapped, unrolled = load_mapped(Path(network))
    nominal, all_conditions = read(folder)
    conditions = chosen(all_conditions, nominal, corner, temp, vdd)
    if not conditions:
        raise InputError("--corner, --temp and --vdd must leave a condition that was characterised, none has all three")
    data_folder = None if data is None else Path(data)
    training = unrolled.images("train", data_folder, map_images)
    decided = unrolled.images(split, data_folder, images)
    rows = run(
        mapped,
        unrolled.physical,
        nominal,
        conditions,
        training.spikes,
        decided.spikes,
        decided.labels,
        chips=chips,
        level=level,
        seed=seed,
        weights=sum(layer.weights for layer in unrolled.physical.layers),
        folder=None if out is None else Path(out) / "tasks",
        jobs=jobs,
        scheduler=scheduler,
        progress=progress,
    )
    return Pvt(
        name=mapped.name,
        level=level,
        split=split,
        images=images,
        map_images=map_images,
        chips=chips,
        seed=seed,
        datasheet=process if datasheet is None else str(datasheet),
        nominal=nominal.label,
        rows=tuple(rows),
        run=clock.record(),
    )
