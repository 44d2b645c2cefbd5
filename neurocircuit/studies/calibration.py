"""The noise of a mapped network from its file: by simulated operating points, or by the paper's simpler reading."""

from pathlib import Path

from neurocircuit.core.files import check_output
from neurocircuit.core.pool import Progress, silent
from neurocircuit.errors import InputError
from neurocircuit.network.calibrate import Calibration, calibrate
from neurocircuit.network.verify.transfer import TransferJitter, transfer_jitter
from neurocircuit.snn.mapping import NetworkOnCircuit

MODES = ("calibrated", "transfer")


def calibration(
    network: Path | str,
    *,
    mode: str = "calibrated",
    curve: Path | str | None = None,
    input_jitter: float = 0.01,
    level: str = "edge",
    split: str = "train",
    images: int = 30,
    chips: int = 100,
    points: int = 400,
    headroom: float | None = None,
    latest_over_tau: float | None = None,
    budget: bool = False,
    seed: int = 1,
    data: Path | str | None = None,
    out: Path | str | None = None,
    jobs: int = 1,
    scheduler: str | None = None,
    progress: Progress = silent,
) -> Calibration | TransferJitter:
    """Return the noise of a mapped network (.toml): a noise table and what it says, or the jitter of each layer.

    mode: calibrated, `calibrate` on the first `images` of a split, with the noise budget where `budget` asks for it;
    or transfer, `transfer_jitter` by `curve` (transfer table of a sweep over jitter, .nc) from the image's relative
    `input_jitter`, with nothing simulated. out: the file that the result will be saved in, .nc or, of transfer, .json;
    checked before anything is read. The others are those of `calibrate`.

    Raise InputError for an unknown mode, a curve without the mode transfer or the reverse, and as the two functions do.
    """
    if mode not in MODES:
        raise InputError(f"mode must be among {', '.join(MODES)}, got {mode!r}")
    if (mode == "transfer") != (curve is not None):
        raise InputError(f"--curve must be given with --mode transfer and only there, got mode {mode}")
    if out is not None:
        check_output(Path(out), ".nc" if curve is None else ".json")
    mapped = NetworkOnCircuit.load(network)
    if curve is not None:
        return transfer_jitter(mapped, curve, input_jitter)
    table = calibrate(
        mapped,
        mapped.images(split, data).first(images),
        chips=chips,
        level=level,
        points=points,
        headroom=headroom,
        latest_over_tau=latest_over_tau,
        seed=seed,
        jobs=jobs,
        scheduler=scheduler,
        progress=progress,
    )
    return table.result(table.budget(jobs=jobs, scheduler=scheduler) if budget else ())
