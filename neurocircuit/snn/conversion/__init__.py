"""From any ReLU network in torch to windowed neurons that do the same: trace, fold, choose X, set windows."""

import copy
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from neurocircuit.core.pool import Progress, silent
from neurocircuit.core.provenance import RunClock
from neurocircuit.errors import InputError
from neurocircuit.results.conversion import Conversion, LayerConversion
from neurocircuit.snn import imagenet
from neurocircuit.snn.checkpoint import traced_in
from neurocircuit.snn.conversion.build import Builder
from neurocircuit.snn.conversion.measure import compare, measure
from neurocircuit.snn.conversion.reader import read
from neurocircuit.snn.conversion.values import Normalisation
from neurocircuit.snn.data import sets
from neurocircuit.snn.data.augment import for_evaluation
from neurocircuit.snn.data.sets import Dataset
from neurocircuit.snn.data.spec import DataSpec
from neurocircuit.snn.encode import Encoding
from neurocircuit.snn.imagenet import ImageNetNetwork
from neurocircuit.snn.model import Model, load
from neurocircuit.snn.models import NetworkSpec
from neurocircuit.snn.onnx_file import read_onnx
from neurocircuit.snn.recipe import Subject
from neurocircuit.snn.relu import ReluNetwork
from neurocircuit.snn.windowed import WindowedNetwork, windowed_in
from neurocircuit.spec.windowed import Form

_IMAGES = 500  # that choose X by default
RELAY_AFTER_over_tau = 1.5  # from here on direct spikes cost more than relays do, embedded circuit at level edge

__all__ = ["Conversion", "LayerConversion", "convert", "convert_file"]


def convert_file(
    checkpoint: Path | str,
    *,
    architecture: str | None = None,
    data_set: str | None = None,
    images: int | None = None,
    split: str = "train",
    test: int | None = None,
    data: Path | str | None = None,
    out: Path | str | None = None,
    **options: Any,
) -> WindowedNetwork:
    """Return the ReLU network of a file as windowed neurons.

    Args:
        checkpoint: of a recipe such as mnist_windowed; with `architecture` a state dict in torchvision's layout; an
            ONNX file (.onnx).
        architecture: vgg16, vgg16_bn or googlenet, for a folder of ImageNet's pictures.
        data_set: that an ONNX file is for, such as digits or image_folder.
        images: how many of `split` choose X. Default: 500, or all where there are fewer.
        split: of the network's data set.
        test: on how many test images both networks' accuracy is compared; default: none.
        data: folder of the data sets.
        out: file that the network is to be saved in: the summary says how to fine-tune it from there.
        **options: of `convert`.

    Raise InputError or FileFormatError for a file that does not fit.
    """
    if (Path(checkpoint).suffix == ".onnx") != (data_set is not None):
        raise InputError(f"data_set must be given for an .onnx file, and for that alone, got {checkpoint}")
    if data_set is not None:
        spec = DataSpec.from_dict({"name": data_set})
        choosing = sets.load(spec, split, data)
        test_images = None if test is None else sets.load(choosing.data, "test", data).first(test)
        source: Model | ImageNetNetwork | Path | str = checkpoint
    else:
        source = load(checkpoint) if architecture is None else imagenet.load(architecture, checkpoint)
        choosing = source.images(split, data)
        test_images = None if test is None else source.images("test", data).first(test)
    network = convert(source, choosing.first(images or min(_IMAGES, len(choosing))), test=test_images, **options)
    if network.conversion is not None and split == "train":
        paths = {name: path and str(path) for name, path in (("data", data), ("checkpoint", out))}
        network.conversion = network.conversion.model_copy(update={"training_images": len(choosing), **paths})
    return network


def convert(
    module: nn.Module | Model | ImageNetNetwork | Path | str,
    images: Tensor | Dataset,
    *,
    window: float = 0.5,
    form: Form = "ramp",
    slope: float | None = None,
    quantile: float | None = 1.0,
    headroom: float = 1.0,
    largest_fan_in: int | None = None,
    relay_after: float = RELAY_AFTER_over_tau,
    mean: tuple[float, ...] | None = None,
    std: tuple[float, ...] | None = None,
    test: Dataset | None = None,
    progress: Progress = silent,
) -> WindowedNetwork:
    """Return a ReLU network as windowed neurons; `conversion` of it says how they came about, layer by layer.

    Of a windowed network: it at another window, weights and X as they are; it has no `conversion`.

    The converted network takes pixels 0 … 1. Form `ramp` is the one for the circuit: it bends activations by φ and
    wants fine-tuning (`train("windowed_finetune", initial=...)`). Form `forced` gives the outputs of the original
    where no activation exceeds its layer's X.

    Args:
        module: convolutions, linear layers, batch norms, ReLU (ReLU6, Hardtanh from 0), max, average and adaptive
            average pooling, flatten, dropout, concatenation of channels, addition; weights are copied. A `Model` of
            a ReLU network is one, and what `imagenet.load` gives. Or an ONNX file of such layers.
        images: pixels [N, channel, row, column] in 0 … 1, or a data set; they choose X: training images serve.
        window: T of every layer and of the pixels, units of tau.
        form: ramp: currents end at the arming; forced: silent neurons spike at their window's end.
        slope: σ of every neuron, by two bias spikes; None: by one where it can be (ramp: 1/T).
        quantile: X is this quantile of a layer's activations; None: the bound that no image can exceed.
        headroom: X is this times as much.
        largest_fan_in: synapses that a neuron carries, two of bias included; wider layers become partial sums and their
            sum, one window later. None: any number.
        relay_after: where a layer would read spikes of windows that ended longer than this before its arming, units of
            tau, relay neurons spike again in between, one for each neuron and window. inf: nowhere.
        mean: of pixels, by channel: the module gets (pixels - mean)/std.
        std: of pixels, by channel.
        test: images on which the accuracy of both networks is compared.
        progress: hears how many of them both networks have decided.

    Raise InputError naming an operation that has no windowed form, with its place in the graph.

    >>> net = convert(nn.Sequential(nn.Flatten(), nn.Linear(4, 2)), torch.rand(8, 1, 2, 2), form="forced")
    >>> net.conversion.same_decisions
    8
    """
    if not window > 0:
        raise InputError(f"window must be > 0, got {window!r}")
    if slope is not None and not slope > 0:
        raise InputError(f"slope must be > 0, got {slope!r}")
    if quantile is not None and not 0 < quantile <= 1:
        raise InputError(f"quantile must be within 0 … 1, got {quantile!r}")
    if not relay_after >= 0:
        raise InputError(f"relay_after must be >= 0, got {relay_after!r}")
    clock = RunClock()
    if isinstance(module, Path | str):
        size = images.data.shape if isinstance(images, Dataset) else tuple(images.shape[1:])
        if len(size) != 3:
            raise InputError(f"images must be [N, channel, row, column], got {['N', *size]}".replace("'", ""))
        module = read_onnx(module, (size[0], size[1], size[2]))
    subject = _subject(module, images, window)
    if isinstance(module, ImageNetNetwork):
        mean, std, module = module.mean, module.std, module.module
    if isinstance(module, Model):
        module = module.network
    if isinstance(module, ReluNetwork):
        module = traced_in(module) or module.inner
    if isinstance(images, Dataset):
        assert subject is not None  # noqa: S101
        images = torch.from_numpy(for_evaluation(images.pixels, subject.augmentation))
    if images.dim() != 4 or len(images) == 0:
        raise InputError(f"images must be [N, channel, row, column], got shape {tuple(images.shape)}")
    if not (float(images.min()) >= 0 and float(images.max()) <= 1):
        raise InputError(f"images must be within 0 … 1, got {float(images.min()):g} … {float(images.max()):g}")
    if (windowed := windowed_in(module)) is not None:
        if (form, slope, quantile, headroom, largest_fan_in) != (windowed.graph.form, None, 1.0, 1.0, None):
            raise InputError("the network is windowed already: nothing but its window can be changed")
        return windowed.at_window(window, images.to(next(windowed.parameters()).dtype))
    progress(0, 1, f"choosing the range X of each layer on {len(images)} images")
    original = copy.deepcopy(module).double().eval()
    pixels = images.detach().double()
    normal = Normalisation.of(images.shape[1], mean, std)
    with torch.no_grad():
        steps = read(original, normal, pixels)
        graph, weights = Builder(
            pixels, form, window, slope, quantile, headroom, normal, largest_fan_in, relay_after
        ).build(steps)
        network = WindowedNetwork(graph, {name: value.clone() for name, value in weights.items()})
        conversion = measure(network, original, normal, pixels, quantile)
    network = network.to(next((p.dtype for p in module.parameters()), torch.float32))
    accuracy = None if test is None else compare(network, original.float(), normal, test, subject, progress)
    network.subject = subject
    network.conversion = conversion.model_copy(update={"accuracy": accuracy, "run": clock.record()})
    return network


def _subject(module: nn.Module | Model | ImageNetNetwork, images: Tensor | Dataset, window: float) -> Subject | None:
    """Return what the converted network is for, after the model or else the data set; None where neither names one."""
    network, encoding = NetworkSpec(name="windowed"), Encoding(kind="linear", alpha=window)
    if isinstance(module, Model):
        known = module.subject
        return Subject(
            name=known.name, data=known.data, augmentation=known.augmentation, encoding=encoding, network=network
        )
    if isinstance(images, Dataset):
        name = module.architecture.replace("_", "-") if isinstance(module, ImageNetNetwork) else "converted"
        return Subject(name=name, data=images.data, encoding=encoding, network=network)
    return None
