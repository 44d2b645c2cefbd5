"""The command line: each command stands in a file of its own and is imported only when it is called."""

import sys

import click

from neurocircuit import __version__
from neurocircuit.cli.lazy import LazyGroup
from neurocircuit.core import extras
from neurocircuit.core.interrupt import interrupted_once
from neurocircuit.errors import NeurocircuitError

SECTIONS = {
    "From circuit to accuracy": {
        "new": "Start a project: circuit, recipes and loop, each field explained.",
        "run": "Go from circuit to accuracy with one report: sweep, train, map, calibrate, verify; resumable.",
        "compare": "Compare two circuits: rows of Table 3, limits, latency, energy, accuracy.",
    },
    "Neuron": {
        "simulate": "Simulate one neuron at any level and draw it.",
        "sweep": "Sweep input jitter and weight bits; write the transfer table and a report like Table 3.",
        "table": "Show and compare transfer tables.",
        "spec": "Print the embedded circuit, or check and print a spec file.",
        "explore": "Open a local page: sliders for the circuit, accuracy of a network under noise.",
    },
    "Process": {
        "process": "List the semiconductor processes; run a ring in one.",
        "characterize": "Trim and measure the transistor neuron of a process; write its datasheet and spec.",
    },
    "Network": {
        "train": "Train a network by a recipe; resumable.",
        "convert": "Turn a trained ReLU network into neurons that spike in windows.",
        "import-weights": "Read published numpy weights, or a NIR graph, into a checkpoint.",
        "export": "Write a trained or mapped network as a NIR graph for other frameworks.",
        "evaluate": "Accuracy, sparsity, energy and latency of trained weights, in software or on chips.",
        "map": "Lay a trained network onto the circuit; say what it costs and what does not fit.",
        "calibrate": "Make the noise table of a mapped network at its own operating points.",
        "verify": "Run a mapped network on the circuit, against eq. (4) and the noise table.",
    },
    "Study": {
        "study": "robustness, codesign, pvt, compare-networks, …: what networks and circuits do to each other.",
    },
    "Every run": {
        "report": "Write the HTML and Markdown report of a finished run of any kind.",
        "schema": "Print the JSON Schema of a TOML file, for an editor's completion.",
        "doctor": "Check Python, ngspice and the levels of the neuron.",
    },
}

group = LazyGroup(
    "neurocircuit",
    help="Circuit → transfer table → training → accuracy, for temporal-coded spiking neurons.",
    sections=SECTIONS,
    package="neurocircuit.cli",
    context_settings={"help_option_names": ["-h", "--help"]},
)
click.version_option(__version__, prog_name="neurocircuit")(group)


def main() -> None:
    """Run the command line; every foreseen error is one line on stderr and an exit code."""
    with interrupted_once(for_good=True):
        try:
            sys.exit(group(standalone_mode=False) or 0)  # click returns the code of ctx.exit()
        except click.ClickException as error:
            if type(error).__name__ == "NoArgsIsHelpError":  # of click 8.2 and later: its message is the help
                click.echo(error.format_message(), err=True)
                sys.exit(2)
            _fail(error.format_message(), 2)
        except (click.Abort, KeyboardInterrupt) as error:
            _fail(str(error) or "stopped", 130)
        except NeurocircuitError as error:
            _fail(str(error), error.exit_code)
        except ImportError as error:
            missing = extras.missing(error)
            if missing is None:
                raise
            _fail(str(missing), missing.exit_code)


def _fail(message: str, code: int) -> None:
    line = " ".join(message.split())
    click.echo(f"neurocircuit: {line}", err=True)
    sys.exit(code)
