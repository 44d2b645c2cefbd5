"""What a sweep evaluates: rows, and batches with fixed borders, each under a hash of all that determines it."""

import hashlib
import json
from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import Any, Literal, Self

from neurocircuit import simulate
from neurocircuit.errors import FileFormatError
from neurocircuit.spec import NeuronSpec, SweepSpec, Testbench
from neurocircuit.sweep.identity import Environment

SCHEMA = 1
REFERENCE_LEVELS = ("ideal", "averaged")  # cheap and exact: they always stand beside the measured level
_BATCH_TRIALS = {"bsource": 5}  # draws per batch; small where one draw takes milliseconds
_FAST_BATCH_TRIALS = 500
# Of the testbench, these choose or reduce results but do not change what one evaluation gives.
_NOT_IN_KEY = ("name", "summary", "level", "desired", "metric", "trials", "cross_check_trials", "timeout", "retries")

Half = Literal["jitter", "bits"]
Kind = Literal["clean", "floor", "disturbed"]


@dataclass(frozen=True)
class Row:
    """One row of a half of the table. Clean: undisturbed; floor: the same with the level's numerics refined."""

    half: Half
    kind: Kind
    value: float = 0.0  # of a disturbed row: jitter amplitude (a ratio), or bits

    @property
    def name(self) -> str:
        """For example clean-jitter, floor-bits, jitter=0.01, bits=4."""
        return f"{self.half}={self.value:g}" if self.kind == "disturbed" else f"{self.kind}-{self.half}"

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
        """SHA-256 over everything that determines the fire times of this batch."""
        content = {
            "what": _what_is_measured(self.spec, self.testbench),
            "seed": self.seed,
            "level": self.level,
            "engine": environment.engines[self.level],
            "row": [self.row.half, self.row.kind, self.row.value],
            "trials": [self.first, self.count],
            "environment": environment.identity,
            "schema": SCHEMA,
        }
        return sha256_of(content)

    @property
    def cost(self) -> float:
        """Rough seconds, for the order of work and the progress bar."""
        return self.count * TYPICAL_SECONDS[self.level]


TYPICAL_SECONDS = {"ideal": 1e-6, "averaged": 1e-5, "edge": 1e-5, "bsource": 2e-2}


@dataclass(frozen=True)
class SweepRequest:
    """All that determines a sweep's result: what runs over which rows, and how many draws at each level."""

    spec: NeuronSpec
    testbench: Testbench
    sweep: SweepSpec
    levels: dict[str, int]  # draws by level, in the order of simulate.LEVELS

    @classmethod
    def build(cls, spec: NeuronSpec, testbench: Testbench, sweep: SweepSpec, cross_check: str | None) -> Self:
        """The testbench's own level and the reference levels with all draws, `cross_check` with its fewer ones."""
        draws = dict.fromkeys((*REFERENCE_LEVELS, testbench.level), testbench.trials)
        if cross_check is not None:
            draws.setdefault(cross_check, testbench.cross_check_trials)
        return cls(spec, testbench, sweep, {level: draws[level] for level in simulate.LEVELS if level in draws})

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> Self:
        """What `to_dict` gave. Raises FileFormatError for another schema or a missing part, SpecError for a field."""
        if values.get("schema") != SCHEMA:
            raise FileFormatError(f"request must have schema {SCHEMA}, got {values.get('schema')!r}")
        levels = values.get("levels")
        if not isinstance(levels, dict) or not all(
            level in simulate.LEVELS and type(count) is int and count >= 2 for level, count in levels.items()
        ):
            raise FileFormatError(f"request.levels must give draws >= 2 by level, got {levels!r}")
        parts: list[dict[str, Any]] = [values.get(name, {}) for name in ("spec", "testbench", "sweep")]
        return cls(
            NeuronSpec.from_dict(parts[0]),
            Testbench.from_dict(parts[1]),
            SweepSpec.from_dict(parts[2]),
            {level: levels[level] for level in simulate.LEVELS if level in levels},
        )

    def to_dict(self) -> dict[str, Any]:
        """Content of request.json."""
        return {
            "schema": SCHEMA,
            "spec": self.spec.to_dict(),
            "testbench": self.testbench.to_dict(),
            "sweep": self.sweep.to_dict(),
            "levels": self.levels,
        }

    @property
    def sha256(self) -> str:
        """Hash of the request."""
        return sha256_of(self.to_dict())

    @cached_property
    def effective_spec(self) -> NeuronSpec:
        """The neuron as the testbench reads it out."""
        readout = self.testbench.readout
        return self.spec if readout == "spec" else self.spec.replace(readout=readout)

    @property
    def halves(self) -> tuple[Half, ...]:
        """The halves of the table that this sweep has."""
        halves: tuple[Half, ...] = ("jitter", "bits")
        return tuple(half for half in halves if getattr(self.sweep, half))

    def rows(self) -> list[Row]:
        """Clean, floor and disturbed rows of each half."""
        return [row for half in self.halves for row in (Row(half, "clean"), Row(half, "floor"), *self.disturbed(half))]

    def disturbed(self, half: Half) -> list[Row]:
        """The rows of the printed table."""
        values: tuple[float, ...] = getattr(self.sweep, half)
        return [Row(half, "disturbed", value) for value in values]

    def batches(self) -> list[Batch]:
        """All batches. Their borders depend on level and number of draws alone."""
        return [
            Batch(self.effective_spec, self.testbench, self.sweep.seed, level, row, first, min(size, draws - first))
            for level, draws in self.levels.items()
            for size in (_BATCH_TRIALS.get(level, _FAST_BATCH_TRIALS),)
            for row in self.rows()
            for first in range(0, draws, size)
        ]


@lru_cache(maxsize=64)
def _what_is_measured(spec: NeuronSpec, testbench: Testbench) -> str:
    """Hash of the fields on which a single evaluation depends."""
    fields = {name: value for name, value in testbench.to_dict().items() if name not in _NOT_IN_KEY}
    neuron = {name: value for name, value in spec.to_dict().items() if name != "name"}
    return sha256_of({"spec": neuron, "testbench": fields})


def sha256_of(content: dict[str, Any]) -> str:
    """Hash of JSON content, whatever the order of its names."""
    return hashlib.sha256(json.dumps(content, sort_keys=True, allow_nan=False).encode()).hexdigest()
