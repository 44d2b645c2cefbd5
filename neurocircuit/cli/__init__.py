"""The command line: each command stands in a file of its own and is imported only when it is called."""

import sys
from importlib import import_module

import click

from neurocircuit import __version__
from neurocircuit.core import extras
from neurocircuit.core.interrupt import interrupted_once
from neurocircuit.errors import NeurocircuitError

COMMANDS = {
    "sweep": "Sweep input jitter and weight bits; write the transfer table and a report like Table 3.",
    "simulate": "Simulate one neuron at any level and draw it.",
    "report": "Write the HTML and Markdown report of a finished run of any kind.",
    "table": "Show and compare transfer tables.",
    "train": "Train a network by a recipe; resumable.",
    "evaluate": "Accuracy, sparsity, energy and latency of trained weights.",
    "robustness": "Accuracy over weight bits, weight noise and spike-time jitter (Table 4, Fig. 2).",
    "recovered": "What noise-aware training wins back of the accuracy that a circuit costs.",
    "map": "Lay a trained network onto the circuit; say what it costs and what does not fit.",
    "calibrate": "Make the noise table of a mapped network at its own operating points.",
    "verify": "Run a mapped network on the circuit, against eq. (4) and the noise table.",
    "codesign": "Search circuit parameters for accuracy, energy and latency; recommend designs.",
    "pvt": "Accuracy, energy and latency of a mapped network at characterised corners.",
    "import-weights": "Read published numpy weights into a checkpoint.",
    "characterize": "Trim and measure the transistor neuron of a process; write its datasheet and spec.",
    "process": "List the semiconductor processes; run a ring in one.",
    "spec": "Print the embedded circuit, or check and print a spec file.",
    "doctor": "Check Python, ngspice and the levels of the neuron.",
}


class LazyGroup(click.Group):
    """Lists commands without importing them, so that --help stays fast."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Names in the order of use."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import the one command that is called."""
        if cmd_name not in COMMANDS:
            return None
        command: click.Command = import_module(f"neurocircuit.cli.{cmd_name.replace('-', '_')}").command
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the list from the texts above."""
        with formatter.section("Commands"):
            formatter.write_dl(list(COMMANDS.items()))


@click.group(cls=LazyGroup, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="neurocircuit")
def group() -> None:
    """Circuit → transfer table → training → accuracy, for temporal-coded spiking neurons."""


def main() -> None:
    """Run the command line; every foreseen error is one line on stderr and an exit code."""
    with interrupted_once(for_good=True):
        try:
            sys.exit(group(standalone_mode=False) or 0)  # click returns the code of ctx.exit()
        except click.ClickException as error:
            _fail(error.format_message(), 2)
        except (click.Abort, KeyboardInterrupt):
            _fail("stopped", 130)
        except NeurocircuitError as error:
            _fail(str(error), error.exit_code)
        except ImportError as error:
            missing = extras.missing(error)
            if missing is None:
                raise
            _fail(f"{' '.join(sys.argv[1:2])} needs a package: {missing}", missing.exit_code)


def _fail(message: str, code: int) -> None:
    line = " ".join(message.split())
    click.echo(f"neurocircuit: {line}", err=True)
    sys.exit(code)
