"""What an inference costs, as rows of a table: the same for every network, level and form."""

import math

from neurocircuit.rendering.text import scaled
from neurocircuit.results.inference import InferenceCost, SUPPLY_Ohm

NOTE = (
    "A neuron is on from where its layer begins until its spike, its window's end or the decision; on a ramp VCO1 and "
    "VCO2 rest. Lock: once for every neuron. Bias generator and trim DACs: assumed. Formulas: docs/windows.md, Energy."
)


def cost_rows(cost: InferenceCost) -> list[tuple[str, str]]:
    """Return energy in total and by line, that of neurons that spike, sparsity and latency."""
    power = f"{scaled(cost.power_W, 1e6)} µW"
    if math.isfinite(cost.ramp_power_W):
        power += f", on a ramp {scaled(cost.ramp_power_W, 1e6)} µW"
    spiking = [("neurons that spike by themselves", f"{cost.spikes / cost.neurons:.1%} of {cost.neurons}")]
    if cost.forced_spikes:
        spiking.append(("spikes that ends of windows force", f"{cost.forced_spikes:.0f}"))
    return [
        *spiking,
        ("power of a neuron that is on", f"{power} ({cost.power_source})"),
        *([("energy, in total", f"{scaled(cost.total_J, 1e9)} nJ")] if cost.lines else []),
        ("energy, armed: power × time that neurons are on", f"{scaled(cost.energy_J, 1e9)} nJ"),
        *((f"energy, {name}", f"{scaled(energy_J, 1e9)} nJ") for name, energy_J in cost.line_values[1:]),
        *(
            [
                (
                    "current of all neurons when armed at once",
                    f"{scaled(cost.lines.armed_A, 1e3)} mA, a drop of {scaled(cost.lines.drop_V, 1e3)} mV in "
                    f"{1e3 * SUPPLY_Ohm:g} mΩ of supply (assumed)",
                )
            ]
            if cost.lines and math.isfinite(cost.lines.armed_A)
            else []
        ),
        (
            "armed, by neurons that spike before the decision",
            f"{scaled(cost.energy_spikes_J, 1e9)} nJ, {scaled(cost.energy_per_spike_J, 1e12)} pJ for each",
        ),
        (
            "decision, mean (undecided images: the end)",
            f"{cost.latency_over_tau:.3f} τ = {scaled(cost.latency_s, 1e9)} ns",
        ),
        ("the last window's end", f"{cost.window_over_tau:.3g} τ"),
    ]
