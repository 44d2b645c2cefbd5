"""A new project's folder: circuit, recipes, loop, a script of the loop and a README, for its user to change."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from neurocircuit.core.files import make_directory, write_atomically
from neurocircuit.errors import InputError
from neurocircuit.snn.recipe import Recipe, load_recipe
from neurocircuit.spec import NeuronSpec
from neurocircuit.spec.commented import commented_toml
from neurocircuit.spec.derived import derived_comments
from neurocircuit.studies.loop.spec import (
    CalibrationStage,
    ConversionStage,
    EvaluationStage,
    LoopSpec,
    MappingStage,
    SweepStage,
    VerificationStage,
)

DataSet = Literal["digits", "mnist", "fashion_mnist"]

# Within the limits of the embedded circuit (docs/network.md); of the training under noise a little further within.
_MARGINS = ("loss.margin=0.1", "loss.largest_current=4.0", "loss.largest_depth=1.5", "loss.margin_window_over_tau=4.0")
_AWARE_MARGINS = ("loss.margin=100.0", "loss.largest_current=3.0", 'hardware.margins="loss"')
_DIGITS = ('data.name="digits"', "data.held_out=137", "augmentation.shift_px=0")
_PLAIN = (*_DIGITS, "augmentation.rotate_deg=0.0", "augmentation.zoom=0.0")


@dataclass(frozen=True)
class NewProject:
    """The files of a new project, by name, and its folder."""

    folder: Path
    names: tuple[str, ...]

    @property
    def exit_code(self) -> int:
        """Always 0: what cannot be written is raised."""
        return 0

    def save(self, out: Path | str) -> Path:
        """Return the folder: its files are written already."""
        return self.folder

    def to_dict(self) -> dict[str, Any]:
        """Return folder and files."""
        return {"folder": str(self.folder), "files": list(self.names)}

    def __str__(self) -> str:
        return f"wrote {', '.join(self.names)} in {self.folder}\nnext: neurocircuit run {self.folder / 'loop.toml'}"


def new_project(
    folder: Path | str, spec: NeuronSpec | None = None, *, dataset: DataSet = "digits", windowed: bool = False
) -> NewProject:
    """Write a project's folder: circuit.toml, recipe.toml, noise_aware.toml, loop.toml, loop.py, README.md.

    spec: the circuit; default the embedded one. dataset: digits needs no files, the others NEUROCIRCUIT_DATA. windowed:
    a ReLU network that becomes neurons with windows, instead of one with free spike times. Nothing is overwritten.

    Raise InputError naming a file that is there already.

    >>> print(*new_project("mine").names)
    circuit.toml recipe.toml noise_aware.toml loop.toml loop.py README.md
    """
    folder, circuit = Path(folder), NeuronSpec() if spec is None else spec
    plain = dataset == "digits" and not windowed
    loop, recipes = _windowed_loop(dataset) if windowed else _loop(dataset)
    loop = loop.replace(name=f"{dataset.replace('_', '-')}{'-windowed' if windowed else ''}")
    files = {"circuit.toml": _CIRCUIT + commented_toml(circuit) + derived_comments(circuit)}
    recipe_heads = _RECIPES | ({"noise_aware.toml": _RECIPES["noise_aware.toml"] + _NOTHING_TO_GAIN} if plain else {})
    files |= {name: recipe_heads.get(name, "") + _RECIPE + commented_toml(recipe) for name, recipe in recipes.items()}
    files |= {"loop.toml": _LOOP + commented_toml(loop), "loop.py": _script(loop), "README.md": _readme(loop, dataset)}
    _write(folder, files)
    return NewProject(folder, tuple(files))


def _write(folder: Path, files: Mapping[str, str]) -> None:
    taken = [name for name in files if (folder / name).exists()]
    if folder.exists() and not folder.is_dir():
        raise InputError(f"DIR must be a folder, got the file {folder}")
    if taken:
        raise InputError(f"{folder} holds {', '.join(taken)} already, and nothing is overwritten; give another folder")
    make_directory(folder)
    for name, content in files.items():
        write_atomically(folder / name, content)


def _loop(dataset: DataSet) -> tuple[LoopSpec, dict[str, Recipe]]:
    """Return loop and recipes of a network with free spike times; of the digits in a size for minutes."""
    name = {"digits": "digits", "mnist": "mnist_mapped", "fashion_mnist": "mnist_mapped"}[dataset]
    settings = (f'data.name="{dataset}"', *_MARGINS, *(("network.bias=true",) if dataset == "digits" else ()))
    short = ("schedule.lr=2e-3", 'hardware.outside="nearest"')
    length = ("schedule.epochs=2", "optimiser.averaging=0.95") if dataset == "digits" else ("schedule.epochs=1",)
    recipes = {
        "recipe.toml": load_recipe(name, settings),
        "noise_aware.toml": load_recipe(name, (*settings, *_AWARE_MARGINS, *short, *length)),
    }
    return _sized(dataset, LoopSpec()), recipes


def _windowed_loop(dataset: DataSet) -> tuple[LoopSpec, dict[str, Recipe]]:
    """Return loop and recipes of a ReLU network that is converted into neurons with windows and fine-tuned."""
    first: tuple[str, ...] = (f'data.name="{dataset}"',)
    if dataset == "digits":
        first = (*_PLAIN, "schedule.epochs=30", "schedule.batch_size=50", "schedule.warmup_steps=20")
    tuned = (*_PLAIN, "schedule.epochs=8", "schedule.batch_size=50") if dataset == "digits" else first
    recipes = {
        "recipe.toml": load_recipe("mnist_windowed", first),
        "finetune.toml": load_recipe("mnist_windowed_finetune", tuned),
        "noise_aware.toml": load_recipe(
            "mnist_windowed_finetune", (*tuned, "schedule.lr=1e-3", 'hardware.outside="nearest"')
        ),
    }
    conversion = ConversionStage(recipe="finetune.toml")
    return _sized(dataset, LoopSpec(conversion=conversion, mapping=MappingStage(full_scale="neuron"))), recipes


def _sized(dataset: DataSet, loop: LoopSpec) -> LoopSpec:
    """Return the loop in a size for its data: minutes of one core for the digits, half an hour for the others."""
    if dataset == "digits":
        return loop.replace(
            sweep=SweepStage(trials=500),
            mapping=loop.mapping.replace(images=200),
            calibration=CalibrationStage(images=20, chips=40, points=200),
            verification=VerificationStage(images=40, chips=3),
            evaluation=EvaluationStage(images=0, chips=5, tables=2),
        )
    return loop.replace(
        sweep=SweepStage(trials=2000),
        verification=VerificationStage(images=60, chips=3),
        evaluation=EvaluationStage(images=1000, chips=5, tables=2),
    )


_CIRCUIT = """\
# The neuron's circuit. Each field: what it is, then its value with the unit, then unit and bounds; what is left out has
# the value of the embedded circuit. `neurocircuit spec --spec circuit.toml` checks this file, `neurocircuit simulate
# --inputs 0.16,0.16 --weights 0.8,0.8 --spec circuit.toml` draws the neuron.

"""
_RECIPE = """\
# A recipe of `neurocircuit train`. Each field: what it is, then its value, then its bounds.

"""
_RECIPES = {
    "finetune.toml": "# Of the converted network; the loop names it as `initial`.\n",
    "noise_aware.toml": "# Under the circuit's noise; the loop sets `initial`, `noise`, `bits` and `full_scale`.\n",
}
_NOTHING_TO_GAIN = """\
# What it gains stands in run/report.html. On these 8 × 8 digits that is next to nothing: the embedded circuit costs
# them no accuracy, and on a noisier one two epochs of some 1300 images win back little of what is lost.
"""
_LOOP = """\
# From circuit to accuracy: `neurocircuit run loop.toml`. Each field: what it is, then its value, then its bounds.

"""


def _script(loop: LoopSpec) -> str:
    """Return the loop as lines of Python, with the sizes of loop.toml."""
    calibration, verification, evaluation = loop.calibration, loop.verification, loop.evaluation
    images = f"test.first({evaluation.images})" if evaluation.images else "test"
    mapping = f'images=train.first({loop.mapping.images}), full_scale="{loop.mapping.full_scale}"'
    sizes = f"chips={calibration.chips}, points={calibration.points}"
    convert = ""
    if loop.conversion is not None:
        convert = f"""
windowed = nc.snn.convert(model, train.first({loop.conversion.images}), window={loop.conversion.window})
windowed.save(out / "converted.pt")
model = nc.snn.train(here / "finetune.toml", initial=out / "converted.pt", out=out / "finetune", threads=1)
"""
    return f'''\
"""The loop of loop.toml step by step; `neurocircuit run loop.toml` does the same, resumable, with a report."""

import shutil
from pathlib import Path

import neurocircuit as nc

here = Path(__file__).parent
out = here / "script"
shutil.rmtree(out, ignore_errors=True)

# 1. The neuron: what its circuit does to a spike (Table 3).
spec = nc.NeuronSpec.from_toml(here / "circuit.toml")
print(nc.sweep(spec, bits=(), trials={loop.sweep.trials}, cross_check="none").to_text())

# 2. The network, trained for no circuit in particular.
model = nc.snn.train(here / "recipe.toml", out=out / "train", threads=1)
train, test = model.images("train"), model.images("test")
{convert}
# 3. On the circuit: scales of the layers, then the noise of chips at the operating points of the network.
network = nc.map(model, spec, {mapping})
print(network)
noise = nc.calibrate(network, train.first({calibration.images}), {sizes})
print(nc.evaluate(model, {images}, noise=noise, chips={evaluation.chips}))

# 4. Trained further under that noise, mapped and calibrated again.
bank = [f"hardware.bits={{spec.weight_bank.excitatory.bits}}", "hardware.full_scale={loop.mapping.full_scale}"]
aware = nc.snn.train(
    here / "noise_aware.toml", initial=model, noise=noise, settings=bank, out=out / "aware", threads=1
)
aware_network = nc.map(aware, spec, {mapping})
aware_noise = nc.calibrate(aware_network, train.first({calibration.images}), {sizes})
print(nc.evaluate(aware, {images}, noise=aware_noise, chips={evaluation.chips}))

# 5. The proof: whole images, every neuron simulated on chips.
check = nc.verify(aware_network, test.first({verification.images}), table=aware_noise, chips={verification.chips})
print(check)
print(nc.report(check.save(out / "verify")))
'''


def _readme(loop: LoopSpec, dataset: str) -> str:
    data = "needs no data files" if dataset == "digits" else "reads the folder that NEUROCIRCUIT_DATA names"
    return f"""\
# {loop.name}

`circuit.toml` is the neuron, `recipe.toml` the network's training, `noise_aware.toml` that under the circuit's noise.
`neurocircuit run loop.toml` goes from circuit to accuracy; it {data}, and goes on after an interruption.
`run/report.html` says what the circuit does to the network; change a field, run again: only what follows from it runs.
`python loop.py` is the same step by step; `neurocircuit compare A B` compares two circuits or two runs.
"""
