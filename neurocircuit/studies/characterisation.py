"""A process as one call: its neuron trimmed and measured in transistors, datasheet, and spec for the fast levels."""

from collections.abc import Sequence
from pathlib import Path
from typing import ClassVar

from neurocircuit.core.pool import Progress, silent
from neurocircuit.core.result import FolderResult
from neurocircuit.core.taskstore import read_task
from neurocircuit.process import request as requests
from neurocircuit.process import run, spec_files
from neurocircuit.process.random_models import refuse_random_models
from neurocircuit.results.measurement import Measured
from neurocircuit.spec import NeuronSpec
from neurocircuit.spice.process import load

SHOWN_TRIMS = 6


class Characterisation(FolderResult):
    """A finished characterisation: which measurements failed, and in its folder datasheet, specs and measurements."""

    kind: ClassVar[str] = "characterisation"

    status: str
    failed: tuple[dict[str, str], ...]
    ngspice: str
    jobs: int | None = None
    scheduler: str | None = None

    @property
    def specs(self) -> tuple[Path, ...]:
        """Spec files, the first at the nominal condition."""
        nominal = self.out / spec_files.SPEC
        conditions = sorted((self.out / run.CONDITIONS).glob(f"*/{spec_files.SPEC}"))
        return (nominal, *conditions) if nominal.exists() else tuple(conditions)

    @property
    def spec(self) -> NeuronSpec:
        """The neuron at the nominal condition, for the fast levels."""
        return NeuronSpec.from_toml(self.specs[0])

    def trims(self) -> tuple[str, ...]:
        """Return a line for each condition with a trim but no spec: the frequency, the errors of phase and drift."""
        folder = self.out / run.CONDITIONS
        with_spec = {path.parent for path in folder.glob(f"*/{spec_files.SPEC}")}
        return tuple(
            _trim_text(path.parent.name, Measured.from_dict(read_task(path)[0]))
            for path in sorted(folder.glob(f"*/{requests.TRIM[0]}.json"))
            if path.parent not in with_spec
        )

    @property
    def exit_code(self) -> int:
        """3 where measurements failed."""
        return 3 if self.failed else 0

    def summary(self) -> str:
        """Return the spec files, and what failed."""
        lines = [f"spec:   {path}" for path in self.specs] or [
            "spec:   none: it needs the measurement kernel, which was not made"
        ]
        trims = self.trims()
        lines += trims[:SHOWN_TRIMS]
        lines += [f"and {len(trims) - SHOWN_TRIMS} more trims that reached their aim"] if trims[SHOWN_TRIMS:] else []
        lines += [f"{item['condition']} {item['measurement']}: failed: {item['reason']}" for item in self.failed]
        return "\n".join([*lines, *([f"report: {self.report}"] if self.report else [])])


def _trim_text(condition: str, trim: Measured) -> str:
    """Return the verdict of a trim: a residual beyond its bound fails, so one that was recorded has reached its aim."""
    lag, lag_bound, drift, drift_bound = (
        trim.value(key) for key in ("lag_residual", "lag_bound", "drift", "drift_bound")
    )
    return (
        f"{condition} trim: reached, VCO1 runs at {trim.value('f1') / 1e6:.1f} MHz; left of the lock's phase "
        f"{1e3 * abs(lag):.2g} mrad (half a step of the current: {1e3 * lag_bound:.2g}), drift of the idle membrane "
        f"{1e-6 * abs(drift):.2g} Mrad/s ({1e-6 * drift_bound:.2g})"
    )


def characterize(
    process: str = "generic65",
    *,
    corner: Sequence[str] | None = None,
    temp: Sequence[float] = (27.0,),
    vdd: Sequence[float] = (1.0,),
    one_at_a_time: bool = False,
    trim_grid: bool = False,
    only: Sequence[str] | None = None,
    resolution: float = 1e-4,
    cases: int = 40,
    seed: int = 1,
    synapses: int | None = None,
    out: Path | str | None = None,
    resume: bool = False,
    report: bool = True,
    jobs: int = 1,
    scheduler: str | None = None,
    progress: Progress = silent,
) -> Characterisation:
    """Trim and measure the neuron of a process in transistors; write datasheet and specs into `out`, and return them.

    process: name, or path of a process.toml. corner: default the nominal one; temp: degC; vdd: supplies over the
    nominal one; every combination, or with `one_at_a_time` those in which at most one of the three is not nominal, and
    with `trim_grid` a trim at all corners and temperatures. only: measurements (what they need runs too). resolution:
    step of the trim currents over the nominal ones. cases: random prediction cases. synapses: on each neuron, idle ones
    too, for they load its current node; default those of the process. out: default reports/datasheet-PROCESS.

    Raise InputError for an unknown process, corner or measurement, SimulatorMissing without ngspice; a measurement that
    fails raises nothing: it is recorded, and `exit_code` is 3.

    >>> characterize("generic65", only=["cco"]).spec.f0_Hz  # doctest: +SKIP
    """
    installed = load(process).with_synapses(synapses)
    corners = tuple(corner or (installed.process.nominal_corner,))
    supply_V = installed.process.supply_V
    named_conditions = requests.conditions(corners, tuple(temp), tuple(vdd), supply_V, one_at_a_time)
    grid = requests.conditions(corners, tuple(temp), (1.0,), supply_V) if trim_grid else ()
    trim_only = tuple(condition for condition in grid if condition not in named_conditions)
    request = requests.Request(
        process=process,
        conditions=(*named_conditions, *trim_only),
        measurements=requests.with_needs(tuple(only or requests.NEEDS)),
        resolution=resolution,
        cases=cases,
        seed=seed,
        trim_only=trim_only,
        synapses=synapses,
    )
    for condition in request.conditions:
        installed.condition(condition.corner)  # an unknown corner is told before anything is written
        refuse_random_models(installed, condition)
    folder = Path("reports") / f"datasheet-{installed.process.name}" if out is None else Path(out)
    run.begin(request, folder, resume)
    try:
        record = run.execute(request, folder, jobs, scheduler, progress)
    except KeyboardInterrupt:
        hint = f"stopped; finished measurements are kept, add --resume --out {folder}"
        raise KeyboardInterrupt(hint) from None
    spec_files.write(request, folder)
    page = None
    if report:
        from neurocircuit.rendering import write_report  # jinja2 and matplotlib take a while to import

        page = write_report(folder)
    return Characterisation.of(record, folder, page)
