"""INL and DNL of a code-to-phase converter: the signed synapse with its weight bank."""

from dataclasses import dataclass

import numpy as np

from neurocircuit.core.arrays import Floats
from neurocircuit.errors import InputError


@dataclass(frozen=True)
class Linearity:
    """Errors of codes 1 … n against a straight line through code 0; inl, dnl are [code], units of the LSB.

    lsb_rad: slope of the least-squares line through the origin, so that a gain error is no INL.
    """

    lsb_rad: float
    inl: Floats
    dnl: Floats

    @property
    def worst_inl(self) -> float:
        """Largest |INL|, LSB."""
        return float(np.abs(self.inl).max())

    @property
    def worst_dnl(self) -> float:
        """Largest |DNL|, LSB; below 1 the steps of the code never turn back."""
        return float(np.abs(self.dnl).max())


def linearity(codes: Floats, jump_rad: Floats) -> Linearity:
    """Return INL and DNL from the phase jumps of rising codes > 0, both [code]; code 0 makes no jump.

    With gaps between the codes the DNL of a stretch is its mean step. Raise InputError for codes that do not rise.
    """
    codes, jump_rad = np.asarray(codes, dtype=np.float64), np.asarray(jump_rad, dtype=np.float64)
    if len(codes) < 2 or codes[0] <= 0 or np.any(np.diff(codes) <= 0):
        raise InputError(f"codes must rise from above 0, got {codes.tolist()}")
    lsb = float(codes @ jump_rad / (codes @ codes))
    steps = np.diff(np.concatenate([[0.0], jump_rad])) / np.diff(np.concatenate([[0.0], codes]))
    return Linearity(lsb, jump_rad / lsb - codes, steps / lsb - 1.0)
