"""A whole loop as one call."""

import os
from pathlib import Path

from neurocircuit.core.files import locked, make_directory, write_atomically
from neurocircuit.core.pool import Progress, silent
from neurocircuit.core.provenance import RunClock
from neurocircuit.core.result import RESULT
from neurocircuit.errors import InputError
from neurocircuit.network.mapping import Mapping
from neurocircuit.rendering import write_report
from neurocircuit.rendering.document import STEM
from neurocircuit.results.compare import Comparison
from neurocircuit.results.loop import LoopRun, StageRun, TransferRow
from neurocircuit.results.replay import Replay
from neurocircuit.spec import NeuronSpec
from neurocircuit.spec.derived import derived_line, remarks
from neurocircuit.studies.loop.cache import RECORDS, Done, run_stages
from neurocircuit.studies.loop.stages import MAPPED, Project, stages_of
from neurocircuit.tables import TransferTable

CIRCUIT = "circuit.toml"  # copy of the neuron in a run's folder
FLAT_BELOW = 1.5  # output jitter of the row with the largest input jitter over that with the smallest
LEAST_SPAN = 3.0  # of input jitter, from which that is told
_LOCK = ".lock"  # held while a run is at work in a folder


def run(
    loop: Path | str = "loop.toml",
    out: Path | str | None = None,
    *,
    data: Path | str | None = None,
    jobs: int = 1,
    progress: Progress = silent,
) -> LoopRun:
    """Go from a circuit to the accuracy of a network on it: sweep, train, map, calibrate, verify, noise-aware training.

    Each stage leaves its files and its report in a folder of its name in `out`. The same call again continues a run
    that was stopped or killed, to the same results, and runs only the stages whose inputs, or the code, have changed.

    Args:
        loop: file of the loop (.toml), which names circuit and recipes; `neurocircuit new DIR` writes one.
        out: folder of the run; default: `run` beside the file.
        data: folder of the data sets; default NEUROCIRCUIT_DATA.
        jobs: processes of sweep, calibration and verification; changes no number.
        progress: hears how far it is, in seconds of the whole.

    Returns:
        What the circuit does to the network, and where each stage's report is; result.json and report.html in `out`
        say the same.

    Raise InputError or SpecError, before anything is written, for a file that is missing or a field that is wrong, and
    for an `out` that holds other files or in which another run is at work.

    >>> print(run("project/loop.toml").sentence())  # doctest: +SKIP
    """
    clock = RunClock()
    file = Path(loop)
    folder = file.parent / "run" if out is None else Path(out)
    project = Project.load(file, None if data is None else Path(data), jobs)
    _check_free(folder)
    make_directory(folder / RECORDS)
    busy = f"--out {folder} must be free, another run is at work there; wait for it or give another folder"
    with locked(folder / RECORDS / _LOCK, busy):
        (folder / RESULT).unlink(missing_ok=True)  # says that a run is finished
        write_atomically(folder / CIRCUIT, project.circuit.to_toml())
        try:
            done = run_stages(stages_of(project), folder, progress)
        except KeyboardInterrupt:
            raise KeyboardInterrupt(f"stopped; the same command goes on with what is finished in {folder}") from None
        result = _result(project, folder, done, clock)
        result.save(folder)
        result._report = write_report(folder)
    return result


def _check_free(out: Path) -> None:
    """Raise InputError for a folder that holds other files and no loop."""
    if out.exists() and not out.is_dir():
        raise InputError(f"--out must be a directory, got the file {out}")
    if out.is_dir() and any(out.iterdir()) and not (out / RECORDS).is_dir():
        raise InputError(f"--out {out} holds other files and no run of a loop; give an empty or a new directory")


def _result(project: Project, out: Path, done: list[Done], clock: RunClock) -> LoopRun:
    """Return what the stages found, read from their files."""
    table, comparison = TransferTable.load(out / "sweep" / "table.nc"), Comparison.load(out / "compare")
    aware = Replay.load(out / "aware-verify")
    assert comparison.in_circuit is not None  # noqa: S101
    level = project.spec.sweep.level
    transfer = TransferRow.of(table, level)
    return LoopRun(
        name=project.spec.name,
        circuit=project.circuit.name,
        derived=derived_line(project.circuit),
        remarks=(*remarks(project.circuit), *flat_jitter(project.circuit, transfer)),
        network=project.recipe.network.name,
        data=project.recipe.data.name,
        images=project.evaluated_images,
        chips=project.spec.evaluation.chips,
        level=level,
        transfer=transfer,
        broken=tuple(_broken(out)),
        recovery=comparison.recovery,
        in_circuit=comparison.in_circuit,
        valid=comparison.valid,
        cost=None if aware.images is None else aware.images.cost,
        stages=tuple(_stage(out, one) for one in done),
        run=clock.record(),
    )


def flat_jitter(circuit: NeuronSpec, rows: tuple[TransferRow, ...]) -> tuple[str, ...]:
    """Return why the output jitter hardly depends on the input's, where that is so."""
    jittered = sorted((row.value, row.mean) for row in rows if row.half == "jitter")
    if len(jittered) < 2 or jittered[-1][0] < LEAST_SPAN * jittered[0][0]:
        return ()
    (smallest, low), (largest, high) = jittered[0], jittered[-1]
    if not high < FLAT_BELOW * low:  # nan where none fired
        return ()
    noisy = any(circuit.phase_noise) or circuit.flicker is not None
    cause = "the noise of the neuron's own oscillators (phase_noise, flicker)" if noisy else "where its edges fall"
    return (
        f"output jitter is {100 * low:.2g} % at {100 * smallest:g} % input jitter and {100 * high:.2g} % at "
        f"{100 * largest:g} %: most of it comes from {cause}, which is there without input jitter too",
    )


def _broken(out: Path) -> list[str]:
    """Return the limits that the two mappings break, in words."""
    return [
        f"{stage}: layer {limit.layer} {limit.name}: {limit.value:.4g} beyond {limit.bound:.4g}; {limit.help}"
        for stage in ("map", "aware-map")
        for limit in Mapping.load(out / stage / MAPPED).limits
        if not limit.met
    ]


def _stage(out: Path, done: Done) -> StageRun:
    pages = sorted((out / done.stage.name).glob("*.html"), key=lambda page: page.stem != STEM)
    report = os.path.relpath(pages[0], out) if pages else ""
    return StageRun(name=done.stage.name, title=done.stage.title, report=report, wall_s=done.wall_s, reused=done.reused)
