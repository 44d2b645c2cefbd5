"""neurocircuit doctor: is everything here that a sweep needs, and do the levels work?"""

import sys
from dataclasses import asdict
from pathlib import Path

import click

from neurocircuit.cli._checks import Check, all_checks
from neurocircuit.cli.common import echo_json, json_option


@click.command("doctor")
@json_option
def command(as_json: bool) -> None:
    """Check Python, the kernel, ngspice, optional packages and write access; run one neuron at every level.

    Exit code 0 when all that a sweep needs is there, 1 otherwise; every problem says what to type.
    """
    checks: list[Check] = []
    for check in all_checks(Path.cwd()):
        checks.append(check)
        if not as_json:
            click.echo(_line(check))
    healthy = all(check.status != "problem" for check in checks)
    if as_json:
        echo_json({"healthy": healthy, "checks": [_record(check) for check in checks]})
    if not healthy:
        sys.exit(1)


def _line(check: Check) -> str:
    """One aligned line, and a second one with what to type where something is amiss."""
    line = f"{check.name:<16}{check.status:<9}{check.detail}"
    return f"{line}\n{'':<25}-> {check.remedy}" if check.remedy else line


def _record(check: Check) -> dict[str, object]:
    record = asdict(check)
    return {**{key: value for key, value in record.items() if key != "values"}, **record["values"]}
