"""neurocircuit export: a trained free network as a NIR file."""

from pathlib import Path

import click

from neurocircuit.cli.common import PATH, echo_json, json_option


@click.command("export")
@click.argument("network", metavar="NETWORK", type=PATH)
@click.option("--out", required=True, type=PATH, help="File of the NIR graph (.nir).")
@json_option
def command(network: Path, out: Path, as_json: bool) -> None:
    """Write NETWORK, weights (.pt) or a mapped network (.toml), as a NIR graph that other frameworks read.

    Each layer is Linear or Conv2d, LI and IF: n-LIF neurons, which spike once. Of a mapped network the neurons carry
    phase per weight, lead and bank in their metadata. `import-weights` reads the file back to the bit.
    """
    from neurocircuit.core.files import check_output

    check_output(out, ".nir")
    from neurocircuit.snn.exchange import write_nir

    write_nir(network, out)
    if as_json:
        echo_json({"out": str(out), "network": str(network)})
    else:
        click.echo(f"{network} as a NIR graph: {out}")
