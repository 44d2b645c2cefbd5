"""A new project: every file reads back, its script runs in Python, nothing is overwritten."""

import ast
import tomllib

import pytest
from click.testing import CliRunner
from jsonschema import Draft202012Validator

from neurocircuit import kinds
from neurocircuit.cli.new import command
from neurocircuit.errors import InputError
from neurocircuit.snn.recipe import load_recipe
from neurocircuit.spec import NeuronSpec
from neurocircuit.studies.loop.project import new_project
from neurocircuit.studies.loop.spec import LoopSpec

FILES = ["README.md", "circuit.toml", "loop.py", "loop.toml", "noise_aware.toml", "recipe.toml"]


@pytest.mark.parametrize("dataset", ["digits", "mnist", "fashion_mnist"])
@pytest.mark.parametrize("windowed", [False, True])
def test_every_file_of_a_project_reads_back(tmp_path, dataset, windowed):
    circuit = NeuronSpec(name="mine", tau_s=30e-9, vco4_swing_Hz=50e6)
    project = new_project(tmp_path / "p", circuit, dataset=dataset, windowed=windowed)
    expected = sorted([*FILES, "finetune.toml"]) if windowed else FILES
    assert sorted(project.names) == sorted(file.name for file in (tmp_path / "p").iterdir()) == expected
    assert NeuronSpec.from_toml(tmp_path / "p/circuit.toml") == circuit
    loop = LoopSpec.read(tmp_path / "p/loop.toml")
    assert (loop.conversion is not None) == windowed
    for name in {loop.recipe, loop.noise_aware_recipe, *([loop.conversion.recipe] if windowed else [])}:
        assert load_recipe(tmp_path / "p" / name).data.name == dataset
    ast.parse((tmp_path / "p/loop.py").read_text())
    assert len((tmp_path / "p/README.md").read_text().strip().splitlines()) <= 6


@pytest.mark.parametrize("windowed", [False, True])
def test_every_file_of_a_project_fits_its_schema(tmp_path, windowed):
    new_project(tmp_path, windowed=windowed)
    kind_of = {"circuit.toml": "circuit", "loop.toml": "loop"}
    for file in tmp_path.glob("*.toml"):
        schema = kinds.schema(kind_of.get(file.name, "recipe"))
        Draft202012Validator.check_schema(schema)
        wrong = [*Draft202012Validator(schema).iter_errors(tomllib.loads(file.read_text("utf-8")))]
        assert not wrong, (file.name, wrong[0].json_path, wrong[0].message)
    wrong_stage = {"sweep": {"trials": 0}, "calibration": {"chip": 3}}
    assert len([*Draft202012Validator(kinds.schema("loop")).iter_errors(wrong_stage)]) == 2


def test_nothing_is_overwritten(tmp_path):
    (tmp_path / "loop.toml").write_text("mine")
    (tmp_path / "data.csv").write_text("mine")  # other files may stand there
    with pytest.raises(InputError, match=r"holds loop.toml already, and nothing is overwritten"):
        new_project(tmp_path)
    assert sorted(file.name for file in tmp_path.iterdir()) == ["data.csv", "loop.toml"]
    (tmp_path / "loop.toml").unlink()
    new_project(tmp_path)
    assert (tmp_path / "data.csv").read_text() == "mine"


def test_the_command_takes_a_circuit_to_start_from(tmp_path):
    (tmp_path / "mine.toml").write_text('name = "mine"\nf0 = "800 MHz"\n')
    arguments = [str(tmp_path / "p"), "--spec", str(tmp_path / "mine.toml")]
    done = CliRunner().invoke(command, arguments, catch_exceptions=False, standalone_mode=False)
    assert "next: neurocircuit run" in done.stdout
    assert NeuronSpec.from_toml(tmp_path / "p/circuit.toml").f0_Hz == 800e6
