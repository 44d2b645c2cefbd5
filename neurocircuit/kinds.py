"""Every kind of result by its name: `load` reads any run. Every kind of TOML file by its name, for its JSON Schema."""

from importlib import import_module
from pathlib import Path
from typing import Any

from neurocircuit.core.result import Result, kind_of
from neurocircuit.errors import FileFormatError, InputError
from neurocircuit.spec.json_schema import json_schema

KINDS = {
    "simulation": "neurocircuit.studies.simulate:Simulation",
    "processes": "neurocircuit.process.describe:Processes",
    "ring_check": "neurocircuit.process.describe:RingCheck",
    "fan_in": "neurocircuit.process.describe:FanInCost",
    "cell_comparison": "neurocircuit.process.describe:CellComparison",
    "check_up": "neurocircuit.doctor:CheckUp",
    "sweep": "neurocircuit.studies.sweep.result:SweepRun",
    "characterisation": "neurocircuit.studies.characterisation:Characterisation",
    "training": "neurocircuit.snn.training.runlog:Trained",
    "mapping": "neurocircuit.network.mapping:Mapping",
    "calibration": "neurocircuit.network.calibrate.result:Calibration",
    "transfer_jitter": "neurocircuit.network.verify.transfer:TransferJitter",
    "replay": "neurocircuit.results.replay:Replay",
    "evaluation": "neurocircuit.results.evaluation:Evaluation",
    "evaluation_on_chips": "neurocircuit.results.evaluation:ChipEvaluation",
    "robustness": "neurocircuit.results.robustness:Robustness",
    "circuit_curves": "neurocircuit.results.circuit_curves:CircuitCurves",
    "codesign": "neurocircuit.results.codesign:Codesign",
    "pvt": "neurocircuit.results.pvt:Pvt",
    "compare": "neurocircuit.results.compare:Comparison",
    "noise_cost": "neurocircuit.results.noise_cost:NoiseCost",
    "noise_coverage": "neurocircuit.results.noise_coverage:NoiseCoverage",
    "circuit_comparison": "neurocircuit.results.circuit_comparison:CircuitComparison",
    "loop": "neurocircuit.results.loop:LoopRun",
    "conversion": "neurocircuit.results.conversion:Conversion",
}

TOML_FILES = {
    "circuit": "neurocircuit.spec:NeuronSpec",
    "variation": "neurocircuit.spec:Variation",
    "testbench": "neurocircuit.spec:Testbench",
    "network": "neurocircuit.spec:MappedNetwork",
    "process": "neurocircuit.spec.process:Process",
    "recipe": "neurocircuit.snn.recipe:Recipe",
    "loop": "neurocircuit.studies.loop.spec:LoopSpec",
}


def schema(file: str) -> dict[str, Any]:
    """Return the JSON Schema of a kind of TOML file, one of TOML_FILES. Raise InputError for another.

    >>> schema("circuit")["properties"]["f0"]["default"]
    '764 MHz'
    """
    if file not in TOML_FILES:
        raise InputError(f"file must be one of {', '.join(TOML_FILES)}, got {file!r}")
    return json_schema(_imported(TOML_FILES[file]))


def load(path: Path | str) -> Result:
    """Return the result in a run's folder, or in one result file (.json), as the type of its kind.

    Raise InputError where there is none, FileFormatError for an unknown kind, another schema version, or a field that
    is missing, unknown or out of bounds.

    >>> import neurocircuit as nc
    >>> folder = nc.simulate([0.16], [2.0], level="ideal").save("one")
    >>> type(load("one")).__name__
    'Simulation'
    """
    kind = kind_of(path)
    if kind not in KINDS:
        raise FileFormatError(f"{path} must be a result of a kind that is known ({', '.join(KINDS)}), got {kind!r}")
    result: type[Result] = _imported(KINDS[kind])
    return result.load(path)


def _imported(where: str) -> Any:
    """Return what stands at "module:name"."""
    module, _, name = where.partition(":")
    return getattr(import_module(module), name)
