import json
from pathlib import Path

import numpy as np
import pytest

DIGITS = Path(__file__).parents[3] / "training/digits.toml"

torch = pytest.importorskip("torch")
pytest.importorskip("optuna")


@pytest.fixture(scope="session")
def weights(tmp_path_factory):
    """A checkpoint of a small network on 8x8 digits, absolute clock, bias; random weights that fire."""
    from neurocircuit.snn import checkpoint
    from neurocircuit.snn.data.spec import DataSpec
    from neurocircuit.snn.models import NetworkSpec
    from neurocircuit.snn.recipe import Subject

    pytest.importorskip("sklearn")
    network = NetworkSpec(name="mnist_scnn", bias=True, clock="absolute", initial_sum=3.0, initial_spread=0.7)
    subject = Subject(name="tiny", data=DataSpec(name="digits", held_out=200), network=network)
    built = checkpoint.new_network(subject, torch.Generator().manual_seed(4))
    with torch.no_grad():
        for name, parameter in built.named_parameters():
            if name.endswith("bias"):
                parameter.uniform_(-0.2, 0.4, generator=torch.Generator().manual_seed(5))
    path = tmp_path_factory.mktemp("weights") / "weights.pt"
    checkpoint.save(path, subject, built)
    return path


def small_study(checkpoint: str, parameters: str, few: int, trials: int, designs: int) -> str:
    """Return a study file that takes seconds; few: images that are mapped, calibrated and run at edge."""
    return f"""
name = "tiny"
checkpoint = "{checkpoint}"
split = "train"
trials = {trials}
population = 4
objectives = ["accuracy", "energy", "latency"]

[parameters]
{parameters}

[mapping]
largest_fan_in = 1000

[limits]
accuracy_at_least = 0.0
undecided_at_most = 1.0

[[fidelities]]
name = "table"
method = "table"
map_images = {few}
calibration_images = {few}
calibration_chips = 6
points = 40
images = 10
chips = 1

[[fidelities]]
name = "edge"
method = "circuit"
map_images = {few}
images = {few}
chips = 1
designs = {designs}

[verification]
split = "train"
map_images = {few}
images = 2
chips = 1
"""


def small_retraining(recipe: Path, settings: list[str], few: int) -> str:
    """Return the section of a study file that retrains by a recipe."""
    return f"""
[retraining]
recipe = "{recipe}"
settings = {json.dumps(settings)}
calibration_images = {few}
calibration_chips = 6
points = 40
"""


@pytest.fixture(scope="session")
def study_text(weights):
    parameters = """
cycles_per_tau = { low = 8.0, high = 20.0 }
bias = { low = "6 uA", high = "20 uA", scale = "log" }
weight_bits = { low = 3, high = 5 }
"""
    settings = ["network.bias=true", "initial_spread=0.7", "epochs=1", "held_out=1097", "outside=nearest"]
    study = small_study(weights.name, parameters, few=2, trials=4, designs=2)
    return study + small_retraining(DIGITS, settings, few=2)


@pytest.fixture(scope="session")
def study_path(weights, study_text):
    path = weights.parent / "study.toml"
    path.write_text(study_text)
    return path


@pytest.fixture(scope="session")
def problem(study_path):
    pytest.importorskip("optuna")
    from neurocircuit.studies.codesign.study import StudySpec, files_of
    from neurocircuit.studies.codesign.trial import Problem

    study = StudySpec.from_toml(study_path)
    return Problem.load(study, files_of(study_path, study), None)


@pytest.fixture(scope="session")
def mapped(problem, weights):
    """The problem's network on its base circuit, written beside the weights."""
    from neurocircuit.studies.codesign.design import design_of

    design = design_of(problem.base, problem.variation, problem.power, {"window": 5.0})
    mapping = problem.mapping(design, problem.images("train", 3))
    path = weights.parent / "network.toml"
    path.write_text(mapping.mapped.to_toml())
    return path


@pytest.fixture
def rng():
    return np.random.default_rng(3)
