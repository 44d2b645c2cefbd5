"""The networks of Table 1 and the small CIFAR-10 network: z [image, channel, row, column] -> z [image, class]."""

from collections.abc import Callable, Iterator
from typing import Annotated, Any, Literal

import torch
from pydantic import Field, model_validator
from torch import Tensor, nn

from neurocircuit.snn import layers
from neurocircuit.snn.parameterise import draw_weights
from neurocircuit.snn.retime import Retime
from neurocircuit.spec.fields import Ratio, Spec
from neurocircuit.spec.layer_graph import LayerGraph

NetworkName = Literal[
    "mnist_scnn",
    "cifar10_scnn_small",
    "spiking_vgg16",
    "spiking_googlenet",
    "relu_compact",
    "relu_vgg16",
    "windowed",
    "own",
    "mlp",
]
Shape = tuple[int, int, int]

POOLINGS = {
    "earliest": layers.EarliestPool2d,
    "latest": layers.LatestPool2d,
    "average": layers.AveragePool2d,
}
_SPIKING = (layers.SpikingConv2d, layers.SpikingLinear)
VGG16_GROUPS = ((64, 2), (128, 2), (256, 3), (512, 3), (1024, 3))  # channels and layers, Table 1
VGG16_NEURONS = (4096, 4096, 512)
PAPER_WEIGHTS = {  # Table 2; Table 1's SpikingVGG16 has 54 million, which also fits the paper's 0.336 mJ
    "mnist_scnn": 0.021e6,
    "spiking_vgg16": 34e6,
    "spiking_googlenet": 6.8e6,
}


class NetworkSpec(Spec):
    """Architecture and parameterisation. The defaults suit deep networks; the paper's: free, absolute, bias."""

    name: Annotated[
        NetworkName,
        Field(
            description="architecture, Table 1; mlp: fully connected; relu_compact, relu_vgg16: to be converted; "
            "windowed: that of `initial`; own: that of `graph`, or what `code` returns"
        ),
    ] = "mnist_scnn"
    bias: Annotated[
        bool, Field(strict=True, description="one more input that spikes at z = 1 (t = 0) in every layer")
    ] = False
    parameterisation: Annotated[
        Literal["free", "fixed_sum"],
        Field(description="free: w itself; fixed_sum: w = V - mean(V) + S/I with S = 1 + e^s learned per neuron"),
    ] = "fixed_sum"
    initial_sum: Annotated[Ratio, Field(gt=0, le=100, description="S, sum of a neuron's weights at the start")] = 8.0
    initial_spread: Annotated[
        Ratio,
        Field(
            ge=0,
            le=100,
            description="s: weights start with deviation s/sqrt(I); what channels differ in passes a layer with about "
            "s/(S - 1): near S - 1 gradients neither vanish nor explode with depth",
        ),
    ] = 5.0
    pooling: Annotated[
        Literal["earliest", "latest", "average"],
        Field(description="earliest: the paper; latest: its published code; average: of z"),
    ] = "earliest"
    clock: Annotated[
        Literal["absolute", "rebased", "own_time_constant"],
        Field(
            description="absolute: the paper; rebased: from each layer's first spike; own_time_constant: and its tau"
        ),
    ] = "own_time_constant"
    spread_over_tau: Annotated[
        Ratio, Field(gt=0, le=10, description="spread of spike times that own_time_constant aims at, units of its tau")
    ] = 0.5

    widths: Annotated[
        tuple[int, int, int],
        Field(description="channels of the three groups of relu_compact, a ReLU network that is then converted"),
    ] = (64, 256, 256)
    largest_fan_in: Annotated[
        int | None,
        Field(gt=9, description="synapses of a neuron of relu_compact: its 3x3 layers are grouped for it; absent: any"),
    ] = None

    hidden: Annotated[
        tuple[Annotated[int, Field(ge=1, le=65536, strict=True)], ...] | None,
        Field(description="neurons of each hidden layer of mlp; absent: 64; none: [], one layer of the classes"),
    ] = None
    code: Annotated[
        str | None,
        Field(
            pattern=r"^[A-Za-z_][\w.]*:[A-Za-z_]\w*$",
            description="of an own network: package.module:function that returns a torch module; --allow-code runs it",
        ),
    ] = None
    graph: Annotated[LayerGraph | None, Field(description="layers of an own network, as traced")] = None

    @property
    def is_relu(self) -> bool:
        """Whether it is a ReLU network, from pixels to values, which is converted."""
        return not self.graph.is_spiking if self.graph is not None else self.name in ("relu_compact", "relu_vgg16")

    @model_validator(mode="before")
    @classmethod
    def _from_text(cls, values: Any) -> Any:
        """Take network = "package.module:function" for its table."""
        return {"name": "own", "code": values} if isinstance(values, str) else values

    @model_validator(mode="after")
    def _of_graph(self) -> "NetworkSpec":
        if (self.name == "own") != (self.code is not None or self.graph is not None):
            raise ValueError("name must be own where, and only where, there is code or graph")
        return self

    @model_validator(mode="after")
    def _above_threshold(self) -> "NetworkSpec":
        if self.parameterisation == "fixed_sum" and self.initial_sum <= 1:
            raise ValueError(f"initial_sum must be > 1 (the threshold) for fixed_sum, got {self.initial_sum:g}")
        if self.clock != "absolute" and self.bias:
            raise ValueError("bias must be false unless clock is absolute: a bias spike has an absolute time, got True")
        if self.hidden is not None and self.name != "mlp":
            raise ValueError(f"hidden must be left out for {self.name}")
        return self


class Builder:
    """Makes layers one after another from a NetworkSpec; all weights come from one generator."""

    def __init__(self, spec: NetworkSpec, shape: Shape, generator: torch.Generator) -> None:
        self.spec = spec
        self.channels, self.rows, self.columns = shape
        self._generator = generator

    def conv(self, channels: int, kernel_px: int, stride: int = 1) -> nn.Module:
        """Return the sCNN(kernel, channels, stride) with TensorFlow's "same" padding."""
        layer = layers.SpikingConv2d(
            self.channels, channels, kernel_px, stride=stride, padding="same", bias=self.spec.bias
        )
        self._draw(layer)
        self._shrink(stride)
        self.channels = channels
        return layer

    def linear(self, neurons: int) -> nn.Module:
        """Return the fC(neurons) on the flattened input."""
        layer = layers.SpikingLinear(self.channels * self.rows * self.columns, neurons, bias=self.spec.bias)
        self._draw(layer)
        self.channels, self.rows, self.columns = neurons, 1, 1
        return layer

    def pool(self, kernel_px: int, stride: int) -> nn.Module:
        """Return the pooling of the spec's kind, "same" padding."""
        self._shrink(stride)
        return POOLINGS[self.spec.pooling](kernel_px, stride=stride, padding="same")

    def clock(self) -> list[nn.Module]:
        """Return what stands before each layer but the first."""
        if self.spec.clock == "absolute":
            return []
        return [Retime(self.spec.spread_over_tau if self.spec.clock == "own_time_constant" else None)]

    def _draw(self, layer: nn.Module) -> None:
        spec = self.spec
        draw_weights(layer, spec.parameterisation, spec.initial_sum, spec.initial_spread, self._generator)

    def _shrink(self, stride: int) -> None:
        self.rows, self.columns = -(-self.rows // stride), -(-self.columns // stride)


def build(spec: NetworkSpec, shape: Shape, classes: int, generator: torch.Generator) -> nn.Sequential:
    """Return the network for images [channel, row, column] = shape; weights drawn from `generator`."""
    builder = Builder(spec, shape, generator)
    stages = list(_STAGES[spec.name](builder, classes))
    clocked: list[nn.Module] = []
    for stage in stages:
        behind_neurons = any(spiking_layers(earlier) for earlier in clocked)
        before = builder.clock() if behind_neurons and spiking_layers(stage) else []
        clocked += [*before, stage]
    return nn.Sequential(*clocked)


def spiking_layers(network: nn.Module) -> list[layers.SpikingConv2d | layers.SpikingLinear]:
    """Return the layers of neurons, in the order of the network."""
    return [module for module in network.modules() if isinstance(module, _SPIKING)]


def layer_names(network: nn.Module) -> dict[nn.Module, str]:
    """Return the names of the layers of neurons, in the order of the network: of the attributes that hold them.

    Where one is only numbered (nn.Sequential), all are conv1, conv2 …, fc1, fc2 … instead.

    >>> list(layer_names(nn.Sequential(layers.SpikingConv2d(1, 2, 3), layers.SpikingLinear(8, 2))).values())
    ['conv1', 'fc1']
    """
    names: dict[nn.Module, str] = {
        module: path for path, module in network.named_modules() if isinstance(module, _SPIKING)
    }
    if all(path[:1].isalpha() for path in names.values()):
        return names
    counts = {"conv": 0, "fc": 0}
    for module in names:
        kind = "conv" if isinstance(module, layers.SpikingConv2d) else "fc"
        counts[kind] += 1
        names[module] = f"{kind}{counts[kind]}"
    return names


def count_weights(network: nn.Module) -> int:
    """Return the synapses: weights and bias weights of all layers, however they are parameterised.

    Of a ReLU network too; of a windowed one the weights and biases of its layers.
    """
    kinds = (layers.SpikingConv2d, layers.SpikingLinear, nn.Conv2d, nn.Linear)
    chosen = [module for module in network.modules() if isinstance(module, kinds)]
    if not chosen:
        return sum(parameter.numel() for parameter in network.parameters())
    return sum(layer.weight.numel() + (0 if layer.bias is None else layer.bias.numel()) for layer in chosen)


def _mnist_scnn(make: Builder, classes: int) -> Iterator[nn.Module]:
    """Yield SCNN(5,32,2) -> SCNN(5,16,2) -> FC(10)."""
    yield make.conv(32, 5, 2)
    yield make.conv(16, 5, 2)
    yield nn.Flatten()
    yield make.linear(classes)


def _mlp(make: Builder, classes: int) -> Iterator[nn.Module]:
    """Yield FC(hidden …) -> FC(classes) on the flattened image, or on the features of a table."""
    yield nn.Flatten()
    for neurons in (*((64,) if make.spec.hidden is None else make.spec.hidden), classes):
        yield make.linear(neurons)


def _cifar10_scnn_small(make: Builder, classes: int) -> Iterator[nn.Module]:
    """Yield SCNN(5,64,2) -> SCNN(5,32,2) -> SCNN(5,16,2) -> FC(64) -> FC(10)."""
    for channels in (64, 32, 16):
        yield make.conv(channels, 5, 2)
    yield nn.Flatten()
    yield make.linear(64)
    yield make.linear(classes)


def _spiking_vgg16(make: Builder, classes: int) -> Iterator[nn.Module]:
    """SpikingVGG16 of Table 1: five groups of 3x3 layers, each ended by MP(2), then FC(4096, 4096, 512, 10)."""
    for channels, repeats in VGG16_GROUPS:
        for _ in range(repeats):
            yield make.conv(channels, 3)
        yield make.pool(2, 2)
    yield nn.Flatten()
    for neurons in (*VGG16_NEURONS, classes):
        yield make.linear(neurons)


class Inception(nn.Module):
    """Four branches side by side (Szegedy et al., CVPR 2015, Fig. 2b): 1x1; 1x1, 3x3; 1x1, 5x5; pool, 1x1."""

    def __init__(self, make: Builder, widths: tuple[int, int, int, int, int, int]) -> None:
        """widths: channels of 1x1, 3x3 reduce, 3x3, 5x5 reduce, 5x5, pool projection."""
        super().__init__()
        width1, reduce3, three, reduce5, five, projection = widths
        channels = make.channels
        branches = []
        for steps in (((width1, 1),), ((reduce3, 1), (three, 3)), ((reduce5, 1), (five, 5))):
            make.channels = channels
            branches.append(nn.Sequential(*(make.conv(width, kernel_px) for width, kernel_px in steps)))
        make.channels = channels
        branches.append(nn.Sequential(make.pool(3, 1), make.conv(projection, 1)))
        make.channels = width1 + three + five + projection
        self.branches = nn.ModuleList(branches)

    def forward(self, z: Tensor) -> Tensor:
        """Return the spikes [image, channels of all branches, row, column]; the branches share one clock."""
        return torch.cat([branch(z) for branch in self.branches], dim=1)


_INCEPTIONS = (  # Szegedy et al., Table 1; None: pooling between the groups
    (64, 96, 128, 16, 32, 32),
    (128, 128, 192, 32, 96, 64),
    None,
    (192, 96, 208, 16, 48, 64),
    (160, 112, 224, 24, 64, 64),
    (128, 128, 256, 24, 64, 64),
    (112, 144, 288, 32, 64, 64),
    (256, 160, 320, 32, 128, 128),
    None,
    (256, 160, 320, 32, 128, 128),
    (384, 192, 384, 48, 128, 128),
)


def _spiking_googlenet(make: Builder, classes: int) -> Iterator[nn.Module]:
    """Yield the googLeNet with SCNN and spiking FC layers.

    Its last average pooling becomes pooling of the spec's kind.
    """
    yield make.conv(64, 7, 2)
    yield make.pool(3, 2)
    yield make.conv(64, 1)
    yield make.conv(192, 3)
    yield make.pool(3, 2)
    for widths in _INCEPTIONS:
        yield make.pool(3, 2) if widths is None else Inception(make, widths)
    yield make.pool(make.rows, make.rows)
    yield nn.Flatten()
    yield make.linear(classes)


_STAGES: dict[str, Callable[[Builder, int], Iterator[nn.Module]]] = {
    "mnist_scnn": _mnist_scnn,
    "cifar10_scnn_small": _cifar10_scnn_small,
    "spiking_vgg16": _spiking_vgg16,
    "spiking_googlenet": _spiking_googlenet,
    "mlp": _mlp,
}
