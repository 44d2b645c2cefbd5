"""The options of a sweep, and the request that they make of defaults or of a run to resume."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from neurocircuit.errors import InputError
from neurocircuit.spec import NeuronSpec, SweepSpec, Testbench
from neurocircuit.spice.process import default_neuron
from neurocircuit.studies.sweep import library
from neurocircuit.studies.sweep.plan import SweepRequest

DEFAULT_TESTBENCH = "paper"
DEFAULT_CROSS_CHECK = "bsource"
TRANSISTOR = "transistor"  # the level, and the testbench that is its default and has few draws


@dataclass(frozen=True)
class SweepOptions:
    """What determines the result of a sweep, as `sweep` describes it; None: as in the run to resume, or the default.

    chips, lost: trimmed chips that the draws take in turn, and why others cannot be trimmed.
    """

    spec: NeuronSpec | None = None
    testbench: Testbench | str | None = None
    jitter: Sequence[float] | None = None
    bits: Sequence[int] | None = None
    level: str | None = None
    cross_check: str | None = None
    trials: int | None = None
    cross_trials: int | None = None
    seed: int | None = None
    chips: tuple[NeuronSpec, ...] = ()
    lost: dict[str, str] = field(default_factory=dict)


def build_request(options: SweepOptions, base: SweepRequest | None = None) -> SweepRequest:
    """Return the request from what was given; the rest from `base` (a run to resume), else the defaults."""
    testbench, rows = _testbench(options, base), _rows(options, base)
    spec = options.spec or (default_neuron(testbench.level) if base is None else base.spec)
    if base is not None and options.cross_check is None:
        return SweepRequest(spec, testbench, rows, base.levels, base.chips, base.lost)
    cross_check = options.cross_check
    if cross_check is None and testbench.level not in (DEFAULT_CROSS_CHECK, TRANSISTOR):
        cross_check = DEFAULT_CROSS_CHECK
    if cross_check == testbench.level:
        raise InputError(f"--cross-check must differ from the level of the sweep, got {cross_check}")
    chips, lost = (options.chips, options.lost) if base is None else (base.chips, base.lost)
    return SweepRequest.build(spec, testbench, rows, None if cross_check == "none" else cross_check, chips, lost)


def _testbench(options: SweepOptions, base: SweepRequest | None) -> Testbench:
    chosen = {"level": options.level, "trials": options.trials, "cross_check_trials": options.cross_trials}
    changes: dict[str, str | int] = {name: value for name, value in chosen.items() if value is not None}
    if base is None:
        default_testbench = TRANSISTOR if options.level == TRANSISTOR else DEFAULT_TESTBENCH
        testbench = library.load_testbench(options.testbench or default_testbench)
        changes = _few_draws(options, testbench) | changes
    elif options.testbench is None:
        testbench = base.testbench
    else:
        testbench = library.load_testbench(options.testbench)
        changes = {name: getattr(base.testbench, name) for name in chosen} | changes
    return testbench.replace(**changes) if changes else testbench


def _few_draws(options: SweepOptions, testbench: Testbench) -> dict[str, str | int]:
    """Return the default draws where the options bring the transistors: thousands of a testbench would take days."""
    few = library.load_testbench(TRANSISTOR)
    if testbench.level == TRANSISTOR or TRANSISTOR not in (options.level, options.cross_check):
        return {}
    refined: dict[str, str | int] = {"cross_check_trials": few.cross_check_trials}
    return refined | {"trials": few.trials} if options.level == TRANSISTOR else refined


def _rows(options: SweepOptions, base: SweepRequest | None) -> SweepSpec:
    # The rows of Table 3 need more bits than a circuit has: without transistors they all run, with them none by itself.
    default_rows = SweepSpec(bits=()) if _testbench(options, base).level == TRANSISTOR else SweepSpec()
    old = default_rows if base is None else base.sweep
    return SweepSpec(
        jitter=old.jitter if options.jitter is None else options.jitter,
        bits=old.bits if options.bits is None else options.bits,
        seed=old.seed if options.seed is None else options.seed,
    )
