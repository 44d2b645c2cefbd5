"""Figures of the datasheet, one function each; all from the curves that `characterize` wrote."""

from collections.abc import Callable, Iterator
from math import nan
from typing import TYPE_CHECKING

import numpy as np

from neurocircuit.core.arrays import Floats
from neurocircuit.rendering import style
from neurocircuit.rendering.read.characterisation import Characterised
from neurocircuit.results.characterised_neuron import power_law_W
from neurocircuit.results.measurement import Measured
from neurocircuit.results.noise_law import NoiseLaw
from neurocircuit.results.phase_noise import VCOS, by_role, vco_noise

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_BLOCK_NAMES = {"pll": "loop", "membrane": "VCO3, VCO4", "synapse": "synapses", "logic": "logic"}

_COLOURS = (*style.SERIES_COLOURS, "#595959")  # seven conditions: three corners, two temperatures, two supplies


def f_of_i(run: Characterised) -> "Figure":
    """Draw the frequency over current at each condition; the tangent of the nominal one."""
    figure, (axes,) = style.new_figure(3.1)
    figure.subplots_adjust(left=0.16, right=0.97, top=0.97, bottom=0.16)
    for colour, marker, label, measurement in _series(run, "cco"):
        curve = measurement.curves["f_of_i"]
        axes.plot(1e6 * curve["current_A"], curve["frequency_Hz"] / 1e6, color=colour, marker=marker, label=label)
    typical = run.typical("cco")
    if typical:
        curve = typical.curves["f_of_i"]
        axes.plot(1e6 * curve["current_A"], curve["tangent_Hz"] / 1e6, ":", color="#767676", label="tangent")
    axes.set(xlabel="bias current (µA)", ylabel="frequency (MHz)")
    axes.legend(loc="lower right", fontsize=7)
    return figure


def phase_noise(run: Characterised) -> "Figure":
    """Draw the phase noise of each VCO, and the spectrum of its frequency with the two parts and the corner."""
    figure, (top, bottom) = style.new_figure(5.2, rows=2, sharex=True)
    figure.subplots_adjust(left=0.17, right=0.97, top=0.98, bottom=0.1, hspace=0.1)
    measured = _typical(run, "phase_noise")
    # VCO2 and VCO4 lie beside VCO1 and VCO3: their own lines show by dashes.
    for k, (vco, label) in enumerate(VCOS.items()):
        noise, colour, look = vco_noise(measured, vco), style.SERIES_COLOURS[k // 2], ("-", (0, (4, 2)))[k % 2]
        curve = measured.curves[f"spectrum_{vco}"]
        frequency_Hz, white, flicker = (curve[key] for key in ("frequency_Hz", "white_per_Hz", "flicker_per_Hz"))
        total, width = white + flicker, 1.0 + 0.8 * (k % 2)
        sideband_dBc = 10 * np.log10((noise.f0_Hz / frequency_Hz) ** 2 * total / 2)
        top.semilogx(frequency_Hz, sideband_dBc, linestyle=look, linewidth=width, color=colour, label=label)
        text = f"corner of {label}: {noise.corner_Hz / 1e6:.2g} MHz"
        bottom.loglog(frequency_Hz, total, linestyle=look, linewidth=width, color=colour)
        bottom.plot([noise.corner_Hz], [2 * white[0]], "os"[k % 2], color=colour, markersize=4, label=text)
        if k % 2 == 0:
            bottom.loglog(frequency_Hz, white, ":", color=colour, linewidth=0.8)
            bottom.loglog(frequency_Hz, flicker, "--", color=colour, linewidth=0.8)
            bottom.set_ylim(bottom=0.2 * float(white[0]))
    top.set(ylabel="phase noise, $L$ (dBc/Hz)")
    top.set_ylim(top=0.0)  # nearer to the carrier L has no meaning
    bottom.set(xlabel="offset (Hz)", ylabel="relative frequency, $S_y$ (1/Hz)")
    for axes in (top, bottom):
        axes.legend(loc="upper right", fontsize=7)
    return figure


def jitter(run: Characterised) -> "Figure":
    """Draw the rms jitter of each VCO over the time since arming, by white noise and by flicker."""
    figure, (axes,) = style.new_figure(2.8)
    figure.subplots_adjust(left=0.17, right=0.97, top=0.97, bottom=0.18)
    measured, time_s = _typical(run, "phase_noise"), np.logspace(-9, -6, 61)
    for colour, vco in zip(style.SERIES_COLOURS, ("vco1", "vco3"), strict=False):
        noise = vco_noise(measured, vco)
        white_s = np.sqrt(noise.white_rad2_per_s * time_s) / (2 * np.pi * noise.f0_Hz)
        axes.loglog(1e9 * time_s, 1e12 * white_s, color=colour, label=f"{VCOS[vco]}, white")
        axes.loglog(
            1e9 * time_s,
            1e12 * measured.value(f"offset_{vco}") * time_s,
            "--",
            color=colour,
            label=f"{VCOS[vco]}, flicker",
        )
    axes.set(xlabel="time since the arming (ns)", ylabel="rms jitter (ps)")
    axes.legend(loc="upper left", fontsize=7)
    return figure


def noise_budget(run: Characterised) -> "Figure":
    """Draw what each kind of device adds to the white noise and to the flicker of each VCO."""
    figure, (top, bottom) = style.new_figure(6.4, rows=2)
    figure.subplots_adjust(left=0.38, right=0.96, top=0.94, bottom=0.08, hspace=0.22)
    measured = _typical(run, "phase_noise")
    noises = {vco: vco_noise(measured, vco) for vco in VCOS}
    roles = list(dict.fromkeys(role for noise in noises.values() for role in by_role(noise.white_by_device)))
    for k, (vco, label) in enumerate(VCOS.items()):
        budgets = ((top, noises[vco].white_by_device, 1e-3), (bottom, noises[vco].flicker_by_device, 1e9))
        for axes, budget, scale in budgets:
            sums = by_role(budget)
            values = [scale * sums.get(role, 0.0) for role in roles]
            axes.barh(np.arange(len(roles)) + 0.2 * (k - 1.5), values, 0.19, color=style.SERIES_COLOURS[k], label=label)
    for axes, what in ((top, "white (krad²/s)"), (bottom, "flicker h (10⁻⁹)")):
        axes.set_yticks(range(len(roles)), roles)
        axes.invert_yaxis()
        axes.set(xlabel=what)
    figure.legend(*top.get_legend_handles_labels(), loc="upper right", ncols=4, fontsize=7)
    return figure


def assumed_noise(run: Characterised) -> "Figure":
    """Draw the root mean square phase over the square root of time."""
    figure, (axes,) = style.new_figure(2.8)
    figure.subplots_adjust(left=0.17, right=0.97, top=0.97, bottom=0.18)
    measurement = _typical(run, "assumed_noise")
    walk = measurement.curves["walk"]
    root = np.sqrt(1e9 * walk["time_s"])
    for key, label, look in (
        ("measured_rad", "measured, rms over the rings", "o-"),
        ("drawn_rad", "as drawn: 2πk ∫ i dt", "--"),
        ("theory_rad", "theory: σφ = 2πk √(S t)", ":"),
    ):
        axes.plot(root, 1e3 * walk[key], look, markersize=2.5, label=label)
    axes.set(xlabel="√time (√ns)", ylabel="phase (mrad)")
    axes.legend(loc="upper left")
    return figure


def detector(run: Characterised) -> "Figure":
    """Draw the mean of UP over phase, and below it the deviation from the line."""
    figure, (top, bottom) = style.new_figure(3.8, rows=2, sharex=True, gridspec_kw={"height_ratios": (2, 1)})
    figure.subplots_adjust(left=0.17, right=0.97, top=0.97, bottom=0.13, hspace=0.12)
    for colour, _, label, measurement in _series(run, "detector"):
        curve = measurement.curves["transfer"]
        turns = curve["phase_rad"] / np.pi
        top.plot(turns, curve["up"], ".", color=colour, markersize=3, label=label)
        inside = turns < 1.0
        error = 100 * (curve["up"] - curve["line"])
        bottom.plot(turns[inside], error[inside], ".", color=colour, markersize=3)
    typical = _typical(run, "detector")
    for key in ("linear_low", "linear_high"):
        for axes in (top, bottom):
            axes.axvline(typical.value(key, nan) / np.pi, color="#767676", linewidth=0.8, linestyle=":")
    top.set(ylabel="mean of UP / supply")
    bottom.set(xlabel="phase of A over B (π rad)", ylabel="off line (%)", ylim=(-6, 6))
    top.legend(loc="lower center", fontsize=7)
    return figure


def lock(run: Characterised) -> "Figure":
    """Draw the phase error over time of loops inside and outside the lock range."""
    figure, (axes,) = style.new_figure(2.8)
    figure.subplots_adjust(left=0.16, right=0.97, top=0.97, bottom=0.18)
    for name, curve in _typical(run, "lock").curves.items():
        offset = float(name.removeprefix("loop_"))
        label = "VCO1 at f1" if offset == 0 else f"{offset:+g} of the range"
        axes.plot(1e9 * curve["time_s"], curve["error_rad"] / np.pi, label=label, linewidth=1.0)
    low, high = axes.get_ylim()
    axes.set(xlabel="time from the enable (ns)", ylabel="phase error (π rad)", ylim=(low, high + 0.35 * (high - low)))
    axes.legend(loc="upper left", fontsize=7, ncols=2)
    return figure


def flipflop(run: Characterised) -> "Figure":
    """Draw the clock to Q over how early data is."""
    figure, (axes,) = style.new_figure(2.8)
    figure.subplots_adjust(left=0.16, right=0.97, top=0.97, bottom=0.18)
    for colour, marker, label, measurement in _series(run, "flipflop"):
        curve = measurement.curves["delay"]
        early, delay = 1e12 * curve["data_before_clock_s"], 1e12 * curve["clock_to_q_s"]
        axes.plot(early, delay, marker=marker, markersize=3, color=colour, label=label)
        axes.axvline(1e12 * measurement.value("edge", nan), color=colour, linewidth=0.7, linestyle=":")
    axes.set(xlabel="data before clock (ps); dotted: missed to the left", ylabel="clock to Q (ps)")
    axes.legend(loc="upper right", fontsize=7)
    return figure


def synapse(run: Characterised) -> "Figure":
    """Draw the jumps by code, INL and DNL; both signs at the nominal condition, jumps at all."""
    figure, axes = style.new_figure(5.0, rows=3, sharex=True, gridspec_kw={"height_ratios": (2, 1, 1)})
    figure.subplots_adjust(left=0.18, right=0.97, top=0.98, bottom=0.1, hspace=0.12)
    for colour, _, label, measurement in _series(run, "synapse"):
        curve = measurement.curves["jumps"]
        axes[0].plot(curve["code"], curve["excitatory_rad"], "-", color=colour, label=label)
        axes[0].plot(-curve["code"], -curve["inhibitory_rad"], "-", color=colour)
    curve = _typical(run, "synapse").curves["jumps"]
    for panel, what in ((axes[1], "inl"), (axes[2], "dnl")):
        for sign, name, marker in ((1, "excitatory", "o"), (-1, "inhibitory", "s")):
            panel.plot(sign * curve["code"], curve[f"{name}_{what}"], marker=marker, markersize=3)
        panel.axhline(0, color="black", linewidth=0.6)
        panel.set(ylabel=f"{what.upper()} (LSB)")
    axes[0].set(ylabel="phase jump (rad)")
    axes[2].set(xlabel="code")
    axes[0].legend(loc="upper left", fontsize=7)
    return figure


def tail(run: Characterised) -> "Figure":
    """Draw the course of VCO1's phase after a full-scale spike of each sign."""
    figure, (axes,) = style.new_figure(2.6)
    figure.subplots_adjust(left=0.16, right=0.97, top=0.97, bottom=0.19)
    curve = _typical(run, "synapse").curves["course"]
    for key, label in (("excitatory_rad", "source, code 15"), ("inhibitory_rad", "sink, code 15, sign turned")):
        sign = -1.0 if key == "inhibitory_rad" else 1.0
        axes.plot(1e9 * curve["time_s"], sign * curve[key], label=label)
    axes.axvspan(0.0, 1.0, color="#d9d9d9", linewidth=0, label="spike")
    axes.set(xlabel="time from the spike (ns)", ylabel="phase (rad)")
    axes.legend(loc="lower right")
    return figure


def kernel(run: Characterised) -> "Figure":
    """Draw the membranes of the single-input runs with the fit, and the residual."""
    figure, (top, bottom) = style.new_figure(4.2, rows=2, sharex=True, gridspec_kw={"height_ratios": (2.4, 1)})
    figure.subplots_adjust(left=0.16, right=0.97, top=0.97, bottom=0.12, hspace=0.1)
    measurement = _typical(run, "kernel")
    runs = {name: curve for name, curve in measurement.curves.items() if "fitted_rad" in curve}
    for k, (name, curve) in enumerate(runs.items()):
        colour = style.SERIES_COLOURS[k % len(style.SERIES_COLOURS)]
        time = 1e9 * curve["time_s"]
        top.plot(time, curve["membrane_rad"], "-", color=colour, label=name.replace("code_", "code "))
        top.plot(time, curve["fitted_rad"], "--", color="black", linewidth=0.8)
        bottom.plot(time, 1e3 * (curve["membrane_rad"] - curve["fitted_rad"]), color=colour, linewidth=0.9)
    top.axhline(0.0, color="#767676", linewidth=0.8, linestyle=":")
    top.set(ylabel="membrane φ4 − φ3 (rad)")
    bottom.set(xlabel="time from the input (ns)", ylabel="off fit (mrad)")
    top.legend(loc="upper left", fontsize=7, ncols=2)
    return figure


def step(run: Characterised) -> "Figure":
    """Draw the phase error of the loop after the same inputs."""
    figure, (axes,) = style.new_figure(2.8)
    figure.subplots_adjust(left=0.16, right=0.97, top=0.97, bottom=0.18)
    for name, curve in _typical(run, "kernel").curves.items():
        axes.plot(1e9 * curve["time_s"], curve["error_rad"], label=name.replace("code_", "code "))
    axes.axhline(0.0, color="black", linewidth=0.6)
    axes.set(xlabel="time from the input (ns)", ylabel="phase error (rad)")
    axes.legend(loc="upper right", fontsize=7, ncols=2)
    return figure


def prediction(run: Characterised) -> "Figure":
    """Draw the relative error of each level's prediction over the transistors' fire time."""
    figure, (axes,) = style.new_figure(3.0)
    figure.subplots_adjust(left=0.16, right=0.97, top=0.88, bottom=0.17)
    measurement = _typical(run, "prediction")
    for level, colour, marker in (
        ("edge", style.LEVEL_COLOURS["edge"], "o"),
        ("crossing", style.SERIES_COLOURS[5], "v"),
        ("averaged", style.LEVEL_COLOURS["averaged"], "s"),
    ):
        curve = measurement.curves[level]
        actual, first = curve["transistor_s"], curve["first_s"]
        error = 100 * (curve["predicted_s"] - actual) / (actual - first)
        axes.plot(
            1e9 * (actual - first),
            error,
            marker,
            color=colour,
            markersize=3.5,
            label="edge, crossing" if level == "crossing" else level,
        )
    axes.axhline(0.0, color="black", linewidth=0.7)
    axes.set(xlabel="fire time less first input, transistors (ns)", ylabel="predicted − transistors (%)")
    figure.legend(loc="upper right", ncols=3, bbox_to_anchor=(0.98, 1.0), columnspacing=0.8)
    return figure


def energy(run: Characterised) -> "Figure":
    """Draw the stacked bars by block, one for each condition, with the paper's bound."""
    by_condition = run.measured["energy"]
    figure, (axes,) = style.new_figure(1.7 + 0.34 * len(by_condition))
    height = 1.7 + 0.34 * len(by_condition)
    figure.subplots_adjust(left=0.3, right=0.95, top=1 - 0.62 / height, bottom=0.5 / height)
    labels, left = [], np.zeros(len(by_condition))
    for slug in by_condition:
        labels.append(slug.replace("_", ", "))
    for k, (block, name) in enumerate(_BLOCK_NAMES.items()):
        width = np.array([1e12 * measurement.value(f"spike_{block}", nan) for measurement in by_condition.values()])
        axes.barh(labels, width, left=left, color=style.SERIES_COLOURS[k], label=name, height=0.6)
        left = left + width
    lock = np.array(
        [
            1e12 * (measurement.value("with_lock", nan) - measurement.value("spike", nan))
            for measurement in by_condition.values()
        ]
    )
    axes.barh(labels, lock, left=left, color="#d0d0d0", label="lock before", height=0.6)
    axes.axvline(10.0, color="black", linestyle=":", linewidth=0.9)
    axes.invert_yaxis()
    axes.set(xlabel="energy of a spike (pJ)")
    figure.legend(loc="upper center", ncols=3, fontsize=7, columnspacing=0.8)
    return figure


def power(run: Characterised) -> "Figure":
    """Draw the power of whole neurons over current, and brought to the nominal current over frequency, with the fit."""
    figure, (over_current, over_frequency) = style.new_figure(4.8, rows=2)
    figure.subplots_adjust(left=0.17, right=0.95, top=0.97, bottom=0.1, hspace=0.36)
    measured = _typical(run, "power")
    curve, i0_A, f0_Hz = measured.curves["power"], measured.value("current"), measured.value("frequency")
    law = (measured.value("scaled"), measured.value("slope"), measured.value("fixed"))
    current_A, frequency_Hz, power_W = curve["current_A"], curve["frequency_Hz"], curve["power_W"]
    line_A, line_Hz = (np.linspace(values.min(), values.max(), 50) for values in (current_A, frequency_Hz))
    fitted_W = power_law_W(line_A / i0_A, np.ones(50), *law)
    over_current.loglog(1e6 * line_A, 1e6 * fitted_W, color="#767676", linewidth=0.8, label="fit at $f_0$")
    over_current.loglog(1e6 * current_A, 1e6 * power_W, "o", markersize=4, label="neurons, all frequencies")
    over_current.set(xlabel="bias current of VCO1 (µA)", ylabel="power (µW)")
    for axis in (over_current.xaxis, over_current.yaxis):
        style.set_log_plain(axis)
    over_current.legend(loc="upper left", fontsize=7)
    for k, scale in enumerate(sorted(set(curve["scale"].tolist()))):
        here, ratio = curve["scale"] == scale, i0_A / current_A
        colour, marker = _COLOURS[k % len(_COLOURS)], style.SERIES_MARKERS[k % len(style.SERIES_MARKERS)]
        over_frequency.plot(
            frequency_Hz[here] / 1e6,
            1e6 * (power_W * ratio)[here],
            linestyle="none",
            color=colour,
            marker=marker,
            label=f"{scale:g} × the widths",
        )
    fitted_W = power_law_W(np.ones(50), line_Hz / f0_Hz, *law)
    over_frequency.plot(line_Hz / 1e6, 1e6 * fitted_W, color="#767676", linewidth=0.8, label="fit at $I_0$")
    over_frequency.set(xlabel="frequency of VCO1 (MHz)", ylabel=r"power $\times I_0/I$ (µW)")
    over_frequency.legend(loc="upper right", fontsize=7)
    return figure


def noise_law(run: Characterised) -> "Figure":
    """Draw white noise and flicker of rings over frequency, current and area of the bias devices, with eq. (N1)."""
    figure, axes = style.new_figure(6.4, rows=3)
    figure.subplots_adjust(left=0.15, right=0.97, top=0.98, bottom=0.075, hspace=0.4)
    measured = _typical(run, "noise_law")
    curve, law = measured.curves["noise_law"], NoiseLaw.of(measured)
    first = (curve["scale"] == 1) & (curve["area"] == 1)
    is_base = first & (np.abs(curve["frequency_Hz"] / measured.value("frequency") - 1) < 1e-9)
    x, area = np.linspace(law.lowest, law.highest, 60), np.linspace(1.0, law.largest_area, 60)
    current_A = curve["current_A"][is_base | (curve["scale"] != 1)]
    over_current = np.geomspace(current_A.min(), current_A.max(), 60) / curve["current_A"][is_base]
    panels: tuple[tuple[str, Floats, Floats, Floats, list[tuple[float, float, float]]], ...] = (
        (
            "frequency (MHz), nominal sizes",
            1e-6 * curve["frequency_Hz"],
            first,
            1e-6 * measured.value("frequency") * x,
            [(value, 1.0, 1.0) for value in x.tolist()],
        ),
        (
            "bias current (µA), widths in proportion",
            1e6 * curve["current_A"],
            is_base | (curve["scale"] != 1),
            1e6 * over_current * curve["current_A"][is_base],
            [(1.0, value, 1.0) for value in over_current.tolist()],
        ),
        (
            "area of the bias devices over the nominal one",
            curve["area"],
            is_base | (curve["area"] != 1),
            area,
            [(1.0, 1.0, value) for value in area.tolist()],
        ),
    )
    series = (
        ("white noise", "white_rad2_per_s", "o", "-", lambda *where: measured.value("white") * law.white(*where)),
        ("flicker", "flicker", "s", "--", law.flicker),
    )
    for axis, (label, at, shown, line_at, wheres) in zip(axes, panels, strict=True):
        for k, (name, column, marker, dashes, by_law) in enumerate(series):
            relative, line = curve[column] / curve[column][is_base], np.array([by_law(*where) for where in wheres])
            axis.plot(line_at, line / curve[column][is_base], dashes, color="#767676", linewidth=0.9)
            axis.plot(at[shown], relative[shown], marker, color=_COLOURS[k], markersize=4, label=name)
        axis.set(xlabel=label, ylabel="over VCO1's")
    axes[1].set(xscale="log", yscale="log")
    for scaled_axis in (axes[1].xaxis, axes[1].yaxis):
        style.set_log_plain(scaled_axis)
    axes[0].legend(loc="upper right", fontsize=7)
    axes[2].set_ylim(bottom=0.0)
    return figure


def fan_in(run: Characterised) -> "Figure":
    """Draw how far frequency and phase jumps of VCO1 change with its synapses, and the bounds that set the limit."""
    figure, (axes,) = style.new_figure(2.6)
    figure.subplots_adjust(left=0.17, right=0.97, top=0.97, bottom=0.19)
    measured = _typical(run, "fan_in")
    curve = measured.curves["fan_in"]
    codes = [int(key.split("_")[1]) for key in curve if key.startswith("code_") and key.endswith("_loss")]
    shown = [("frequency_loss", "frequency")] + [
        (f"code_{code}_loss", f"jump of a {'source' if code > 0 else 'sink'}, code {abs(code)}") for code in codes
    ]
    for key, label in shown:
        axes.plot(curve["synapses"], -100 * curve[key], marker="o", markersize=3, label=label)
    for bound in (-10.0, 10.0):
        axes.axhline(bound, color="black", linestyle=":", linewidth=0.9)
    axes.axvline(measured.value("limit"), color="#767676", linewidth=0.8)
    axes.set(xlabel="synapses on VCO1", ylabel="change (%)")
    axes.legend(loc="best", fontsize=7)
    return figure


DRAW: dict[str, Callable[[Characterised], "Figure"]] = {
    "f_of_i": f_of_i,
    "phase_noise": phase_noise,
    "jitter": jitter,
    "noise_budget": noise_budget,
    "assumed_noise": assumed_noise,
    "detector": detector,
    "lock": lock,
    "flipflop": flipflop,
    "synapse": synapse,
    "tail": tail,
    "kernel": kernel,
    "step": step,
    "prediction": prediction,
    "energy": energy,
    "fan_in": fan_in,
    "power": power,
    "noise_law": noise_law,
}


def _series(run: Characterised, name: str) -> Iterator[tuple[str, str, str, Measured]]:
    """Yield the colour, marker, label and measurement of each condition."""
    for k, (slug, measurement) in enumerate(run.measured[name].items()):
        colour = _COLOURS[k % len(_COLOURS)]
        yield colour, style.SERIES_MARKERS[k % len(style.SERIES_MARKERS)], slug.replace("_", ", "), measurement


def _typical(run: Characterised, name: str) -> Measured:
    typical = run.typical(name)
    assert typical is not None, name  # noqa: S101 - a figure is drawn only for a measurement that was made
    return typical
