"""The stages of a loop, each one call of the API; what it leaves is what its command leaves, with its report."""

from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from neurocircuit.core.pool import Progress
from neurocircuit.errors import InputError
from neurocircuit.network.calibrate import calibrate
from neurocircuit.network.verify import verify
from neurocircuit.noise import NoiseTable
from neurocircuit.rendering import write_report
from neurocircuit.results.compare import Comparison
from neurocircuit.snn.conversion import convert_file
from neurocircuit.snn.data import sets
from neurocircuit.snn.encode import Encoding
from neurocircuit.snn.mapping import NetworkOnCircuit, map_network
from neurocircuit.snn.model import load as load_model
from neurocircuit.snn.recipe import Recipe, load_recipe
from neurocircuit.snn.training.run import CHECKPOINT, FINAL
from neurocircuit.snn.training.train import train_run
from neurocircuit.spec import NeuronSpec, Variation
from neurocircuit.spec.variation import EMBEDDED
from neurocircuit.studies.compare_networks import compare_networks
from neurocircuit.studies.loop.cache import RECORDS, Stage
from neurocircuit.studies.loop.spec import LoopSpec
from neurocircuit.studies.sweep import rundir
from neurocircuit.studies.sweep.api import sweep_runs

NETWORK, MAPPED, TABLE, CONVERTED = "network.toml", "network.mapping.json", "table.nc", "converted.pt"
# Seconds of one core for scikit-learn's digits, which MNIST takes about twelve times as long for; only what they are to
# each other counts once a stage has run.
_DRAW_s, _TRAINED_IMAGE_s, _MAPPED_IMAGE_s, _CALIBRATED_POINT_s, _WHOLE_IMAGE_s, _IMAGE_ON_CHIP_s, _REPORT_s = (
    4e-5,
    1e-3,
    8e-3,
    1.7e-4,
    0.1,
    2e-3,
    3.0,
)


@dataclass(frozen=True)
class Project:
    """A loop with the content of the files that it names.

    data: folder of the data sets; data_sha256: by file of the training and test images. jobs: processes.
    """

    spec: LoopSpec
    circuit: NeuronSpec
    variation: Variation
    recipe: Recipe
    finetuning: Recipe | None
    noise_aware: Recipe
    data: Path | None
    data_sha256: dict[str, str]
    training_images: int
    test_images: int
    jobs: int = 1

    @classmethod
    def load(cls, file: Path, data: Path | None, jobs: int) -> "Project":
        """Read a loop's file and what it names. Raise InputError or SpecError, before anything is written."""
        spec = LoopSpec.read(file)

        def path(name: str) -> Path:
            return file.parent / name

        def recipe(name: str, *settings: str) -> Recipe:
            beside = path(name)
            return load_recipe(beside if beside.suffix or beside.exists() else name, settings)

        circuit = NeuronSpec() if spec.circuit == "embedded" else NeuronSpec.from_toml(path(spec.circuit))
        conversion, full_scale = spec.conversion, f'hardware.full_scale="{spec.mapping.full_scale}"'
        first = recipe(spec.recipe)
        finetuning = recipe(conversion.recipe, full_scale) if conversion is not None and conversion.recipe else None
        bits = f"hardware.bits={circuit.weight_bank.excitatory.bits}"
        noise_aware = recipe(spec.noise_aware_recipe, bits, full_scale)
        subject = first.subject
        if conversion is not None:
            subject = subject.replace(encoding=Encoding(kind="linear", alpha=conversion.window))
        finetuning, noise_aware = finetuning and finetuning.inheriting(subject), noise_aware.inheriting(subject)
        for name, other in (("conversion.recipe", finetuning), ("noise_aware_recipe", noise_aware)):
            if other is not None and other.data.name != first.data.name:
                raise InputError(f"{name} must have data.name {first.data.name}, got {other.data.name}")
        train, test = (sets.load(first.data, split, data) for split in ("train", "test"))
        return cls(
            spec,
            circuit,
            Variation.from_toml(path(spec.variation)) if spec.variation else EMBEDDED,
            first,
            finetuning,
            noise_aware,
            data,
            dict(train.sha256) | dict(test.sha256),
            len(train),
            len(test),
            jobs,
        )

    @property
    def evaluated_images(self) -> int:
        """Test images of the evaluation on noise tables."""
        return min(self.spec.evaluation.images or self.test_images, self.test_images)


def stages_of(project: Project) -> list[Stage]:
    """Return the stages of a loop in their order."""
    spec = project.spec
    stages = [_sweep(project), _train(project, "train", "train the network", project.recipe)]
    weights = ("train", FINAL)
    if spec.conversion is not None:
        stages.append(_convert(project))
        weights = ("convert", CONVERTED)
        if project.finetuning is not None:
            title = "train the converted network further"
            stages.append(_train(project, "finetune", title, project.finetuning, weights))
            weights = ("finetune", FINAL)
    stages += _on_circuit(project, "", "the network", weights)
    aware = _train(
        project, "aware-train", "train under the circuit's noise", project.noise_aware, weights, ("calibrate", TABLE)
    )
    aware_weights = (aware.name, FINAL)
    stages += [aware, *_on_circuit(project, "aware-", "the noise-aware network", aware_weights)]
    stages.append(_compare(project, weights, aware_weights))
    return stages


def _sweep(project: Project) -> Stage:
    settings = project.spec.sweep
    rows = len(settings.jitter) + len(settings.bits)
    return Stage(
        "sweep",
        "sweep input jitter and weight bits",
        {"circuit": project.circuit.to_dict(), "sweep": settings.to_dict(), "seed": project.spec.seed},
        (),
        ("table.nc",),
        _DRAW_s * 3 * rows * settings.trials + 2 * _REPORT_s,
        partial(_run_sweep, project),
        rundir.REQUEST,
    )


def _run_sweep(project: Project, folder: Path, resume: bool, progress: Progress) -> None:
    settings = project.spec.sweep
    sweep_runs(
        spec=project.circuit,
        jitter=settings.jitter,
        bits=settings.bits,
        level=settings.level,
        trials=settings.trials,
        cross_check="none",
        seed=project.spec.seed,
        out=folder,
        resume=resume,
        ledger=folder.parent / RECORDS / "ledger",
        jobs=project.jobs,
        progress=progress,
    )


def _train(
    project: Project,
    name: str,
    title: str,
    recipe: Recipe,
    initial: tuple[str, str] | None = None,
    noise: tuple[str, str] | None = None,
) -> Stage:
    """Return a training; initial and noise: stage and file of the weights to start from, and of a noise table."""
    inputs = {"recipe": recipe.to_dict(), "threads": project.spec.threads, "data": project.data_sha256}
    reads = tuple(source[0] for source in (initial, noise) if source is not None)
    images = recipe.schedule.epochs * project.training_images * (1 if noise is None else 3)
    work = partial(_run_training, project, recipe, initial, noise)
    return Stage(name, title, inputs, reads, (FINAL,), _TRAINED_IMAGE_s * images + _REPORT_s, work, CHECKPOINT)


def _run_training(
    project: Project,
    recipe: Recipe,
    initial: tuple[str, str] | None,
    noise: tuple[str, str] | None,
    folder: Path,
    resume: bool,
    progress: Progress,
) -> None:
    train_run(
        recipe,
        initial=None if initial is None else folder.parent.joinpath(*initial),
        noise=None if noise is None else folder.parent.joinpath(*noise),
        out=folder,
        resume=resume,
        data=project.data,
        threads=project.spec.threads,
        progress=progress,
    )
    write_report(folder)


def _convert(project: Project) -> Stage:
    assert project.spec.conversion is not None  # noqa: S101
    settings = project.spec.conversion.replace(recipe="")
    inputs = {"conversion": settings.to_dict(), "data": project.data_sha256}
    cost_s = _MAPPED_IMAGE_s * settings.images + _REPORT_s
    title = "convert the network into neurons with windows"
    return Stage("convert", title, inputs, ("train",), (CONVERTED,), cost_s, partial(_run_conversion, project))


def _run_conversion(project: Project, folder: Path, resume: bool, progress: Progress) -> None:
    settings = project.spec.conversion
    assert settings is not None  # noqa: S101
    network = convert_file(
        folder.parent / "train" / FINAL,
        images=settings.images,
        data=project.data,
        window=settings.window,
        form=settings.form,
        quantile=settings.quantile,
    )
    write_report(network.save(folder / CONVERTED))


def _on_circuit(project: Project, prefix: str, what: str, weights: tuple[str, str]) -> list[Stage]:
    """Return mapping, calibration and verification of the weights in a stage's file."""
    spec = project.spec
    mapped, table = (f"{prefix}map", NETWORK), (f"{prefix}calibrate", TABLE)
    on_circuit: dict[str, Any] = {"circuit": project.circuit.to_dict(), "variation": project.variation.to_dict()}
    seeded = {"seed": spec.seed, "data": project.data_sha256}
    calibration, verification = spec.calibration, spec.verification
    layers = 3
    return [
        Stage(
            mapped[0],
            f"map {what} onto the circuit",
            {"mapping": spec.mapping.to_dict(), "data": project.data_sha256} | on_circuit,
            (weights[0],),
            (NETWORK,),
            _MAPPED_IMAGE_s * spec.mapping.images + _REPORT_s,
            partial(_run_mapping, project, weights),
        ),
        Stage(
            table[0],
            f"calibrate the noise of {what} on chips",
            {"calibration": calibration.to_dict()} | seeded,
            (weights[0], mapped[0]),
            (TABLE,),
            _CALIBRATED_POINT_s * calibration.points * calibration.chips * layers + _REPORT_s,
            partial(_run_calibration, project, mapped),
        ),
        Stage(
            f"{prefix}verify",
            f"simulate whole images of {what} on chips",
            {"verification": verification.to_dict()} | seeded,
            (weights[0], mapped[0], table[0]),
            ("images.csv",),
            _WHOLE_IMAGE_s * verification.images * verification.chips + _REPORT_s,
            partial(_run_verification, project, mapped, table),
        ),
    ]


def _run_mapping(project: Project, weights: tuple[str, str], folder: Path, resume: bool, progress: Progress) -> None:
    model = load_model(folder.parent.joinpath(*weights))
    network = map_network(
        model,
        project.circuit,
        images=model.images("train", project.data).first(project.spec.mapping.images),
        variation=project.variation,
        full_scale=project.spec.mapping.full_scale,
        name=project.spec.name,
        progress=progress,
    )
    write_report(network.save(folder / NETWORK))


def _run_calibration(project: Project, mapped: tuple[str, str], folder: Path, resume: bool, progress: Progress) -> None:
    settings, network = project.spec.calibration, NetworkOnCircuit.load(folder.parent.joinpath(*mapped))
    table = calibrate(
        network,
        network.images("train", project.data).first(settings.images),
        chips=settings.chips,
        points=settings.points,
        seed=project.spec.seed,
        jobs=project.jobs,
        progress=progress,
    )
    write_report(table.result().save(folder / TABLE))


def _run_verification(
    project: Project, mapped: tuple[str, str], table: tuple[str, str], folder: Path, resume: bool, progress: Progress
) -> None:
    settings, network = project.spec.verification, NetworkOnCircuit.load(folder.parent.joinpath(*mapped))
    replay = verify(
        network,
        network.images("test", project.data).first(settings.images),
        level=settings.level,
        chips=settings.chips,
        table=NoiseTable.load(folder.parent.joinpath(*table)),
        seed=project.spec.seed,
        jobs=project.jobs,
        progress=progress,
    )
    write_report(replay.save(folder))


def _compare(project: Project, weights: tuple[str, str], aware_weights: tuple[str, str]) -> Stage:
    settings = project.spec.evaluation
    on_circuit = [f"{prefix}{stage}" for prefix in ("", "aware-") for stage in ("map", "calibrate", "verify")]
    images = project.evaluated_images * (settings.chips + 2 * settings.tables) * 2
    return Stage(
        "compare",
        "test both networks on chips by their noise tables",
        {"evaluation": settings.to_dict(), "data": project.data_sha256, "threads": project.spec.threads},
        (weights[0], aware_weights[0], *on_circuit),
        (),
        _IMAGE_ON_CHIP_s * images + _REPORT_s,
        partial(_run_comparison, project, weights, aware_weights),
    )


def _run_comparison(
    project: Project,
    weights: tuple[str, str],
    aware_weights: tuple[str, str],
    folder: Path,
    resume: bool,
    progress: Progress,
) -> None:
    settings, out = project.spec.evaluation, folder.parent
    comparison: Comparison = compare_networks(
        (out.joinpath(*weights), out / "calibrate" / TABLE),
        [(out.joinpath(*aware_weights), out / "aware-calibrate" / TABLE)],
        replays=[out / "verify", out / "aware-verify"],
        chips=settings.chips,
        first=settings.images or None,
        tables=settings.tables,
        data=project.data,
        threads=project.spec.threads,
        progress=progress,
    )
    write_report(comparison.save(folder))
