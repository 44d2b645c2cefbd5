"""What can go wrong, as types; the command line turns each into one line and an exit code.

NeurocircuitError
├── TimeUp                 exit 4: the time limit was reached first; the same call continues
├── InputError             exit 2: something the user gave is wrong; nothing was written
│   ├── UnitError          a quantity without its unit, or with a unit that does not fit
│   ├── SpecError          a field of a spec, a testbench or a sweep breaks its bound
│   └── FileFormatError    a file is foreign, truncated, or of an unknown schema version
└── SimulatorError         exit 3: a simulator did not deliver
    ├── SimulatorMissing   it is not installed (exit 2: the user can mend it)
    ├── SimulatorTimeout   it ran past its limit and was killed; depends on the machine's load
    └── SimulatorBadOutput it ended, but the requested vectors are missing, not finite or too short
"""


class NeurocircuitError(Exception):
    """Base of all errors raised on purpose by this package."""

    exit_code = 1


class TimeUp(NeurocircuitError):
    """The time limit was reached before the work was finished; the same call continues it."""

    exit_code = 4


class InputError(NeurocircuitError):
    """Something the user gave is wrong."""

    exit_code = 2


class UnitError(InputError):
    """A quantity lacks its unit, or the unit does not fit the field."""


class SpecError(InputError):
    """A field breaks its bound; the message names field, bound and value."""


class FileFormatError(InputError):
    """A file is foreign, damaged, or written under an unknown schema version."""


class SimulatorError(NeurocircuitError):
    """A circuit simulator did not deliver what was asked."""

    exit_code = 3


class SimulatorMissing(SimulatorError):
    """The simulator is not installed; the message gives the line to type."""

    exit_code = 2


class SimulatorTimeout(SimulatorError):
    """The simulator ran past its limit and its process group was killed."""


class SimulatorBadOutput(SimulatorError):
    """The simulator ended without the asked vectors, finite, over the asked time span."""


class Stopped(NeurocircuitError):
    """Ctrl-C at the command line; the message says how to go on. From Python it is a KeyboardInterrupt."""

    exit_code = 130
