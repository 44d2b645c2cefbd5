"""Figures, tables and pages from the files of a run directory; nothing here simulates."""

from pathlib import Path


def write_report(run_dir: Path) -> None:
    """Write report.html, report.md, table.tex and figures/ into a finished run directory, from its files alone.

    Everything is made before the first file is written. Raises InputError or FileFormatError naming the file that is
    missing, foreign or damaged.
    """
    from neurocircuit.report import datasheet_run, page, run  # jinja2 and xarray take a while to import

    if datasheet_run.is_characterisation(run_dir):
        write_datasheet(run_dir)
    else:
        page.write(run.read_run(run_dir))


def write_datasheet(run_dir: Path) -> None:
    """Write report.html, report.md, datasheet.csv and figures/ into a finished characterisation, from its files alone.

    Raises InputError or FileFormatError naming the file that is missing, foreign or damaged.
    """
    from neurocircuit.report import datasheet, datasheet_run

    datasheet.write(datasheet_run.read(run_dir))
