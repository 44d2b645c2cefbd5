"""Testbench: every choice about the measurement that the paper leaves open, as an explicit field."""

from typing import Annotated, Literal

from pydantic import Field, model_validator

from neurocircuit.spec.fields import Ratio, Seconds, Spec
from neurocircuit.spec.neuron import StartPhases

LevelName = Literal["ideal", "averaged", "edge", "bsource", "transistor"]


class Uniform(Spec):
    """Evenly distributed from low to high."""

    kind: Literal["uniform"] = "uniform"
    low: Ratio
    high: Ratio

    @model_validator(mode="after")
    def _ordered(self) -> "Uniform":
        if not self.low < self.high:
            raise ValueError(f"high must be > low = {self.low:g}, got {self.high:g}")
        return self


Value = Ratio | Uniform


class Testbench(Spec):
    """How Table 3 is measured (paper §4.2). Times are in units of tau from arming."""

    __test__ = False  # not a pytest class

    name: Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9-]{0,63}$", description="a label")]
    summary: Annotated[str, Field(min_length=1, description="the reading in one sentence")]
    level: Annotated[LevelName, Field(description="level of the neuron for the main rows")] = "edge"
    input_times_over_tau: Annotated[
        tuple[Value, ...], Field(min_length=1, description="spike time of each input, a number or a distribution")
    ]
    weights: Annotated[
        tuple[Value, ...], Field(min_length=1, description="weight of each input in the jitter half of the table")
    ]
    quantised_weights: Annotated[
        tuple[Value, ...], Field(min_length=1, description="weight of each input in the quantisation half, before it")
    ]
    jittered_inputs: Annotated[
        Literal["all"] | tuple[Annotated[int, Field(ge=0)], ...], Field(description="which inputs jitter")
    ] = "all"
    jitter_distribution: Annotated[
        Literal["gaussian", "uniform"],
        Field(description="shape of the jitter; its standard deviation is the named amplitude"),
    ] = "gaussian"
    jitter_correlation: Annotated[
        Literal["independent", "common"], Field(description="own jitter for each input, or one for all")
    ] = "independent"
    jitter_reference: Annotated[
        Literal["relative", "tau"], Field(description="amplitude relative to the input's own time, or to tau")
    ] = "relative"
    time_origin: Annotated[
        Literal["arming", "first-input"],
        Field(
            description="where times start that relative jitter, in and out, refers to; |Δ|/t is not shift-invariant"
        ),
    ] = "arming"
    desired: Annotated[
        Literal["clean-run", "eq4"],
        Field(description="the desired time: the same neuron without jitter and noise, or eq. (4)"),
    ] = "clean-run"
    metric: Annotated[
        Literal["mean", "median", "maximum"], Field(description="statistic of |Δ|/t that the table's column shows")
    ] = "mean"
    readout: Annotated[
        Literal["spec", "continuous", "q"], Field(description="the neuron's own readout, or this one")
    ] = "spec"
    start_phases: Annotated[
        Literal["spec", "random"] | StartPhases, Field(description="the neuron's own start phases, or these")
    ] = "spec"
    trials: Annotated[int, Field(ge=2, le=10_000_000, strict=True, description="draws per row")] = 2000
    cross_check_trials: Annotated[
        int, Field(ge=2, le=100_000, strict=True, description="draws per row that a second level repeats")
    ] = 20
    timeout_s: Annotated[Seconds, Field(alias="timeout", gt=0, description="limit of one simulator run")] = 30.0
    retries: Annotated[int, Field(ge=0, le=10, strict=True, description="new attempts for a failed batch")] = 1

    @model_validator(mode="after")
    def _same_length(self) -> "Testbench":
        count = len(self.input_times_over_tau)
        for name in ("weights", "quantised_weights"):
            if len(getattr(self, name)) != count:
                raise ValueError(
                    f"{name} must have {count} entries, one for each input, got {len(getattr(self, name))}"
                )
        if isinstance(self.jittered_inputs, tuple) and not all(index < count for index in self.jittered_inputs):
            raise ValueError(f"jittered_inputs must be < {count}, got {max(self.jittered_inputs)}")
        for value in self.input_times_over_tau:
            low = value.low if isinstance(value, Uniform) else value
            if low < 0:
                raise ValueError(f"input_times_over_tau must be >= 0 (arming), got {low:g}")
        return self


class SweepSpec(Spec):
    """What one sweep runs over; an empty half is not run."""

    jitter: Annotated[
        tuple[Annotated[Ratio, Field(gt=0, le=0.2)], ...],
        Field(description="standard deviations of the relative input jitter; beyond 20 % spikes would precede arming"),
    ] = (0.01, 0.03, 0.05, 0.07, 0.09)
    bits: Annotated[
        tuple[Annotated[int, Field(ge=1, le=52, strict=True)], ...], Field(description="resolutions of the weight bank")
    ] = (4, 8, 16, 24, 32)
    seed: Annotated[int, Field(ge=0, lt=2**63, strict=True, description="root of all random draws")] = 1

    @model_validator(mode="after")
    def _not_empty(self) -> "SweepSpec":
        if not self.jitter and not self.bits:
            raise ValueError("jitter and bits must not both be none, got nothing to sweep")
        return self
