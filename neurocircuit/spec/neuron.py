"""NeuronSpec: one description of the neuron that every level reads. The defaults are the embedded circuit."""

from math import inf, pi
from typing import Annotated, Any, ClassVar, Literal

from pydantic import ConfigDict, Field, model_validator

from neurocircuit.core.arrays import Floats
from neurocircuit.errors import SpecError, UnitError
from neurocircuit.spec.bank import WeightBank
from neurocircuit.spec.fields import (
    Hertz,
    PerKelvin,
    PerVolt,
    PhaseDiffusion,
    Radians,
    RadiansPerSecond,
    Ratio,
    Seconds,
    Spec,
    Volts,
)
from neurocircuit.spec.transistors import Circuit
from neurocircuit.units import format_quantity, parse_quantity

Vcos = tuple[float, float, float, float]
LARGEST_WINDOW_cycles = 1e7  # each is four events of the edge level
XOR_RANGE_rad = pi / 2  # phase error up to which the XOR is linear, either way from quadrature
SMALL_ERROR = Annotated[Ratio, Field(gt=-0.5, lt=0.5)]
FLICKER = Annotated[Ratio, Field(ge=0, le=1e-5)]  # up to some 3 % of the frequency over any interval
PUSHING = Annotated[PerVolt, Field(ge=-100, le=100)]
LARGEST_NOISE_over_f0 = 0.1  # rad²/s of phase noise for each Hz of f0
LARGEST_PUSHED = 0.03  # of a frequency, by all tones together: beyond it no VCO follows in proportion
SHARE = Annotated[Ratio, Field(ge=0, le=1)]


class Lead(Spec):
    """VCO3 leads VCO4 by a fixed phase from arming on, by an enable delay for instance: eq. (3) with a threshold."""

    is_fixed: ClassVar[bool] = True
    offset_Hz: ClassVar[float] = 0.0
    kind: Literal["lead"] = "lead"
    lead_rad: Annotated[Radians, Field(alias="lead", gt=0, le=1e3)] = 1.5

    def scaled(self, factor: float) -> "Lead":
        """Return this threshold with `factor` times the lead."""
        return self.replace(lead_rad=self.lead_rad * factor)


class Ramp(Spec):
    """Both start together and VCO3 runs faster: the paper read literally. The comparator waits for the first input.

    A young ramp is lower than the ripple of the XOR pulses: the edge level then fires early, the averaged one not.
    """

    is_fixed: ClassVar[bool] = False
    lead_rad: ClassVar[float] = 0.0
    kind: Literal["ramp"] = "ramp"
    offset_Hz: Annotated[Hertz, Field(alias="offset", gt=0)] = 8e6

    def scaled(self, factor: float) -> "Ramp":
        """Return this threshold: a ramp has no lead to scale."""
        return self


class FrequencyError(Spec):
    """Static relative frequency errors of VCO1 … VCO4, and which of the two sets the circuit runs with."""

    before_trim: tuple[SMALL_ERROR, SMALL_ERROR, SMALL_ERROR, SMALL_ERROR] = (0.0, 0.0, 0.0, 0.0)
    after_trim: tuple[SMALL_ERROR, SMALL_ERROR, SMALL_ERROR, SMALL_ERROR] = (0.0, 0.0, 0.0, 0.0)
    trimmed: Annotated[bool, Field(strict=True)] = True

    @property
    def in_force(self) -> Vcos:
        """The four relative errors that the circuit runs with."""
        return self.after_trim if self.trimmed else self.before_trim


class StartPhases(Spec):
    """Phases of VCO1 and VCO3 at arming; VCO2 is in lock with VCO1, VCO4 stands behind VCO3 by the threshold."""

    vco1_rad: Annotated[Radians, Field(alias="vco1")] = 0.0
    vco3_rad: Annotated[Radians, Field(alias="vco3")] = 0.0


class Flicker(Spec):
    """Flicker frequency noise of VCO1 … VCO4: one-sided density S_y(f) = h/f of the relative frequency y = δf/f0.

    It walks too slowly to move within an inference; what counts is how far each frequency has gone since its trim
    (neuron/flicker.py). A share is the correlation of two VCOs, which is what they have in common of the variance.
    """

    h: Annotated[tuple[FLICKER, FLICKER, FLICKER, FLICKER], Field(description="of VCO1 … VCO4, without a unit")]
    shared_vco1_vco2: Annotated[SHARE, Field(description="of one bias that both run on; 1: all of it")] = 0.0
    shared_vco3_vco4: Annotated[SHARE, Field(description="the same of VCO3 and VCO4")] = 0.0
    since_trim_s: Annotated[
        Seconds, Field(alias="since_trim", ge=0, description="from the end of the trim's measurement to the arming")
    ] = 1.0
    trim_time_s: Annotated[
        Seconds,
        Field(
            alias="trim_time",
            gt=0,
            description="over which the trim measures a frequency; a counter needs 66 µs for 2e-5 of 764 MHz",
        ),
    ] = 1e-4
    auto_zero_s: Annotated[
        Seconds | None,
        Field(
            alias="auto_zero",
            gt=0,
            description="for which the differences of VCO1 and VCO2 and of VCO3 and VCO4 are measured just before "
            "each arming, and then nulled; absent: they stay as since the trim",
        ),
    ] = None


class Tone(Spec):
    """One tone of the supply ripple: A cos(2π f t + φ), its phase φ random."""

    frequency_Hz: Annotated[Hertz, Field(alias="frequency", gt=0)]
    amplitude_V: Annotated[Volts, Field(alias="amplitude", ge=0, lt=1, description="peak, not peak to peak")]


class Supply(Spec):
    """Supply ripple, and how far the frequency of each VCO follows it (supply pushing).

    All VCOs of a chip meet the same ripple; what two of them have alike cancels in their difference
    (neuron/supply.py). Without tones the supply has no ripple, and the sensitivities wait for one.
    """

    sensitivity_per_V: Annotated[
        tuple[PUSHING, PUSHING, PUSHING, PUSHING],
        Field(alias="sensitivity", description="of VCO1 … VCO4: relative change of the frequency per volt"),
    ]
    source: Annotated[
        str | None, Field(min_length=1, description="what characterised the sensitivity on devices; absent: assumed")
    ] = None
    tones: Annotated[tuple[Tone, ...], Field(max_length=32, description="one, or a spectrum; absent: no ripple")] = ()

    @property
    def largest(self) -> float:
        """Largest relative change of a frequency, when all tones peak together."""
        return max(map(abs, self.sensitivity_per_V)) * sum(tone.amplitude_V for tone in self.tones)


class ReadoutWindow(Spec):
    """A comparator that is armed when the window of the inputs has closed, and a window of its own after that.

    forced: the membrane goes on as before; a neuron that has not fired when the window closes spikes then.
    ramp: at the arming VCO4's control is switched from UP to a constant current, so the membrane rises evenly by
    `slope` from where the inputs have left it; a neuron that does not reach its threshold is silent.
    """

    form: Annotated[Literal["forced", "ramp"], Field(description="what the membrane does in the window")]
    armed_s: Annotated[
        Seconds, Field(alias="armed", gt=0, description="from the time origin; before it the comparator is blind")
    ]
    length_s: Annotated[Seconds, Field(alias="length", gt=0, description="from the arming to the window's end")]
    slope: Annotated[
        Ratio | None,
        Field(gt=0, description="ramp: rise of the membrane in thresholds per τ; absent in the form `forced`"),
    ] = None

    @model_validator(mode="after")
    def _slope_of_a_ramp(self) -> "ReadoutWindow":
        if (self.slope is None) == (self.form == "ramp"):
            raise ValueError(f"readout_window.slope must stand with the form ramp, and only there, got {self.slope}")
        return self

    @property
    def closes_s(self) -> float:
        """End of the window, from the time origin."""
        return self.armed_s + self.length_s


class Sensitivity(Spec):
    """How one field moves with the supply and the temperature; relative to its nominal value."""

    field: Literal["tau_s", "f0_Hz", "loop_filter_rad_per_s", "phase_per_weight_rad", "vco4_swing_Hz", "spike_width_s"]
    per_supply: Annotated[Ratio, Field(description="relative change per relative change of the supply")] = 0.0
    per_kelvin: Annotated[PerKelvin, Field(description="relative change per kelvin from 27 °C")] = 0.0
    source: Annotated[str, Field(min_length=1, description="where the two coefficients come from")]


def _with_alternatives(schema: dict[str, Any]) -> None:
    """Add to a JSON Schema the fields that a file may have in the place of others."""
    loop_gain = {
        "type": "string",
        "description": "loop gain kpd·kvco = 1/τ, in the place of tau",
        "examples": ["50 Mrad/s"],
    }
    cycles = {"type": "number", "description": "f0·tau, in the place of f0", "minimum": 1}
    schema["properties"] |= {"K": loop_gain, "cycles_per_tau": cycles}


class NeuronSpec(Spec):
    """Phase-domain n-LIF neuron (paper §3.1, Fig. 1, eq. 1-3). Python takes SI values, files take text with units."""

    model_config = ConfigDict(json_schema_extra=_with_alternatives)

    name: Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9 _.+-]{0,63}$", description="a label")] = "embedded"
    tau_s: Annotated[
        Seconds,
        Field(
            alias="tau",
            gt=0,
            le=1.0,
            description="loop time constant τ = 1/K, K = kpd·kvco; 20 ns as the transistor prototype was designed for",
        ),
    ] = 20e-9
    f0_Hz: Annotated[
        Hertz,
        Field(alias="f0", gt=0, description="free-running frequency; the 65 nm ring at 10 µA: 15.3 cycles per τ"),
    ] = 764e6
    loop_filter_rad_per_s: Annotated[
        RadiansPerSecond,
        Field(
            alias="loop_filter",
            gt=0,
            description="w_lf of eq. (2); r = w_lf·τ = 8 is overdamped and still smooths the XOR pulses",
        ),
    ] = 4e8
    phase_per_weight_rad: Annotated[
        Radians,
        Field(
            alias="phase_per_weight",
            gt=0,
            le=100.0,
            description="phase jump of VCO1 per unit weight; 0.5 rad lets Σw reach π before the XOR leaves its range",
        ),
    ] = 0.5
    threshold: Annotated[
        Lead | Ramp,
        Field(
            discriminator="kind",
            description="fixed `lead` of VCO3 over VCO4, 1.5 rad stays below π/2; or a ramp: VCO3 faster by `offset`",
        ),
    ] = Lead()
    vco4_swing_Hz: Annotated[
        Hertz,
        Field(
            alias="vco4_swing",
            gt=0,
            description="frequency difference between I_H and I_L; lead/(2·phase_per_weight·τ) puts the threshold at 1",
        ),
    ] = 75e6
    threshold_vco_ratio: Annotated[
        Ratio,
        Field(
            gt=0,
            le=10,
            description="frequency of VCO3 and VCO4 over f0; 1 here, 1.25 where transistors pull each other",
        ),
    ] = 1.0
    spike_width_s: Annotated[
        Seconds,
        Field(
            alias="spike_width",
            ge=0,
            description="an input moves VCO1 evenly over this time, at once for 0, which every level takes; 1 ns as in "
            "the prototype. Transistors have spikes of circuit.spike_width",
        ),
    ] = 1e-9
    readout: Annotated[
        Literal["continuous", "q"],
        Field(description="instant of the phase crossing, or the VCO3 edge at which the DFF sees it"),
    ] = "continuous"
    comparator: Annotated[
        Literal["modulo_2pi", "phase_counter"],
        Field(
            description="the DFF compares phases modulo 2π: a lead < π, and a deep membrane wraps into a false fire; "
            "a phase_counter counts the turns: any lead, no wrap"
        ),
    ] = "modulo_2pi"
    ripple_guard_rad: Annotated[
        Radians,
        Field(
            alias="ripple_guard",
            ge=0,
            description="added to the lead against the ripple that the XOR's pulses leave on the membrane, "
            "π·vco4_swing/(4·f0) at rest; levels without edges have neither",
        ),
    ] = 0.0
    membrane_floor_rad: Annotated[
        Radians | None,
        Field(alias="membrane_floor", lt=0, description="lowest VCO4 less VCO3 that a clamp allows; absent: no clamp"),
    ] = None
    readout_window: Annotated[
        ReadoutWindow | None,
        Field(description="arming of the comparator and a window of its own; absent: armed from the time origin on"),
    ] = None
    start_phases: Annotated[
        Literal["random"] | StartPhases,
        Field(description="VCO phases at arming: uniform per draw, since nothing locks the pattern to the oscillators"),
    ] = "random"
    phase_noise: Annotated[
        tuple[PhaseDiffusion, PhaseDiffusion, PhaseDiffusion, PhaseDiffusion],
        Field(
            description="white-frequency noise of VCO1 … VCO4, phase variance per second; off, as in a SPICE transient"
        ),
    ] = (0.0, 0.0, 0.0, 0.0)
    locked_under_noise: Annotated[
        bool,
        Field(
            strict=True,
            description="the loop has long been in lock under its phase noise at arming, so it starts with an error of "
            "its own; false: it starts in lock without one",
        ),
    ] = False
    flicker: Annotated[
        Flicker | None,
        Field(description="flicker frequency noise of VCO1 … VCO4, another draw at each arming; absent: none"),
    ] = None
    noise_source: Annotated[
        str | None,
        Field(
            min_length=1,
            description="what characterised phase_noise and flicker on devices; absent: they are assumed",
        ),
    ] = None
    supply: Annotated[
        Supply | None,
        Field(description="how far VCO1 … VCO4 follow the supply, and its ripple; absent: a supply without ripple"),
    ] = None
    frequency_error: Annotated[
        FrequencyError,
        Field(description="static errors of VCO1 … VCO4 before and after trim; none in the nominal circuit"),
    ] = FrequencyError()
    weight_bank: Annotated[
        WeightBank, Field(description="bits, range and code per sign; 4 bit over 2 as in the coarsest row of Table 3")
    ] = WeightBank()
    sensitivities: Annotated[
        tuple[Sensitivity, ...],
        Field(description="drift with supply and temperature; none before the circuit is characterised"),
    ] = ()
    arming_s: Annotated[
        Seconds, Field(alias="arming", description="time origin: from here the membrane integrates; inputs come later")
    ] = 0.0
    window_s: Annotated[
        Seconds, Field(alias="window", gt=0, description="from arming; not fired by then is silent; 10 τ")
    ] = 200e-9
    output_delay_s: Annotated[
        Seconds,
        Field(
            alias="output_delay",
            ge=0,
            description="from the phase crossing to the output spike: comparator and logic; none embedded",
        ),
    ] = 0.0
    circuit: Annotated[
        Circuit | None,
        Field(description="the transistors behind this spec, as `neurocircuit characterize` writes them; none here"),
    ] = None

    @model_validator(mode="before")
    @classmethod
    def _alternatives(cls, values: Any) -> Any:
        """Return K = kpd·kvco may stand for tau, cycles_per_tau for f0."""
        if not isinstance(values, dict):
            return values
        values = dict(values)
        if "K" in values:
            values["tau_s"] = format_quantity(1.0 / _alternative(values, "K", ("tau", "tau_s"), "rad/s"), "s")
        if "cycles_per_tau" in values:
            cycles = _alternative(values, "cycles_per_tau", ("f0", "f0_Hz"), "")
            tau = values.get("tau", values.get("tau_s", cls.model_fields["tau_s"].default))
            values["f0_Hz"] = format_quantity(cycles / _positive(tau, "tau", "s"), "Hz")
        return values

    @model_validator(mode="after")
    def _consistent(self) -> "NeuronSpec":
        if self.cycles_per_tau < 1:
            raise ValueError(f"f0·tau must be >= 1 cycle, got {self.cycles_per_tau:g}")
        if self.vco4_swing_Hz > 2 * self.f0_Hz * self.threshold_vco_ratio:
            bound = 2 * self.f0_Hz * self.threshold_vco_ratio
            raise ValueError(f"vco4_swing must be <= 2·f0 (I_L >= 0), here {bound:g} Hz, got {self.vco4_swing_Hz:g}")
        lead_rad = self.threshold.lead_rad + self.ripple_guard_rad
        if self.comparator == "modulo_2pi" and lead_rad >= pi:
            raise ValueError(f"threshold.lead must be < {pi:.6g} rad for comparator modulo_2pi, got {lead_rad:g} rad")
        if self.membrane_floor_rad is not None and self.membrane_floor_rad > -lead_rad:
            raise ValueError(f"membrane_floor must be <= -lead = {-lead_rad:g} rad, got {self.membrane_floor_rad:g}")
        if min(self.phase_noise) < 0:
            raise ValueError(f"phase_noise must be >= 0, got {min(self.phase_noise):g}")
        if max(self.phase_noise) > LARGEST_NOISE_over_f0 * self.f0_Hz:
            largest = LARGEST_NOISE_over_f0 * self.f0_Hz
            raise ValueError(
                f"phase_noise must be <= 0.1·f0 rad²/s (edges keep their order), here {largest:g}, "
                f"got {max(self.phase_noise):g}"
            )
        if self.noise_source is not None and not any(self.phase_noise) and self.flicker is None:
            raise ValueError(f"noise_source must stand beside phase_noise or flicker, got {self.noise_source!r} alone")
        if self.ripple is not None:
            if self.ripple.largest > LARGEST_PUSHED:
                raise ValueError(
                    f"supply must move frequencies by <= {LARGEST_PUSHED:g} at most, got {self.ripple.largest:g}"
                )
            fastest_Hz = max(tone.frequency_Hz for tone in self.ripple.tones)
            if fastest_Hz > self.f0_Hz / 4:
                raise ValueError(
                    f"supply.tones must have frequencies <= f0/4, here {self.f0_Hz / 4:g} Hz, got {fastest_Hz:g} Hz"
                )
        if not 1e-3 <= self.loop_ratio <= 1e9:
            raise ValueError(f"loop_filter·tau must be within 1e-3 … 1e9, got {self.loop_ratio:g}")
        if self.window_s > 1000 * self.tau_s:
            raise ValueError(f"window must be <= 1000 tau, got {self.window_s / self.tau_s:g} tau")
        if self.f0_Hz * max(1.0, self.threshold_vco_ratio) * self.window_s > LARGEST_WINDOW_cycles:
            cycles = self.f0_Hz * self.window_s
            raise ValueError(f"f0·window must be <= {LARGEST_WINDOW_cycles:g} cycles, got {cycles:g}")
        if self.readout_window is not None:
            if not self.threshold.is_fixed:
                raise ValueError(f"threshold must be a lead under a readout_window, got {self.threshold.kind}")
            if self.readout_window.closes_s > self.window_s:
                raise ValueError(
                    f"readout_window must close within window = {self.window_s:g} s, "
                    f"got armed + length = {self.readout_window.closes_s:g} s"
                )
        if self.spike_width_s >= self.window_s:
            raise ValueError(f"spike_width must be < window, got {self.spike_width_s:g} s")
        return self

    @property
    def cycles_per_tau(self) -> float:
        """f0·τ."""
        return self.f0_Hz * self.tau_s

    @property
    def loop_ratio(self) -> float:
        """R = w_lf/K = w_lf·τ; above 4 the loop of eq. (2) is overdamped."""
        return self.loop_filter_rad_per_s * self.tau_s

    @property
    def membrane_gain_rad(self) -> float:
        """Phase that VCO4 gains on VCO3 in the end per unit weight: 2·swing·phase_per_weight·τ."""
        return 2.0 * self.vco4_swing_Hz * self.phase_per_weight_rad * self.tau_s

    def headroom(self, current: Floats) -> Floats:
        """Return the share of the XOR's linear range that synaptic currents take, units of the threshold, any shape."""
        return current * self.phase_per_weight_rad / XOR_RANGE_rad

    @property
    def threshold_weight(self) -> float:
        """The fixed threshold in units of weight, v_j(t_j)/τ of eq. (3); 1 under a ramp, which has no fixed one."""
        return self.threshold.lead_rad / self.membrane_gain_rad if self.threshold.is_fixed else 1.0

    @property
    def fixed_lead_rad(self) -> float:
        """Lead of VCO3 over VCO4 that the membrane must make up. Raise SpecError under a ramp, which has none."""
        if not self.threshold.is_fixed:
            raise SpecError(f"threshold must be a lead: eq. (4) has no ramp, got {self.threshold.kind}")
        return self.threshold.lead_rad

    @property
    def is_noisy(self) -> bool:
        """Whether two events of one neuron differ by noise of its oscillators or by ripple of the supply."""
        return any(self.phase_noise) or self.flicker is not None or self.ripple is not None

    @property
    def ripple(self) -> Supply | None:
        """The supply where it has tones, None where it has not."""
        return self.supply if self.supply is not None and self.supply.tones else None

    def replace(self, **values: Any) -> "NeuronSpec":
        """Return a validated copy with some fields changed; a noise that is given without its source is assumed."""
        if {"phase_noise", "flicker"} & values.keys():
            values = {"noise_source": None} | values
        return super().replace(**values)

    def without_noise(self) -> "NeuronSpec":
        """Return the spec of silent oscillators on a supply without ripple, as a transient of transistors has them."""
        supply = None if self.supply is None else self.supply.replace(tones=())
        return self.replace(phase_noise=(0.0, 0.0, 0.0, 0.0), flicker=None, locked_under_noise=False, supply=supply)

    @property
    def observed_s(self) -> float:
        """Observation window from arming; it ends where a readout window closes."""
        return self.window_s if self.readout_window is None else self.readout_window.closes_s

    @property
    def window_over_tau(self) -> float:
        """The same, units of tau."""
        return self.observed_s / self.tau_s

    @property
    def armed_over_tau(self) -> float:
        """Instant from which the comparator decides, units of tau; 0 without a readout window."""
        return 0.0 if self.readout_window is None else self.readout_window.armed_s / self.tau_s

    @property
    def ramp_slope(self) -> float | None:
        """Rise of the membrane after the arming, thresholds per tau, where a readout window has one."""
        return None if self.readout_window is None else self.readout_window.slope

    def at(self, supply_ratio: float = 1.0, temperature_K: float = 300.15) -> "NeuronSpec":
        """Return the spec at another supply (relative to nominal) and temperature, by the stated sensitivities."""
        changed: dict[str, float] = {}
        for item in self.sensitivities:
            factor = 1.0 + item.per_supply * (supply_ratio - 1.0) + item.per_kelvin * (temperature_K - 300.15)
            changed[item.field] = changed.get(item.field, getattr(self, item.field)) * factor
        return self.replace(**changed) if changed else self


def _alternative(values: dict[str, Any], name: str, instead_of: tuple[str, ...], unit: str) -> float:
    """Take `name` out of `values` as a number > 0; its other spellings must be absent."""
    if any(other in values for other in instead_of):
        raise ValueError(f"{name} must not stand beside {instead_of[0]}: give one of the two")
    return _positive(values.pop(name), name, unit)


def _positive(quantity: object, name: str, unit: str) -> float:
    try:
        number = parse_quantity(quantity, unit, name) if isinstance(quantity, str) else float(quantity)  # type: ignore[arg-type]
    except (UnitError, TypeError) as error:
        raise ValueError(str(error)) from None
    if not 0 < number < inf:
        raise ValueError(f"{name} must be > 0, got {quantity!r}")
    return number
