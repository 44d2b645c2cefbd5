"""A network on chips of a circuit: rendered as every evaluation."""

from neurocircuit.report.renderers.evaluation import render

__all__ = ["render"]
