"""What a sweep evaluates: rows, and batches with fixed borders, each under a hash of all that determines it."""

import hashlib
from dataclasses import dataclass, field
from functools import cached_property, lru_cache
from typing import Any, Literal, Self

from neurocircuit.core.taskstore import key_of, sha256_of
from neurocircuit.errors import FileFormatError, InputError
from neurocircuit.neuron import levels as neuron_levels
from neurocircuit.spec import NeuronSpec, SweepSpec, Testbench
from neurocircuit.studies.sweep.identity import Environment

SCHEMA = 1
REFERENCE_LEVELS = ("ideal", "averaged")  # cheap and exact: they always stand beside the measured level
COSTLY_LEVEL = "transistor"  # seconds a draw: the edge level stands beside it as control variate
COSTLY_REFERENCES = (*REFERENCE_LEVELS, "edge")
_FAST_DRAWS = 2000  # of the fast levels beside a costly one, whose own draws are few
# Of the testbench, these choose or reduce results but do not change what one evaluation gives.
_NOT_IN_KEY = ("name", "summary", "level", "desired", "metric", "trials", "cross_check_trials", "timeout", "retries")

Half = Literal["jitter", "bits"]
Kind = Literal["clean", "floor", "disturbed"]


@dataclass(frozen=True)
class Row:
    """One row of a half of the table. Clean: undisturbed; floor: the same with the level's numerics refined.

    value: of a disturbed row its jitter amplitude (a ratio) or bits; of a floor row that of the row it refines, 0 for
    the clean one.
    """

    half: Half
    kind: Kind
    value: float = 0.0

    @property
    def name(self) -> str:
        """For example clean-jitter, floor-bits, jitter=0.01, bits=4, floor-jitter=0.01."""
        row_name = f"{self.half}={self.value:g}" if self.value else self.half
        return row_name if self.kind == "disturbed" else f"{self.kind}-{row_name}"

    @property
    def is_disturbed(self) -> bool:
        """Whether inputs or weights are disturbed: in a disturbed row and in the one that refines it."""
        return self.value != 0.0

    @property
    def in_words(self) -> str:
        """For example "input jitter 3 %", "4 bit weights", "undisturbed"."""
        what = f"input jitter {100 * self.value:g} %" if self.half == "jitter" else f"{self.value:g} bit weights"
        return what if self.is_disturbed else "undisturbed"

    @property
    def number(self) -> int:
        """A number of its own that does not depend on which other rows a sweep has; seeds its phase noise."""
        exact = f"{self.half} {self.kind} {self.value!r}"
        return int.from_bytes(hashlib.sha256(exact.encode()).digest()[:4], "big")


@dataclass(frozen=True)
class Batch:
    """Draws `first` … `first + count - 1` of one row at one level: the unit of work, of storage and of retries."""

    spec: NeuronSpec
    testbench: Testbench
    seed: int
    level: str
    row: Row
    first: int
    count: int

    def key(self, environment: Environment) -> str:
        """Return SHA-256 over everything that determines the fire times of this batch."""
        content = {
            "what": _what_is_measured(self.spec, self.testbench),
            "seed": self.seed,
            "level": self.level,
            "engine": environment.engines[self.level],
            "row": [self.row.half, self.row.kind, self.row.value],
            "trials": [self.first, self.count],
            "schema": SCHEMA,
        }
        if self.level == COSTLY_LEVEL:
            content["circuit"] = _circuit_identity(self.spec, len(self.testbench.weights))
        return key_of(content, environment.identity)

    @property
    def in_words(self) -> str:
        """For example "level edge, input jitter 3 %"."""
        return f"level {self.level}, {self.row.in_words}"

    @property
    def cost(self) -> float:
        """Rough seconds, for the order of work and the progress bar."""
        return self.count * COSTS[self.level].seconds


@dataclass(frozen=True)
class Cost:
    """What draws of a level cost: rough seconds for each, how many form a batch, and how many a timed probe takes."""

    seconds: float
    batch_draws: int = 500
    probe_draws: int = 200


COSTS = {
    "ideal": Cost(1e-6),
    "averaged": Cost(1e-5),
    "edge": Cost(1e-5),
    "bsource": Cost(2e-2, batch_draws=5, probe_draws=2),
    COSTLY_LEVEL: Cost(10.0, batch_draws=1, probe_draws=1),
}


@dataclass(frozen=True)
class SweepRequest:
    """All that determines a sweep's result: what runs over which rows, and how many draws at each level."""

    spec: NeuronSpec
    testbench: Testbench
    sweep: SweepSpec
    levels: dict[str, int]  # draws by level, in the order of neuron.levels.LEVELS
    # With mismatch: draw k of the costly level is made on chip k modulo their number. lost: why others of those that
    # were asked for could not be trimmed, by name.
    chips: tuple[NeuronSpec, ...] = ()
    lost: dict[str, str] = field(default_factory=dict)

    @classmethod
    def build(
        cls,
        spec: NeuronSpec,
        testbench: Testbench,
        sweep: SweepSpec,
        cross_check: str | None,
        chips: tuple[NeuronSpec, ...] = (),
        lost: dict[str, str] | None = None,
    ) -> Self:
        """Return the testbench's own level and the reference levels with all draws, `cross_check` with its fewer ones.

        Beside a costly level the references are cheap enough for more draws than it has, and edge is one of them.
        Raise InputError for a neuron or for bits that a level cannot do.
        """
        draws = dict.fromkeys((*REFERENCE_LEVELS, testbench.level), testbench.trials)
        if cross_check is not None:
            draws.setdefault(cross_check, testbench.cross_check_trials)
        if COSTLY_LEVEL in draws:
            check_costly(spec, sweep)
            draws |= dict.fromkeys(COSTLY_REFERENCES, max(testbench.trials, _FAST_DRAWS))
        elif chips:
            raise InputError(f"--mc draws the mismatch of transistors: it needs the level {COSTLY_LEVEL}")
        levels = {level: draws[level] for level in neuron_levels.LEVELS if level in draws}
        return cls(spec, testbench, sweep, levels, chips, lost or {})

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> Self:
        """Return what `to_dict` gave.

        Raise FileFormatError for another schema or a missing part, SpecError for a field.
        """
        if values.get("schema") != SCHEMA:
            raise FileFormatError(f"request must have schema {SCHEMA}, got {values.get('schema')!r}")
        levels = values.get("levels")
        if not isinstance(levels, dict) or not all(
            level in neuron_levels.LEVELS and type(count) is int and count >= 2 for level, count in levels.items()
        ):
            raise FileFormatError(f"request.levels must give draws >= 2 by level, got {levels!r}")
        parts: list[dict[str, Any]] = [values.get(name, {}) for name in ("spec", "testbench", "sweep")]
        return cls(
            NeuronSpec.from_dict(parts[0]),
            Testbench.from_dict(parts[1]),
            SweepSpec.from_dict(parts[2]),
            {level: levels[level] for level in neuron_levels.LEVELS if level in levels},
            tuple(NeuronSpec.from_dict(chip) for chip in values.get("chips", ())),
            {str(name): str(reason) for name, reason in values.get("lost_chips", {}).items()},
        )

    def to_dict(self) -> dict[str, Any]:
        """Return the content of request.json."""
        chips = {"chips": [chip.to_dict() for chip in self.chips]} if self.chips else {}
        lost = {"lost_chips": self.lost} if self.lost else {}
        return {
            "schema": SCHEMA,
            "spec": self.spec.to_dict(),
            "testbench": self.testbench.to_dict(),
            "sweep": self.sweep.to_dict(),
            "levels": self.levels,
            **chips,
            **lost,
        }

    @property
    def sha256(self) -> str:
        """Hash of the request."""
        return sha256_of(self.to_dict())

    @cached_property
    def effective_spec(self) -> NeuronSpec:
        """The neuron as the testbench reads it out."""
        return self._as_read_out(self.spec)

    def spec_of(self, level: str, trial: int) -> NeuronSpec:
        """Return the neuron of a draw: with mismatch one of the chips at the costly level, else always the same."""
        if level == COSTLY_LEVEL and self.chips:
            return self._as_read_out(self.chips[trial % len(self.chips)])
        return self.effective_spec

    def _as_read_out(self, spec: NeuronSpec) -> NeuronSpec:
        readout = self.testbench.readout
        return spec if readout == "spec" else spec.replace(readout=readout)

    @property
    def halves(self) -> tuple[Half, ...]:
        """The halves of the table that this sweep has."""
        halves: tuple[Half, ...] = ("jitter", "bits")
        return tuple(half for half in halves if getattr(self.sweep, half))

    def rows(self, level: str = "") -> list[Row]:
        """Return the clean, floor and disturbed rows of each half.

        At the costly level each disturbed row has a floor as well.
        """
        rows = [row for half in self.halves for row in (Row(half, "clean"), Row(half, "floor"), *self.disturbed(half))]
        if level != COSTLY_LEVEL:
            return rows
        return rows + [Row(half, "floor", row.value) for half in self.halves for row in self.disturbed(half)]

    def disturbed(self, half: Half) -> list[Row]:
        """Return the rows of the printed table."""
        values: tuple[float, ...] = getattr(self.sweep, half)
        return [Row(half, "disturbed", value) for value in values]

    def draws(self, level: str, row: Row) -> int:
        """Return the draws of one row; a costly level is refined for the first cross_check_trials draws only."""
        if level == COSTLY_LEVEL and row.kind == "floor":
            return min(self.levels[level], self.testbench.cross_check_trials)
        return self.levels[level]

    def batches(self) -> list[Batch]:
        """Return all batches. Their borders depend on level and number of draws alone."""
        return [
            Batch(
                self.spec_of(level, first),
                self.testbench,
                self.sweep.seed,
                level,
                row,
                first,
                min(size, self.draws(level, row) - first),
            )
            for level in self.levels
            for size in (COSTS[level].batch_draws,)
            for row in self.rows(level)
            for first in range(0, self.draws(level, row), size)
        ]


def check_costly(spec: NeuronSpec, sweep: SweepSpec) -> None:
    """Raise InputError for a neuron without transistors, and for more bits than its weight bank has."""
    if spec.circuit is None:
        raise InputError(
            f"level {COSTLY_LEVEL} needs a NeuronSpec with circuit, as `neurocircuit characterize` writes it"
        )
    most = spec.circuit.weight_bits
    if max(sweep.bits, default=0) > most:
        raise InputError(f"--bits must be <= {most}, the bits of the circuit's weight bank, got {max(sweep.bits)}")


@lru_cache(maxsize=64)
def _what_is_measured(spec: NeuronSpec, testbench: Testbench) -> str:
    """Hash of the fields on which a single evaluation depends."""
    fields = {name: value for name, value in testbench.to_dict().items() if name not in _NOT_IN_KEY}
    neuron = {name: value for name, value in spec.to_dict().items() if name != "name"}
    return sha256_of({"spec": neuron, "testbench": fields})


@lru_cache(maxsize=64)
def _circuit_identity(spec: NeuronSpec, inputs: int) -> str:
    """Hash of the netlists and models, asked once for each neuron: a file that changes meanwhile is not seen."""
    return neuron_levels.identity(COSTLY_LEVEL, spec, inputs)
