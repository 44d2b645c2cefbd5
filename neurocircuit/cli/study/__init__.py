"""neurocircuit study: what networks and circuits do to each other."""

from neurocircuit.cli.lazy import LazyGroup

SECTIONS = {
    "Studies": {
        "robustness": "Accuracy over weight bits, weight noise and spike-time jitter (Table 4, Fig. 2).",
        "circuit-curves": "Accuracy of whole images over quantities of the circuit.",
        "compare-networks": "What noise-aware training wins back of the accuracy that a circuit costs.",
        "pvt": "Accuracy, energy and latency of a mapped network at characterised corners.",
        "noise-cost": "Phase noise by device, power and gate area of neurons, from their datasheets.",
        "noise-coverage": "Transistor neurons with drawn device noise against what their spec predicts.",
        "codesign": "Search circuit parameters for accuracy, energy and latency; recommend designs.",
    },
}

command = LazyGroup(
    "study",
    help="Studies of trained networks on circuits.",
    sections=SECTIONS,
    package="neurocircuit.cli.study",
)
