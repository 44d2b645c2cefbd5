"""Reports of runs, from the files that each run leaves; nothing here simulates.

Each kind of result has one renderer, which is imported when a result of that kind is met.
"""

from importlib import import_module
from pathlib import Path

from neurocircuit.core.files import read_json_object
from neurocircuit.core.result import RESULT
from neurocircuit.errors import FileFormatError

RENDERERS = {
    "mapping": ("network", "write_mapping_report"),
    "calibration": ("network", "write_calibration_report"),
    "replay": ("network", "write_replay_report"),
    "robustness": ("robustness", "write_robustness_report"),
    "compare": ("recovered", "write_recovered_report"),
    "circuit_curves": ("circuit_curves", "write_curves_report"),
    "pvt": ("pvt", "write_pvt_report"),
    "codesign": ("codesign", "write_codesign_report"),
}


def write_report(path: Path) -> Path:
    """Write the report of a run from its files alone, and return the path of its HTML page.

    `path` is the folder of a finished run, or one result file (.json) in it. Everything is made before the first file
    is written. Raise InputError or FileFormatError naming the file that is missing, foreign or damaged, or the kind
    that has no report.
    """
    from neurocircuit.report import datasheet_run, page, run  # jinja2 and xarray take a while to import

    if path.suffix == ".json" or (path / RESULT).exists():
        return _write_result(path if path.suffix == ".json" else path / RESULT)
    if datasheet_run.is_characterisation(path):
        write_datasheet(path)
    else:
        page.write(run.read_run(path))
    return path / "report.html"


def _write_result(file: Path) -> Path:
    kind = read_json_object(file).get("kind")
    if kind not in RENDERERS:
        raise FileFormatError(
            f"{file} must be a result of a kind that has a report ({', '.join(RENDERERS)}), got {kind!r}"
        )
    module, function = RENDERERS[kind]
    getattr(import_module(f"neurocircuit.report.{module}"), function)(file)
    return file.with_name("report.html") if file.name == RESULT else file.with_suffix(".html")


def write_datasheet(run_dir: Path) -> None:
    """Write report.html, report.md, datasheet.csv and figures/ into a finished characterisation, from its files alone.

    Raise InputError or FileFormatError naming the file that is missing, foreign or damaged.
    """
    from neurocircuit.report import datasheet, datasheet_run

    datasheet.write(datasheet_run.read(run_dir))
