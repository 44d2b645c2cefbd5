"""JSON Schemas accept every file that ships and refuse what the reader refuses, by an independent validator."""

import tomllib
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from neurocircuit import kinds
from neurocircuit.errors import InputError

ROOT = Path(__file__).parents[2]
FILES = {
    "circuit": [
        *ROOT.glob("reports/published/**/circuit.toml"),
        *ROOT.glob("netlists/processes/*/characterised/**/spec.toml"),
    ],
    "variation": [ROOT / "training/circuits/stressed_variation.toml"],
    "testbench": [*ROOT.glob("neurocircuit/studies/sweep/testbenches/*.toml")],
    "network": [*ROOT.glob("reports/published/**/network.toml")],
    "process": [*ROOT.glob("netlists/processes/*/process.toml")],
    "recipe": [*ROOT.glob("training/*.toml")],
}


def validator(kind: str) -> Draft202012Validator:
    schema = kinds.schema(kind)
    Draft202012Validator.check_schema(schema)
    return Draft202012Validator(schema)


@pytest.mark.parametrize("kind", FILES)
def test_every_shipped_file_fits_its_schema(kind: str) -> None:
    if kind == "recipe":
        pytest.importorskip("torch")
    check = validator(kind)
    assert FILES[kind]
    wrong = [
        f"{path.relative_to(ROOT)} {error.json_path}: {error.message}"
        for path in FILES[kind]
        for error in check.iter_errors(tomllib.loads(path.read_text("utf-8")))
    ]
    assert not wrong, "\n".join(wrong)


@pytest.mark.parametrize(
    ("values", "field"),
    [
        ({"tau": 20}, "tau"),
        ({"lead": "1 rad"}, "lead"),
        ({"phase_noise": ["1 rad2/s"] * 3}, "phase_noise"),
        ({"threshold_vco_ratio": 0}, "threshold_vco_ratio"),
        ({"weight_bank": {"excitatory": {"bits": 0}}}, "bits"),
        ({"comparator": "modulo"}, "comparator"),
    ],
)
def test_a_wrong_field_is_refused(values: dict[str, Any], field: str) -> None:
    (error,) = validator("circuit").iter_errors(values)
    assert field in f"{error.json_path} {error.message}"


def test_defaults_are_what_a_file_would_say_and_null_is_nowhere() -> None:
    tau = kinds.schema("circuit")["properties"]["tau"]
    assert tau["default"] == "20 ns"
    assert "> 0 s, <= 1 s" in tau["description"]
    assert kinds.schema("circuit")["properties"]["phase_noise"]["default"] == ["0 rad2/s"] * 4
    assert not any("'type': 'null'" in str(kinds.schema(kind)) for kind in kinds.TOML_FILES)
    assert validator("circuit").is_valid({"K": "50 Mrad/s", "cycles_per_tau": 15})


def test_an_unknown_kind_is_named() -> None:
    with pytest.raises(InputError, match=r"file must be one of circuit, .*, got 'netlist'"):
        kinds.schema("netlist")
