"""neurocircuit doctor: is everything here that a sweep needs, and do the levels work?"""

import click

from neurocircuit.cli.common import deliver, json_option


@click.command("doctor")
@json_option
def command(as_json: bool) -> None:
    """Check Python, the kernel, ngspice, optional packages and write access; run one neuron at every level.

    Exit code 0 when all that a sweep needs is there, 1 otherwise; every problem says what to type.
    """
    from neurocircuit.doctor import check_up

    result = check_up()
    deliver(result, as_json)
