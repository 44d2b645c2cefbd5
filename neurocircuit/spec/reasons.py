"""Every field of the embedded circuit with its default and the reason for it, as README shows them."""

from neurocircuit.spec.neuron import NeuronSpec
from neurocircuit.units import format_quantity


def reason_table() -> str:
    """Return every field of NeuronSpec with its default and why, as a Markdown table."""
    values = NeuronSpec().to_dict()
    rows = ["| field | embedded circuit | meaning, and why this number |", "|---|---|---|"]
    for name, field in NeuronSpec.model_fields.items():
        key = field.alias or name
        rows.append(f"| `{key}` | {_cell(values.get(key))} | {field.description} |")
    spec = NeuronSpec()
    derived = {
        "f0·tau": (f"{spec.cycles_per_tau:g}", "cycles per τ"),
        "r": (f"{spec.loop_ratio:g}", "loop-filter ratio w_lf·τ"),
        "threshold": (f"{spec.threshold_weight:g}", "lead/(2·vco4_swing·phase_per_weight·τ), units of weight"),
        "K": (format_quantity(1 / spec.tau_s, "rad/s"), "loop gain kpd·kvco; may stand in place of `tau`"),
    }
    rows += [f"| {name} (derived) | {value} | {meaning} |" for name, (value, meaning) in derived.items()]
    return "\n".join(rows)


def _cell(value: object) -> str:
    if isinstance(value, dict):
        return "; ".join(f"{key} {_cell(item)}" for key, item in value.items())
    if isinstance(value, list):
        return f"{_cell(value[0])} (each)" if value and len(set(map(str, value))) == 1 else str(value)
    return str(value)
