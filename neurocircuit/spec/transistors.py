"""The transistors behind a NeuronSpec: process, condition, components and bias currents, and what trim measured."""

from typing import Annotated

from pydantic import Field

from neurocircuit.spec.fields import Amperes, Celsius, Farads, Hertz, Ohms, Radians, Ratio, Seconds, Spec, Volts

SYNAPSES = 6  # of a neuron for which nobody says another number
Current = Annotated[Amperes, Field(gt=0, lt=1e-2)]


class Components(Spec):
    """The passive parts of the neuron (netlists/cells/loop_filter.cir and up_switch.cir)."""

    r1_Ohm: Annotated[Ohms, Field(alias="r1", gt=0, description="loop filter: w_lf is near 1/(R1 C)")]
    c_F: Annotated[Farads, Field(alias="c", gt=0, description="loop filter")]
    r2_Ohm: Annotated[Ohms, Field(alias="r2", gt=0, description="gain of VCO2: sets tau")]
    r4_Ohm: Annotated[Ohms, Field(alias="r4", gt=0, description="switched current of VCO4: sets I_H less I_L")]


class Bias(Spec):
    """Bias currents of the four oscillators and of the weight reference, which is 8 unit currents."""

    vco1_A: Annotated[Current, Field(alias="vco1", description="VCO1, which synapses drive")]
    vco2_A: Annotated[Current, Field(alias="vco2", description="VCO2, which the loop locks to VCO1")]
    vco3_A: Annotated[Current, Field(alias="vco3", description="VCO3, the threshold")]
    vco4_A: Annotated[Current, Field(alias="vco4", description="VCO4, the membrane")]
    weight_A: Annotated[Current, Field(alias="weight", description="reference of the weights, 8 unit currents")]


class Condition(Spec):
    """Corner, temperature and supply of one run."""

    corner: Annotated[str, Field(pattern=r"^[a-z0-9_]{1,16}$")]
    supply_V: Annotated[Volts, Field(alias="supply", gt=0, lt=6)]
    temperature_C: Annotated[Celsius, Field(alias="temperature", ge=-60, le=175)] = 27.0


class Circuit(Spec):
    """One transistor neuron, complete: what a deck needs, and what trim and characterisation measured on it."""

    process: Annotated[str, Field(min_length=1, description="name of a process, or path of a process.toml")]
    condition: Condition
    components: Components
    bias: Bias
    weight_bits: Annotated[
        int, Field(ge=1, le=6, strict=True, description="bits of the magnitude, beside the sign")
    ] = 4
    synapses: Annotated[
        int, Field(ge=2, le=5000, strict=True, description="on VCO1 at least, idle where there are fewer inputs")
    ] = SYNAPSES
    spike_width_s: Annotated[Seconds, Field(alias="spike_width", gt=0, le=1e-7)] = 1e-9
    chip_seed: Annotated[
        int | None, Field(ge=0, strict=True, description="seed of the mismatch of this chip; none: nominal devices")
    ] = None
    f1_Hz: Annotated[Hertz, Field(alias="f1", gt=0, description="VCO1 and VCO2 in lock, no input")]
    f3_Hz: Annotated[Hertz, Field(alias="f3", gt=0, description="VCO3")]
    arming_s: Annotated[
        Seconds, Field(alias="arming", gt=0, le=1e-6, description="from power-up; the loop has locked by then")
    ] = 60e-9
    lead_rad: Annotated[Radians, Field(alias="lead", gt=0, lt=6.3)] = 1.5
    detector_delay_s: Annotated[
        Seconds,
        Field(
            alias="detector_delay",
            ge=0,
            lt=1e-8,
            description="from an edge of VCO1 to VCO4: XOR, switch, ring; known modulo half a period of VCO1",
        ),
    ] = 0.0
    data_pull_s: Annotated[
        Seconds,
        Field(
            alias="data_pull",
            gt=-1e-10,
            lt=1e-10,
            description="by how much VCO4's edges come later when they meet the flip-flop's clock than when they are "
            "far from it: part of the spec's lead that the edges themselves hide",
        ),
    ] = 0.0
    sink_advance_s: Annotated[
        Seconds,
        Field(
            alias="sink_advance",
            gt=-1e-8,
            lt=1e-8,
            description="by how much an inhibitory spike acts earlier than an excitatory one, which has a longer tail",
        ),
    ] = 0.0
    overlap: Annotated[
        Ratio,
        Field(
            gt=-2,
            lt=2,
            description="VCO1's f(I) is compressive: spikes of jumps a and b that coincide move it by "
            "a + b - overlap·a·b (per rad), in proportion where they overlap in part",
        ),
    ] = 0.0
    overlap_sinks: Annotated[
        Ratio | None,
        Field(gt=-2, lt=2, description="the same of two sinks, which share a sagging bias line; absent: overlap"),
    ] = None
    overlap_both: Annotated[
        Ratio | None, Field(gt=-2, lt=2, description="the same of a source and a sink; absent: overlap")
    ] = None
    overlap_width_s: Annotated[
        tuple[()] | tuple[Seconds, Seconds, Seconds, Seconds],
        Field(
            alias="overlap_width",
            description="lag from which two spikes are strangers: two sources, two sinks, a sink after a source, a "
            "source after a sink; empty: the spike width",
        ),
    ] = ()
    largest_fan_in: Annotated[
        int | None,
        Field(
            ge=1,
            strict=True,
            description="synapses with which frequency and jumps are still those of the spec (process/fan_in.py); "
            "absent: not measured",
        ),
    ] = None
    standing_V: Annotated[
        tuple[()] | tuple[Volts, Volts, Volts, Volts],
        Field(
            alias="standing",
            description="wbn, wbp and the nodes behind the switches of an idle source and sink after long idle, where "
            "decks start; empty: the process's bias lines",
        ),
    ] = ()

    @property
    def largest_code(self) -> int:
        """Full scale of one sign: 2^bits - 1."""
        return int(2**self.weight_bits - 1)
