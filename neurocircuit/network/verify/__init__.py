"""Did the noise model tell the truth: trained neurons and whole images on a circuit level, against its prediction."""

from neurocircuit.network.verify.replay import Replay, check_options, verify

__all__ = ["Replay", "check_options", "verify"]
