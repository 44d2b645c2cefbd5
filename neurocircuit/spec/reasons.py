"""Every field of the embedded circuit with its default and the reason for it, as README shows them."""

from neurocircuit.spec.derived import derived
from neurocircuit.spec.neuron import NeuronSpec


def reason_table() -> str:
    """Return every field of NeuronSpec with its default and why, as a Markdown table."""
    values = NeuronSpec().to_dict()
    rows = ["| field | embedded circuit | meaning, and why this number |", "|---|---|---|"]
    for name, field in NeuronSpec.model_fields.items():
        key = field.alias or name
        rows.append(f"| `{key}` | {_cell(values.get(key))} | {field.description} |")
    rows += [
        f"| {quantity.name} (derived) | {f'{quantity.value:.4g} {quantity.unit}'.strip()} | {quantity.meaning} |"
        for quantity in derived(NeuronSpec())
    ]
    return "\n".join(rows)


def _cell(value: object) -> str:
    if isinstance(value, dict):
        return "; ".join(f"{key} {_cell(item)}" for key, item in value.items())
    if isinstance(value, list):
        return f"{_cell(value[0])} (each)" if value and len(set(map(str, value))) == 1 else str(value)
    return str(value)
