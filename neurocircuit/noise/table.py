"""NoiseTable: the cells of every layer in one sealed netCDF file, by the conventions of the table package."""

import json
from collections.abc import Mapping
from functools import cached_property
from pathlib import Path
from typing import Any, Self

import numpy as np
import xarray as xr

from neurocircuit.core.arrays import Floats
from neurocircuit.core.files import write_atomically
from neurocircuit.core.netcdf import check_sealed, dataset_bytes, read_dataset, seal
from neurocircuit.errors import FileFormatError, InputError
from neurocircuit.neuron.pulse_overlap import PulseOverlap
from neurocircuit.neuron.sensitivity import COMPONENTS, TERMS
from neurocircuit.noise.curves import APPROACH_EDGES, QUANTILES, WRAP_EDGES
from neurocircuit.noise.first_passage import FirstPassageFit
from neurocircuit.noise.fit import AXES, LayerFit
from neurocircuit.spec import MappedNetwork

CONVENTION = "neurocircuit NoiseTable"
# 1: neither terms that all chips have in common nor wraps nor tails; 2: no first passages; 3: on a ramp what
# overlapping pulses take was in the cells, not in the membranes
SCHEMA_VERSION = 4
SCALABLE = ("systematic", *COMPONENTS, "event")  # causes whose size the cells hold
_COORDINATES = {
    "slope": "ln(W_C - 1)",
    "time": "time since arming of the ideal spike, units of tau",
    "margin": "log10 of the time to the next causal spike, units of tau",
    "headroom": "largest |phase error| over pi/2 under eq. (4)",
    "root_sum_w2": "sqrt of the sum of the squared causal weights",
}
_CELL = {
    "n": "samples in the cell; few: its numbers are those of its slope, or of the layer",
    "bias": "median of the membrane disturbance that no chip term explains, thresholds",
    "bias_low": "lower end of its 95 % interval",
    "bias_high": "upper end of its 95 % interval",
    "spread": "standard deviation by events, thresholds",
    "spread_low": "lower end of its 95 % interval",
    "spread_high": "upper end of its 95 % interval",
    "missed": "share of spikes of eq. (4) that did not come within the window",
}
_REST = ("bias", "bias_low", "bias_high", "spread", "spread_low", "spread_high")
_TERM = {
    "term_kappa": "response over the first-order term that all chips have in common, by term",
    "term_kappa_error": "standard error of term_kappa, clustered by operating point",
}
_LAYER = {
    "kappa": "response over the first-order term, by component",
    "kappa_error": "standard error of kappa, clustered by chip",
    "component_spread": "standard deviation of kappa times the term over the samples, thresholds",
}
_SILENT = {
    "false_fire": "probability of a spike of a neuron that eq. (4) leaves silent, by closest approach",
    "false_low": "lower end of its 95 % interval",
    "false_high": "upper end of its 95 % interval",
    "false_n": "samples",
}
_WRAP = {
    "wrap_fire": "probability that phases modulo 2 pi read as a crossing, by the distance of the lowest membrane",
    "wrap_low": "lower end of its 95 % interval",
    "wrap_high": "upper end of its 95 % interval",
    "wrap_n": "samples",
}
_EARLY = {
    "early_share": "share of firing neurons whose spike comes long before its time",
    "wrap_share": "share of all neurons that fire by a wrap",
}
_FIRST_PASSAGE = {
    "n": "samples in the cell",
    "bias": "median disturbance of the membrane that no chip term explains, thresholds",
    "bias_low": "lower end of its 95 % interval",
    "bias_high": "upper end of its 95 % interval",
    "spread": "standard deviation of xi",
    "spread_low": "lower end of its 95 % interval",
    "spread_high": "upper end of its 95 % interval",
}
_FIRST_PASSAGE_KAPPA = {
    "kappa": "response of the membrane over the first-order term, by component",
    "kappa_error": "standard error of kappa, clustered by chip",
}
_TIMES = {
    "false_delay": "quantiles of the false spike's time after the closest approach, units of tau",
    "early_time": "quantiles of an early spike's time over that of the ideal spike",
    "wrap_at": "quantiles of a wrap's time, units of tau",
    "wrap_time": "quantiles of a wrap's time over that of the ideal spike or the closest approach",
}


class NoiseTable:
    """Fits by layer, and what determined them: network, level, causes, chips, seed."""

    def __init__(self, dataset: xr.Dataset) -> None:
        """Wrap a sealed dataset; use `from_fits` or `load`."""
        self.dataset = dataset

    @property
    def own_causes(self) -> list[str]:
        """Names of the causes of one's own that were registered when it was calibrated (noise/causes.py)."""
        return list(self.provenance.get("own_causes", []))

    @classmethod
    def from_fits(cls, fits: list[LayerFit], provenance: dict[str, Any]) -> Self:
        """`provenance` must be what JSON can hold; layers have variables of their own, as their cells differ."""
        variables: dict[str, Any] = {}
        for k, fit in enumerate(fits):
            dims = tuple(f"cell{k}_{name}" for name in AXES)
            for name in AXES:
                variables[f"edges{k}_{name}"] = (
                    (f"edge{k}_{name}",),
                    fit.edges[name],
                    {"long_name": _COORDINATES[name]},
                )
                variables[f"calibrated{k}_{name}"] = (
                    ("end",),
                    np.array(fit.calibrated[name]),
                    {"long_name": f"span of the calibrated points; {_COORDINATES[name]}"},
                )
            for name, meaning in _CELL.items():
                variables[f"{name}{k}"] = (dims, getattr(fit, name), {"units": "1", "long_name": meaning})
            for name in _REST:
                about = {"units": "1", "long_name": f"{_CELL[name]}; about the terms that all chips have in common"}
                variables[f"rest_{name}{k}"] = (dims, getattr(fit, f"rest_{name}"), about)
            about = {"units": "1", "long_name": "quantiles of the event's disturbance about the bias, thresholds"}
            for name in ("quantiles", "rest_quantiles"):
                variables[f"{name}{k}"] = ((*dims, "quantile"), getattr(fit, name), about)
        for group, dimension in (
            (_LAYER, "component"),
            (_TERM, "term"),
            (_SILENT, "approach"),
            (_WRAP, "distance"),
            (_EARLY, "one"),
        ):
            for name, meaning in group.items():
                values = np.stack([getattr(fit, name) for fit in fits])
                variables[name] = (("layer", dimension), values, {"units": "1", "long_name": meaning})
        for name, meaning in _TIMES.items():
            values = np.stack([getattr(fit, name) for fit in fits])
            variables[name] = (("layer", "quantile"), values, {"units": "1", "long_name": meaning})
        for k, fit in enumerate(fits):
            variables |= _first_passage_variables(k, fit.first_passage)
        variables["approach_edges"] = (("approach_edge",), APPROACH_EDGES, {"long_name": "1 - v_max + all terms"})
        variables["wrap_edges"] = (("distance_edge",), WRAP_EDGES, {"long_name": "distance from wrapping, thresholds"})
        coordinates = {
            "quantile": ("quantile", QUANTILES),
            "component": ("component", np.array(COMPONENTS)),
            "term": ("term", np.array(TERMS)),
            "layer": ("layer", np.arange(len(fits), dtype=np.int32)),
        }
        gains = {
            "axis_gains": [_listed(fit.gains) for fit in fits],
            "passage_gains": [_listed(fit.first_passage.gains) if fit.first_passage else {} for fit in fits],
        }
        attributes = {
            "convention": CONVENTION,
            "schema_version": SCHEMA_VERSION,
            "provenance": json.dumps(provenance | gains, sort_keys=True, allow_nan=False),
        }
        return cls(seal(xr.Dataset(variables, coordinates, attributes)))

    def save(self, path: Path | str) -> None:
        """Write a netCDF 3 file whose bytes depend on the content only."""
        write_atomically(Path(path), dataset_bytes(self.dataset))

    @classmethod
    def load(cls, path: Path | str) -> Self:
        """Read a file of `save`, or of an older version. Raise FileFormatError for a foreign or damaged one."""
        path = Path(path)
        dataset = read_dataset(path)
        version = dataset.attrs.get("schema_version")
        version = int(version) if version in (1, 2, 3) else SCHEMA_VERSION
        check_sealed(dataset, path, CONVENTION, "a noise table", version, ("layer", "component", "quantile"))
        for k in range(len(dataset["layer"])):
            for name in AXES:
                if f"edges{k}_{name}" not in dataset:
                    raise FileFormatError(f"{path} lacks the axis {name} of layer {k}")
        table = cls(dataset)
        if version == 3 and table._overlaps_on_a_ramp:
            raise FileFormatError(f"{path} has what overlapping pulses take in its cells, as before: calibrate it anew")
        return table

    @property
    def _overlaps_on_a_ramp(self) -> bool:
        """Whether the neurons read their membranes out on a ramp, and their pulses overlap."""
        spec = MappedNetwork.from_dict(self.provenance["network"]).neuron_of(0)
        return spec.ramp_slope is not None and not PulseOverlap.of(spec).is_none

    @cached_property
    def provenance(self) -> dict[str, Any]:
        """What determined the numbers."""
        record: dict[str, Any] = json.loads(self.dataset.attrs["provenance"])
        return record

    @cached_property
    def layers(self) -> tuple[LayerFit, ...]:
        """The cells of each layer."""
        values = {str(name): variable.values for name, variable in self.dataset.data_vars.items()}
        fits = []
        for k in range(len(self.dataset["layer"])):
            if self.dataset.attrs["schema_version"] == 1:
                _complete(values, k)
            if self.dataset.attrs["schema_version"] in (1, 2):  # neither first passages nor how often neurons wrap
                layers = len(values["kappa"])
                values |= {"wrap_share": np.zeros((layers, 1)), "wrap_at": np.zeros((layers, len(QUANTILES)))}
            residual_names = (*(f"rest_{name}" for name in _REST), "rest_quantiles")
            cells: dict[str, Floats] = {name: values[f"{name}{k}"] for name in (*_CELL, "quantiles", *residual_names)}
            wide: dict[str, Floats] = {
                name: values[name][k] for name in (*_LAYER, *_TERM, *_SILENT, *_WRAP, *_EARLY, *_TIMES)
            }
            gains = {name: (gain[0], gain[1]) for name, gain in self.provenance["axis_gains"][k].items()}
            edges = {name: values[f"edges{k}_{name}"] for name in AXES}
            spans = {
                name: (float(low), float(high))
                for name, (low, high) in ((name, values[f"calibrated{k}_{name}"]) for name in AXES)
            }
            passage = self._first_passage(k, values)
            fits.append(LayerFit(edges=edges, calibrated=spans, **cells, **wide, gains=gains, first_passage=passage))
        return tuple(fits)

    def _first_passage(self, k: int, values: dict[str, Floats]) -> FirstPassageFit | None:
        if f"passage_kappa{k}" not in values:
            return None
        variables = {
            name: values[f"passage_{name}{k}"] for name in (*_FIRST_PASSAGE, "quantiles", *_FIRST_PASSAGE_KAPPA)
        }
        edges = {name: values[f"passage_edges{k}_{name}"] for name in AXES}
        gains = {name: (gain[0], gain[1]) for name, gain in self.provenance["passage_gains"][k].items()}
        return FirstPassageFit(edges=edges, **variables, gains=gains)

    def redrawn(self, generator: np.random.Generator) -> "NoiseTable":
        """Return the table as another calibration of the same size could have given it, within its own errors."""
        return NoiseTable.from_fits([fit.redrawn(generator) for fit in self.layers], self.provenance)

    def scaled(self, factors: Mapping[str, float]) -> "NoiseTable":
        """Return the table with some causes so many times as large; those that are not named stay.

        systematic: the bias of the cells; die, neuron, synapse: a chip's responses; event: the event's quantiles. The
        probabilities of false, early and wrapped spikes stay, which layers without first passages have. Raise
        InputError for another cause or a factor that is not >= 0.
        """
        for cause, factor in factors.items():
            if cause not in SCALABLE:
                raise InputError(f"cause must be among {', '.join(SCALABLE)}, got {cause!r}")
            if not 0 <= factor < np.inf:
                raise InputError(f"factor of {cause} must be >= 0, got {factor:g}")
        return NoiseTable.from_fits([fit.scaled(factors) for fit in self.layers], self.provenance)

    def axes(self, layer: int) -> tuple[str, ...]:
        """Return the axes with more than one cell."""
        return tuple(name for name in AXES if len(self.layers[layer].edges[name]) > 2)

    def check_network(self, network: MappedNetwork, where: str) -> None:
        """Raise FileFormatError unless this table was calibrated for that mapped network, wherever its weights lie."""
        known = MappedNetwork.from_dict(self.provenance["network"])
        for key in sorted(MappedNetwork.model_fields):
            if getattr(known, key) != getattr(network, key) and key != "checkpoint":
                raise FileFormatError(f"{where} belongs to another network: its {key} differs")


def _listed(gains: dict[str, tuple[float, float]]) -> dict[str, list[float]]:
    return {name: list(gain) for name, gain in gains.items()}


def _first_passage_variables(k: int, fit: FirstPassageFit | None) -> dict[str, Any]:
    if fit is None:
        return {}
    dims = tuple(f"passage{k}_{name}" for name in AXES)
    variables: dict[str, Any] = {
        f"passage_edges{k}_{name}": ((f"passage_edge{k}_{name}",), fit.edges[name], {"long_name": _COORDINATES[name]})
        for name in AXES
    }
    for name, meaning in _FIRST_PASSAGE.items():
        variables[f"passage_{name}{k}"] = (dims, getattr(fit, name), {"units": "1", "long_name": meaning})
    about = {"units": "1", "long_name": "quantiles of xi, the event of a first passage in units of g(t)"}
    variables[f"passage_quantiles{k}"] = ((*dims, "quantile"), fit.quantiles, about)
    for name, meaning in _FIRST_PASSAGE_KAPPA.items():
        variables[f"passage_{name}{k}"] = (("component",), getattr(fit, name), {"units": "1", "long_name": meaning})
    return variables


def _complete(values: dict[str, Floats], k: int) -> None:
    """What version 1 does not have, in its sense: all disturbance in the cells, no wraps, no tails."""
    for name in (*_REST, "quantiles"):
        values[f"rest_{name}{k}"] = values[f"{name}{k}"]
    for name in AXES:
        values[f"calibrated{k}_{name}"] = values[f"edges{k}_{name}"][[0, -1]]
    layers = len(values["kappa"])
    values |= {name: np.zeros((layers, len(TERMS))) for name in _TERM}
    values |= {name: np.zeros((layers, len(WRAP_EDGES) - 1)) for name in _WRAP}
    values |= {name: np.zeros((layers, len(QUANTILES))) for name in ("wrap_time", "early_time")}
    values["early_share"] = np.zeros((layers, 1))
