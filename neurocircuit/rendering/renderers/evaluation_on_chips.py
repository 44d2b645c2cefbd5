"""A network on chips of a circuit: rendered as every evaluation."""

from neurocircuit.rendering.renderers.evaluation import render

__all__ = ["render"]
