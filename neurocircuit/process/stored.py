"""What earlier measurements of a condition left, as objects again."""

from dataclasses import asdict
from typing import Any

from neurocircuit.process.context import Context
from neurocircuit.process.trimming import ARM_s, Step, TrimResult
from neurocircuit.spec import Bias, Circuit


def trim_to_dict(result: TrimResult) -> dict[str, Any]:
    """Return strict JSON; a lag that never locked is null."""
    values = {name: value for name, value in asdict(result).items() if name not in ("bias", "steps")}
    steps = [{k: (v if v == v else None) for k, v in asdict(step).items()} for step in result.steps]
    return {
        **values,
        "untrimmed": list(result.untrimmed),
        "standing_V": list(result.standing_V),
        "bias": result.bias.to_dict(),
        "steps": steps,
    }


def trim_from_dict(values: dict[str, Any]) -> TrimResult:
    """Return the TrimResult that `trim_to_dict` wrote."""
    steps = tuple(Step(**{k: (float("nan") if v is None else v) for k, v in step.items()}) for step in values["steps"])
    read: dict[str, Any] = {"bias": Bias.from_dict(values["bias"]), "steps": steps}
    read |= {name: tuple(values[name]) for name in ("untrimmed", "standing_V")}
    return TrimResult(**{**values, **read})


def trimmed(context: Context) -> TrimResult:
    """Return the trim of this condition."""
    return trim_from_dict(dict(context.done["trim"].details["trim"]))


def trimmed_circuit(context: Context) -> Circuit:
    """Return the circuit of this condition with its trimmed currents."""
    return Circuit(
        **trimmed(context).of_circuit(),
        process=context.request.process,
        condition=context.condition,
        components=context.installed.process.components_at(context.condition.corner),
        arming_s=ARM_s,
        synapses=context.installed.process.synapses,
    )
