"""A semiconductor process as the neuron needs it: models by corner, device names, sizes, nominal values, mismatch."""

from typing import Annotated, Any, Literal

from pydantic import ConfigDict, Field, model_validator

from neurocircuit.spec.fields import Farads, Hertz, Metres, Ratio, Seconds, Spec, VoltMetres, Volts
from neurocircuit.spec.transistors import SYNAPSES, Bias, Components, Current

Length = Annotated[Metres, Field(gt=0, lt=1e-3)]
Name = Annotated[str, Field(pattern=r"^[A-Za-z0-9_.+-]{1,64}$")]
Pin = Annotated[str, Field(pattern=r"^[^\s=]{1,64}$")]
Text = Annotated[str, Field(min_length=1, max_length=300, pattern=r"^[^\n]*$")]


class ModelFile(Spec):
    """A file of models; with a section it is read by .lib, without one by .include."""

    file: Annotated[str, Field(pattern=r"^[A-Za-z0-9_./+-]+$", description="path below the process's location")]
    section: Annotated[str, Field(pattern=r"^[A-Za-z0-9_]*$")] = ""


class CellFile(Spec):
    """A subcircuit of the user's own, an extracted netlist perhaps, that takes the place of a built-in cell.

    pins: by port of the built-in cell (netlists/cells), and `ground` for node 0, the pin or pins of the subcircuit; a
    pin that has a port's name needs no entry.
    """

    file: Annotated[str, Field(pattern=r"^[A-Za-z0-9_./+-]+$", description="path below the process file's folder")]
    subckt: Annotated[str, Field(pattern=r"^[^\s=]{1,200}$")]
    pins: dict[Name, Pin | tuple[Pin, ...]] = Field(default_factory=dict)


class Cells(Spec):
    """Built-in cells that are replaced: the ring oscillator, the XOR phase detector, the flip-flop that decides."""

    ring: CellFile | None = None
    xor: CellFile | None = None
    flip_flop: CellFile | None = None


class Location(Spec):
    """Where the model files are: in an installed Python package, or below an environment variable's folder."""

    package: Annotated[str, Field(pattern=r"^[A-Za-z0-9_.-]*$", description="name of the distribution")] = ""
    environment: Annotated[str, Field(pattern=r"^[A-Z0-9_]*$", description="name of the variable")] = ""
    folder: Annotated[str, Field(pattern=r"^[A-Za-z0-9_./+-]*$", description="below the package or the variable")] = ""

    @model_validator(mode="after")
    def _one_root(self) -> "Location":
        if bool(self.package) == bool(self.environment):
            raise ValueError(f"must name a package or an environment variable, got {self.package or 'neither'!r}")
        return self


class Devices(Spec):
    """The two transistors of the cells.

    A model is called by an M line, a subcircuit by an X line with the ports d g s b and l w ad as pd ps.
    """

    kind: Annotated[
        Literal["model", "subcircuit"], Field(description="model: called by an M line; subcircuit: by an X line")
    ]
    nmos: Annotated[Name, Field(description="as the card calls it")]
    pmos: Annotated[Name, Field(description="as the card calls it")]
    synapse_nmos: Annotated[
        str, Field(pattern=r"^[A-Za-z0-9_.+-]{0,64}$", description="in synapses, such as high Vth; empty: as nmos")
    ] = ""
    synapse_pmos: Annotated[
        str, Field(pattern=r"^[A-Za-z0-9_.+-]{0,64}$", description="in synapses; empty: as pmos")
    ] = ""
    length_unit_m: Annotated[Metres, Field(alias="length_unit", gt=0, description="of w, l on its lines")] = 1.0

    @property
    def names(self) -> tuple[str, ...]:
        """The different devices, as the card calls them."""
        all_four = (self.nmos, self.pmos, self.synapse_nmos, self.synapse_pmos)
        return tuple(dict.fromkeys(name for name in all_four if name))


# Of the devices that set a ring's bias: what they are where a process file leaves them out.
_AS_TAILS = {
    "l_diode": "l_bias",
    "w_diode": "w_tail_n",
    "w_mirror": "w_tail_n",
    "l_load": "l_bias",
    "w_load": "w_tail_p",
}


class Sizes(Spec):
    """Lengths, widths and capacitances of the cells (netlists/cells); the fields are the names in the decks."""

    l_min: Annotated[Length, Field(description="switching devices")]
    l_bias: Annotated[Length, Field(description="current sources of the rings")]
    l_weight: Annotated[Length, Field(description="current sources of the synapses")]
    l_diffusion: Annotated[Length, Field(description="length of drain and source, for their areas")]
    w_logic_n: Annotated[Length, Field(description="NMOS of inverters and gates")]
    w_logic_p: Annotated[Length, Field(description="PMOS of inverters and gates")]
    w_series_n: Annotated[Length, Field(description="two NMOS in series")]
    w_series_p: Annotated[Length, Field(description="two PMOS in series")]
    w_hold: Annotated[Length, Field(description="PMOS that holds a stopped ring")]
    w_xor_n: Annotated[Length, Field(description="NMOS of the XOR")]
    w_xor_p: Annotated[Length, Field(description="PMOS of the XOR")]
    w_tail_n: Annotated[Length, Field(description="current source of a ring stage to ground")]
    w_tail_p: Annotated[Length, Field(description="current source of a ring stage to the supply")]
    ring_fingers: Annotated[
        int, Field(ge=1, le=64, strict=True, description="of each device of a ring stage: power, and 1/white noise")
    ] = 1
    l_diode: Annotated[Length, Field(description="a ring's bias diode and its mirror; absent: l_bias")]
    w_diode: Annotated[Length, Field(description="a ring's bias diode; absent: w_tail_n")]
    w_mirror: Annotated[Length, Field(description="from the diode to the load; absent: w_tail_n")]
    l_load: Annotated[Length, Field(description="diode of the PMOS tails; absent: l_bias")]
    w_load: Annotated[Length, Field(description="diode of the PMOS tails; absent: w_tail_p")]
    w_gate: Annotated[Length, Field(description="transmission gates")]
    w_up: Annotated[Length, Field(description="switch of VCO4's current; its capacitance costs membrane gain")]
    w_switch: Annotated[Length, Field(description="switches of the synapses")]
    w_weight_n: Annotated[Length, Field(description="unit sink of the synapses")]
    w_weight_p: Annotated[Length, Field(description="unit source of the synapses")]
    c_wire: Annotated[Farads, Field(ge=0, lt=1e-9, description="wiring of a ring node")]
    c_line: Annotated[Farads, Field(ge=0, lt=1e-9, description="on the bias lines of the synapses")]
    c_shape: Annotated[Farads, Field(gt=0, lt=1e-9, description="spike shaper: width near c_shape·(supply/2)/current")]
    c_shared: Annotated[Farads, Field(ge=0, lt=1e-9, description="from a shared bias line to the supply, a ring")] = 0.0

    @model_validator(mode="before")
    @classmethod
    def _bias_as_tails(cls, values: Any) -> Any:
        if not isinstance(values, dict):
            return values
        return {name: values[tail] for name, tail in _AS_TAILS.items() if tail in values} | values


class SharedBias(Spec):
    """Constant current of the PMOS sources of two rings, VCO1 and VCO2 or VCO3 and VCO4 (cells/ring_cco_shared.cir).

    What it adds in noise moves both rings alike. Without it each ring's PMOS sources follow the current of its own.
    """

    i_shared: Annotated[Current, Field(description="of the bias generator into each ring's load")]
    v_shared: Annotated[Volts, Field(description="near which the line settles; decks start there")]


class Mismatch(Spec):
    """Pelgrom: σ(ΔVth) = A_vt/√(W L), σ(Δβ/β) = A_beta/√(W L), of one device, W L the area of all its fingers."""

    a_vt_n: Annotated[VoltMetres, Field(ge=0, description="of the threshold of NMOS; 3.5e-9 V*m is 3.5 mV um")]
    a_vt_p: Annotated[VoltMetres, Field(ge=0, description="of PMOS")]
    a_beta_n: Annotated[
        Metres, Field(ge=0, description="of the current factor of NMOS, relative times metre: 1 % µm is 10 nm")
    ]
    a_beta_p: Annotated[Metres, Field(ge=0, description="of PMOS")]
    source: Annotated[Text, Field(description="where these numbers come from")]


class PassiveCorner(Spec):
    """Factors of a corner of the passive parts, 1 where nothing is said."""

    resistors: Annotated[Ratio, Field(gt=0.2, lt=5, description="R1, R2, R4")] = 1.0
    capacitors: Annotated[Ratio, Field(gt=0.2, lt=5, description="C, c_line, c_shape, c_shared")] = 1.0
    wiring: Annotated[Ratio, Field(gt=0.2, lt=5, description="c_wire")] = 1.0


class Passives(Spec):
    """Resistors, capacitors and wiring: where their values come from, their corners and their mismatch.

    A corner of these stands behind one of the devices, "tt_rcmax", and multiplies what `components` and `sizes` say.
    """

    source: Annotated[Text, Field(description="of corners and mismatch of resistors and capacitors")] = "not stated"
    wiring_source: Annotated[Text, Field(description="of c_wire and its corners")] = "not stated"
    sigma_resistor: Annotated[Ratio, Field(ge=0, lt=0.2, description="relative, of one resistor")] = 0.0
    sigma_capacitor: Annotated[Ratio, Field(ge=0, lt=0.2, description="relative, of one capacitor")] = 0.0
    corners: dict[Annotated[str, Field(pattern=r"^[a-z0-9]{1,12}$")], PassiveCorner] = Field(
        default_factory=dict, description="by their names behind that of the devices' corner"
    )


def _with_base(schema: dict[str, Any]) -> None:
    """Add to a JSON Schema what the reader takes out of a file before it is checked."""
    base = {"type": "string", "description": "process whose fields stand where this file has none"}
    schema["properties"] |= {"base": base}


class Process(Spec):
    """All that the neuron's decks take from a process; one TOML file (netlists/README.md: how to add one)."""

    model_config = ConfigDict(json_schema_extra=_with_base)

    name: Annotated[Name, Field(description="by which results know the process")]
    summary: Annotated[Text, Field(description="in a line")]
    source: Annotated[Text, Field(description="where the models come from")]
    licence: Annotated[Text, Field(description="of the models")]
    install: Annotated[str, Field(max_length=200, description="what to type to get the models; empty: here")] = ""
    locations: Annotated[
        tuple[Location, ...], Field(description="tried in this order; empty: the folder of this file")
    ] = ()
    ngbehavior: Annotated[str, Field(pattern=r"^[a-z]*$", description="ngspice's compatibility mode")] = ""
    osdi: Annotated[
        tuple[Annotated[str, Field(pattern=r"^[A-Za-z0-9_+-]{1,64}\.osdi$")], ...],
        Field(description="compiled Verilog-A models of the cards; their folder is the user's, $NEUROCIRCUIT_OSDI"),
    ] = ()
    ignored_parameters: Annotated[
        tuple[Name, ...],
        Field(description="parameters of the cards to leave out, since ngspice does not know them"),
    ] = ()
    supply_V: Annotated[Volts, Field(alias="supply", gt=0, lt=6, description="nominal supply of the whole neuron")]
    f1_Hz: Annotated[Hertz, Field(alias="f1", ge=1e6, description="target of trim for VCO1 and VCO2")]
    threshold_vco_ratio: Annotated[
        Ratio, Field(gt=0.5, le=2, description="f3/f1; 1.25 keeps UP, at 2·f1, from pulling VCO4")
    ] = 1.25
    enable_s: Annotated[
        Seconds,
        Field(alias="enable", gt=0, lt=10e-9, description="VCO1 starts so long after power-up with standing voltages"),
    ] = 0.3e-9
    synapses: Annotated[
        int,
        Field(ge=2, le=5000, strict=True, description="on VCO1 of each neuron: what is trimmed and characterised"),
    ] = SYNAPSES
    delay_stages: Annotated[Literal[2, 4], Field(description="stages of the replica delay: the lead")] = 2
    devices: Annotated[Devices, Field(description="the two transistors of the cells")]
    corners: Annotated[dict[Name, tuple[ModelFile, ...]], Field(min_length=1, description="the first is nominal")]
    parameters: Annotated[
        dict[
            Annotated[str, Field(pattern=r"^[A-Za-z_][A-Za-z0-9_]{0,63}$")],
            Annotated[float, Field(allow_inf_nan=False)],
        ],
        Field(
            description="of the model files, set after them: switches of their statistics, such as a draw of mismatch"
        ),
    ] = Field(default_factory=dict)
    cells: Annotated[Cells, Field(description="of the user's own, in place of those of netlists/cells")] = Cells()
    sizes: Annotated[Sizes, Field(description="lengths, widths and capacitances of the cells in netlists/cells")]
    shared_bias: Annotated[SharedBias | None, Field(description="absent: each ring has the whole of its bias")] = None
    components: Annotated[Components, Field(description="resistors and capacitor of the neuron")]
    nominal: Annotated[Bias, Field(description="bias currents of the nominal corner, where trim starts")]
    bias_lines_V: Annotated[
        tuple[Volts, Volts],
        Field(
            alias="bias_lines", description="near which wbn and wbp of the weight reference settle; decks start there"
        ),
    ]
    mismatch: Annotated[Mismatch, Field(description="of single transistors, for chips (--mc)")]
    passives: Annotated[
        Passives, Field(description="where resistors, capacitors and wiring come from, and how they spread")
    ] = Passives()

    @model_validator(mode="after")
    def _shared_bias_of_built_in_rings(self) -> "Process":
        if self.shared_bias is not None and self.cells.ring is not None:
            raise ValueError(f"shared_bias is of the built-in ring: it must not stand beside {self.cells.ring.file}")
        return self

    @property
    def nominal_corner(self) -> str:
        """Name of the first corner."""
        return next(iter(self.corners))

    def device_corner(self, corner: str) -> str:
        """Return the devices' part of a corner: "tt" of "tt_rcmax"; of an unknown corner all of it."""
        devices, _, passive = corner.rpartition("_")
        return devices if corner not in self.corners and passive in self.passives.corners else corner

    def components_at(self, corner: str) -> Components:
        """Return resistors and capacitor at a corner."""
        factors, parts = self._passive_corner(corner), self.components
        return Components(
            r1_Ohm=parts.r1_Ohm * factors.resistors,
            c_F=parts.c_F * factors.capacitors,
            r2_Ohm=parts.r2_Ohm * factors.resistors,
            r4_Ohm=parts.r4_Ohm * factors.resistors,
        )

    def sizes_at(self, corner: str) -> Sizes:
        """Return the sizes at a corner, which changes their capacitances alone."""
        factors, sizes = self._passive_corner(corner), self.sizes
        return sizes.replace(
            c_wire=sizes.c_wire * factors.wiring,
            c_line=sizes.c_line * factors.capacitors,
            c_shape=sizes.c_shape * factors.capacitors,
            c_shared=sizes.c_shared * factors.capacitors,
        )

    def _passive_corner(self, corner: str) -> PassiveCorner:
        if self.device_corner(corner) == corner:
            return PassiveCorner()
        return self.passives.corners[corner.rpartition("_")[2]]
