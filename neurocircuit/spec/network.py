"""MappedNetwork: a trained network laid onto the circuit. One file that mapping writes and every level reads."""

from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, model_validator

from neurocircuit.core.arrays import Floats
from neurocircuit.errors import InputError
from neurocircuit.spec.bank import FullScale, WeightBank
from neurocircuit.spec.fields import Hertz, Radians, Ratio, Seconds, Spec
from neurocircuit.spec.neuron import Lead, NeuronSpec, ReadoutWindow
from neurocircuit.spec.variation import Variation

LIMIT_USE = 0.9  # share of a limit that mapping uses by default


class LayerMapping(Spec):
    """What differs from layer to layer; the rest of the neuron is the network's."""

    name: Annotated[str, Field(pattern=r"^[A-Za-z0-9_][A-Za-z0-9_.-]{0,63}$", description="name in the checkpoint")]
    phase_per_weight_rad: Annotated[
        Radians, Field(alias="phase_per_weight", gt=0, le=100.0, description="a: phase jump of VCO1 per unit weight")
    ]
    lead_rad: Annotated[Radians, Field(alias="lead", gt=0, le=1e3, description="θ: lead of VCO3 over VCO4")]
    ripple_guard_rad: Annotated[
        Radians, Field(alias="ripple_guard", ge=0, description="added to the lead against the ripple of the XOR")
    ] = 0.0
    vco4_swing_Hz: Annotated[
        Hertz,
        Field(
            alias="vco4_swing", gt=0, description="lead/(2·phase_per_weight·τ) puts the threshold at 1, τ the layer's"
        ),
    ]
    tau_over_base: Annotated[
        Ratio, Field(gt=0, le=1e3, description="time constant of the layer's neurons over that of `neuron`")
    ] = 1.0
    weight_bank: Annotated[WeightBank, Field(description="bits, range and code per sign; weights are rounded to it")]
    full_scale: Annotated[
        FullScale,
        Field(
            description="layer: weight_bank's for all weights; neuron: one for each neuron's, as they need it, by "
            "currents of its own; weight_bank's is then the largest"
        ),
    ] = "layer"
    bias_bank: Annotated[
        WeightBank | None,
        Field(description="of a windowed layer's bias synapses, two for each neuron; absent: they are in weight_bank"),
    ] = None
    bias_delay_s: Annotated[
        Seconds,
        Field(alias="bias_delay", ge=0, description="from arming to the bias spike: makes up for the layers' latency"),
    ] = 0.0
    readout_window: Annotated[
        ReadoutWindow | None,
        Field(description="of a windowed layer; its times count from where the first window of its inputs opens"),
    ] = None

    def base(self, neuron: NeuronSpec) -> NeuronSpec:
        """Return a neuron with the layer's time constant."""
        return neuron if self.tau_over_base == 1.0 else neuron.replace(tau_s=neuron.tau_s * self.tau_over_base)

    def in_force(self, weights: Floats) -> Floats:
        """Return weights [neuron, input] as the layer's bank makes them."""
        bank = self.weight_bank
        return bank.quantise_rows(weights) if self.full_scale == "neuron" else bank.quantise(weights)


class MappedNetwork(Spec):
    """A checkpoint on the circuit. Times count from arming, which all neurons share; layers cascade."""

    name: Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]{0,63}$", description="a label")]
    checkpoint: Annotated[str, Field(min_length=1, description="file of the weights, from this file's directory")]
    checkpoint_sha256: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$", description="hash of that file")]
    synapses: Annotated[
        Literal["unrolled", "shared"],
        Field(description="unrolled: every position of a convolution has synapses of its own; shared: one set for all"),
    ] = "unrolled"
    neuron: Annotated[NeuronSpec, Field(description="the circuit; its window decides what is silent, in every layer")]
    variation: Annotated[Variation, Field(description="how far chips, neurons and synapses differ")] = Variation()
    layers: Annotated[tuple[LayerMapping, ...], Field(min_length=1, description="layers of neurons, first to last")]
    use: Annotated[
        Ratio, Field(gt=0, le=1, description="share of each limit that mapping used; margins of training keep to it")
    ] = LIMIT_USE

    @model_validator(mode="after")
    def _lead_only(self) -> "MappedNetwork":
        if not self.neuron.threshold.is_fixed:
            raise ValueError(f"neuron.threshold must be a lead: eq. (4) has no ramp, got {self.neuron.threshold.kind}")
        for k in range(len(self.layers)):
            self.neuron_of(k)  # its own limits: I_L >= 0, lead against the comparator
        return self

    def neuron_of(self, layer: int) -> NeuronSpec:
        """Return the neuron that all neurons of one layer are."""
        layer_mapping = self.layers[layer]
        window = layer_mapping.readout_window
        return layer_mapping.base(self.neuron).replace(
            phase_per_weight_rad=layer_mapping.phase_per_weight_rad,
            threshold=Lead(lead_rad=layer_mapping.lead_rad),
            ripple_guard_rad=layer_mapping.ripple_guard_rad,
            vco4_swing_Hz=layer_mapping.vco4_swing_Hz,
            weight_bank=layer_mapping.weight_bank,
            readout_window=window,
            window_s=self.neuron.window_s if window is None else max(self.neuron.window_s, window.closes_s),
        )

    @property
    def is_windowed(self) -> bool:
        """Whether its layers spike in windows, one after another."""
        return self.layers[0].readout_window is not None

    def check_free(self, what: str) -> None:
        """Raise InputError where the layers spike in windows, which `what` does not know."""
        if self.is_windowed:
            raise InputError(f"{what} has no windowed networks yet, and {self.name} is one")

    def bias_delay_over_tau(self, layer: int) -> float:
        """Return when the bias spike of a layer comes, units of the layer's τ from arming."""
        return self.layers[layer].bias_delay_s / (self.neuron.tau_s * self.layers[layer].tau_over_base)

    def checkpoint_path(self, beside: Path) -> Path:
        """Return where the weights are, for a network read from the file `beside`."""
        return beside.parent / self.checkpoint
