"""Single trained neurons of every layer against a noise table, or level against level where causes differ."""

from dataclasses import dataclass
from typing import Literal

import numpy as np

from neurocircuit.core.arrays import Floats
from neurocircuit.core.pool import IN_PROCESS, Pool, Progress, part_of, silent
from neurocircuit.errors import InputError
from neurocircuit.network.calibrate import Points
from neurocircuit.network.run import Circuit
from neurocircuit.network.verify import correlation, level_agreement, neurons, transistors
from neurocircuit.neuron import levels
from neurocircuit.noise.model import LARGEST_OUTSIDE, NoiseModel
from neurocircuit.noise.table import NoiseTable
from neurocircuit.results.replay import LayerCheck, NeuronsReplay

Inputs = Literal["chips", "ideal"]
CHIPS = 40
CORRELATION_CHIPS = 60
FAST = ("edge", "averaged")  # levels at which every point can meet every chip


@dataclass(frozen=True)
class SingleNeurons:
    """About `runs` neurons of each of `layers`, from images given by their input spikes [number].

    inputs: chips: the neurons receive what whole images on chips give them; ideal: what eq. (4) does.
    """

    circuit: Circuit
    table: NoiseTable
    images: list[Floats]
    level: str
    runs: int
    seed: int
    layers: tuple[int, ...]
    pool: Pool = IN_PROCESS
    progress: Progress = silent
    inputs: Inputs = "chips"

    @property
    def table_level(self) -> str:
        """Level that the table was calibrated at."""
        return str(self.table.provenance["level"])

    def replay(self) -> NeuronsReplay:
        """Return what the neurons did at the level, beside the table or beside the table's own level.

        Raise InputError at level transistor when `layers` does not hold the first one.
        """
        if self.level == "transistor":
            return self._replayed([], [self._in_transistors()])
        spec = self.circuit.mapped.neuron_of(0)
        causes_here, causes_there = (levels.not_modelled(level, spec) for level in (self.level, self.table_level))
        differing = level_agreement.differing_causes(causes_here, causes_there, self.level, self.table_level)
        inputs = "edge" if self.inputs == "chips" else None
        points_of_layer = neurons.points_of(self.circuit, self.images, self.runs, self.seed, self.pool, inputs)
        check = self._level_against_level if differing else self._level_against_table
        checks = [
            check(points_of_layer[layer], part_of(self.progress, k, len(self.layers)))
            for k, layer in enumerate(self.layers)
        ]
        return self._replayed(differing, checks)

    def _replayed(self, differing: list[str], checks: list[LayerCheck]) -> NeuronsReplay:
        return NeuronsReplay(
            level=self.level,
            table_level=self.table_level,
            differing_causes=tuple(differing),
            inputs=self.inputs,
            images=len(self.images),
            layers=tuple(checks),
        )

    def _in_transistors(self) -> LayerCheck:
        """Return the check of the first layer in transistors; wider layers are named with their limit."""
        name = self.circuit.mapped.layers[0].name
        if 0 not in self.layers:
            raise InputError(f"--layers must hold {name} at level transistor, the only layer that is run there")
        self.progress(0, 1, f"layer {name}: {self.runs} neurons in transistors, some 20 s each")
        model = NoiseModel(self.table, outside="ideal")
        return transistors.replay(self.circuit, model, self.images, self.runs, self.seed)

    def _level_against_level(self, points: Points, progress: Progress) -> LayerCheck:
        difference = level_agreement.level_discrepancy(
            self.circuit,
            points,
            self.level,
            self.table_level,
            chip_count=CHIPS,
            seed=self.seed,
            pool=self.pool,
            progress=progress,
        )
        return LayerCheck(**difference.model_dump())

    def _level_against_table(self, points: Points, progress: Progress) -> LayerCheck:
        circuit, level, seed, pool = self.circuit, self.level, self.seed, self.pool
        model = NoiseModel(self.table, outside="ideal")
        answered, known = model.reach(points.layer, points.all_coordinates)
        reached, _ = model.reach(points.layer, points.coordinates)
        inside = np.flatnonzero(reached | ~points.point.fired)
        left_out = len(reached) - len(inside)
        points = points.take(inside)
        parts = 2 if level in FAST else 1
        runs = neurons.replay(
            circuit,
            model,
            points,
            level=level,
            chips=min(CHIPS, len(inside)),
            seed=seed,
            pool=pool,
            progress=part_of(progress, 0, parts),
        )
        check = neurons.summary(circuit, runs)
        share = float(np.mean(~answered))
        valid = share <= LARGEST_OUTSIDE
        invalid = f" Marked INVALID: {share:.2%} of the layer's firing neurons lie beyond the table."
        worst = level_agreement.worst(circuit, runs, level, seed)
        if level in FAST:
            pair = correlation.scores(
                circuit,
                model,
                points,
                level=level,
                chips=CORRELATION_CHIPS,
                seed=seed,
                pool=pool,
                progress=part_of(progress, 1, parts),
            )
            correlations = correlation.summary(pair)
        else:
            correlations = correlation.of_runs(circuit, model, runs, seed)
        return check.with_fields(
            sentence=check.sentence if valid else check.sentence + invalid,
            points_of_all_images=len(answered),
            outside_share=share,
            tail_share=float(np.mean(answered & ~known)),
            left_out=left_out,
            valid=valid,
            worst=worst,
            correlation=correlations,
        )
