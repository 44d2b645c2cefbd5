"""What comes with the package by name: the characterised neuron of generic65, recipes."""

from pathlib import Path

import pytest

from neurocircuit.core import shipped
from neurocircuit.errors import InputError
from neurocircuit.spice.process import characterised, default_neuron
from neurocircuit.studies.pvt import conditions as pvt_conditions

PUBLISHED = Path(__file__).parents[2] / "reports/published/datasheet-generic65"


def test_the_shipped_characterisation_is_the_published_one() -> None:
    folder = characterised("generic65")
    files = [path.relative_to(folder) for path in folder.rglob("*") if path.is_file()]
    assert {path.name for path in files} == {"spec.toml", "energy.json", "power.json", "noise_law.json"}
    for path in files:
        assert (folder / path).read_bytes() == (PUBLISHED / path).read_bytes(), path


def test_pvt_finds_all_it_needs_there() -> None:
    nominal, conditions = pvt_conditions.read(characterised("generic65"))
    assert len(conditions) == 7
    assert all(condition.power.power_W > condition.power.ramp_power_W > 0 for condition in (nominal, *conditions))


def test_the_transistor_level_has_a_neuron_without_a_spec() -> None:
    neuron = default_neuron("transistor")
    assert neuron.circuit is not None
    assert neuron.circuit.process == "generic65"
    assert all(default_neuron(level).circuit is None for level in ("ideal", "averaged", "edge", "bsource"))


def test_a_process_without_a_characterisation_says_how_to_make_one() -> None:
    with pytest.raises(InputError, match=r"with one: generic65.*neurocircuit characterize --process sky130"):
        characterised("sky130")


def test_a_bare_name_is_that_of_a_shipped_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    training = shipped.folder("training")
    monkeypatch.chdir(tmp_path)
    assert shipped.toml_path("RECIPE", training, "digits") == training / "digits.toml"
    assert shipped.toml_path("RECIPE", training, "mine.toml") == Path("mine.toml")
    with pytest.raises(InputError, match=r"RECIPE must be a TOML file or one of .*digits.*, got 'digit'"):
        shipped.toml_path("RECIPE", training, "digit")
