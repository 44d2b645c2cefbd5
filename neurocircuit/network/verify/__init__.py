"""Did the noise model tell the truth: trained neurons and whole images on a circuit level, against its prediction."""

from neurocircuit.network.verify.replay import check_options, verify
from neurocircuit.results.replay import Replay

__all__ = ["Replay", "check_options", "verify"]
