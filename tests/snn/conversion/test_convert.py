"""ReLU networks as windowed neurons: dense form and armed causal-set rule against the network itself."""

import math
from functools import partial

import numpy as np
import pytest
import torch
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from torch import nn
from torch.nn import functional as dense

import neurocircuit as nc
from neurocircuit.errors import FileFormatError, InputError
from neurocircuit.neuron import windows
from neurocircuit.snn.imagenet import GoogLeNet, Vgg16
from neurocircuit.snn.windowed import Synapses, WindowedNetwork
from tests.network.test_windowed import physical
from tests.snn.conversion.networks import Branches, LongBranches, RandomGraph, settle

convert = partial(nc.snn.convert, form="forced")  # the exact form


def images(count, channels, size, seed=0):
    return torch.rand(count, channels, size, size, generator=torch.Generator().manual_seed(seed))


def branches(pixels, dtype=torch.float64):
    torch.manual_seed(0)
    return settle(Branches(), pixels, torch.Generator().manual_seed(0)).to(dtype)


def read_out(network, z):
    """y of the output spikes z [image, class], and which of them are within their window, after its arming."""
    last = network.graph.layers[-1]
    if network.graph.form == "forced":
        y = windows.activation(z.double(), last.largest, last.window_over_tau) + last.offset
    else:
        y = last.largest * (1 - torch.log(z.double()) / last.window_over_tau) + last.offset
    return y, torch.isfinite(z) & (z > 1)


def agree(network, pixels, relative, *, is_armed=True):
    """Spikes give the y of the dense form and decide alike; nothing spikes before the arming."""
    with torch.no_grad():
        y, z = network(pixels).double(), network.spikes(pixels, is_armed=is_armed)[network.graph.nodes[-1].name]
    back, spiked = read_out(network, z)
    assert (z >= 1).all()
    assert spiked.any(1).all()  # the winner spikes
    assert float((back - y)[spiked].abs().max()) <= relative * float(y.abs().max())
    assert torch.equal(network.first_spike(z), y.argmax(1))


def check_exact(module, pixels, relative=1e-9, **options):
    """Converted from images that clip nothing: the outputs of the module, by both forms, in float64."""
    network = convert(module, pixels, headroom=1.001, **options)
    with torch.no_grad():
        expected, got = module(pixels.double()), network(pixels.double())
    torch.testing.assert_close(got, expected, rtol=relative, atol=relative * float(expected.abs().max()))
    agree(network, pixels.double(), relative)
    assert network.conversion.same_decisions == len(pixels)
    assert all(row.clipped == 0 for row in network.conversion.layers)
    return network


@settings(max_examples=25, deadline=None, derandomize=True)
@given(
    seed=st.integers(0, 2**31),
    window=st.sampled_from([0.1, 0.5, 2.0]),
    slope=st.sampled_from([None, 1.0, 8.0]),
)
def test_random_graphs_convert_exactly(seed, window, slope):
    pixels = images(6, 2, 8, seed)
    torch.manual_seed(seed)
    module = settle(RandomGraph(np.random.default_rng(seed)), pixels, torch.Generator().manual_seed(seed))
    network = check_exact(module, pixels, window=window, slope=slope)
    if slope is not None:
        slopes = {row.slope for row in network.conversion.layers}
        assert all(value == pytest.approx((slope,) * 3) for value in slopes)


@settings(max_examples=8, deadline=None, derandomize=True)
@given(seed=st.integers(0, 2**31), window=st.sampled_from([0.25, 1.0]), relay_after=st.sampled_from([1.0, math.inf]))
def test_sums_and_concatenations_over_many_windows_convert_exactly(seed, window, relay_after):
    pixels = images(6, 2, 8, seed)
    torch.manual_seed(seed)
    module = settle(LongBranches(np.random.default_rng(seed)), pixels, torch.Generator().manual_seed(seed))
    check_exact(
        module, pixels, window=window, relay_after=relay_after, relative=1e-8
    )  # weights of the oldest spikes are e^5 times as large


@settings(max_examples=10, deadline=None, derandomize=True)
@given(seed=st.integers(0, 2**31))
def test_ramp_is_the_network_whose_activations_are_bent(seed):
    """In float64 its spikes, of eq. (W6), give the dense form with φ, at the silence that it allows."""
    pixels = images(6, 2, 8, seed)
    torch.manual_seed(seed)
    module = settle(RandomGraph(np.random.default_rng(seed)), pixels, torch.Generator().manual_seed(seed))
    network = convert(module, pixels, form="ramp", window=0.5)
    with torch.no_grad():
        values, z = network.activations(pixels.double()), network.spikes(pixels.double())
    for node in network.graph.layers:
        code = network.codes[node.name]
        if node.is_readout:
            back, spiked = read_out(network, z[node.name])
            torch.testing.assert_close(back[spiked], values[node.name][spiked], rtol=1e-9, atol=1e-9)
        else:  # (W2) holds for what the next layer reads
            expected = windows.spike_z(values[node.name], node.largest, float(code.window_over_tau[0]))
            torch.testing.assert_close(z[node.name], expected, rtol=1e-9, atol=1e-9)


def test_narrow_ramps_are_the_network_itself():
    """φ(u) -> u as T -> 0, with an error in proportion to T: two windows give the same slope."""
    pixels = images(8, 3, 16)
    module = branches(pixels)
    errors = [
        convert(module, pixels, form="ramp", window=window, headroom=2.0).conversion.largest_error
        for window in (0.002, 0.001)
    ]
    assert errors[0] / errors[1] == pytest.approx(2.0, rel=0.05)


@pytest.mark.parametrize("slope", [None, 8.0])
def test_float32_keeps_five_digits_and_the_decisions(slope):
    pixels = images(32, 3, 16)
    module = branches(pixels, torch.float32)
    network = convert(module, pixels, headroom=1.001, slope=slope)
    assert next(network.parameters()).dtype == torch.float32
    agree(network, pixels, 1e-5)


def test_without_the_arming_the_same_test_fails():
    pixels = images(32, 3, 16)
    module = branches(pixels)
    network = convert(module, pixels, headroom=1.001, slope=8.0)
    agree(network, pixels.double(), 1e-9)
    with pytest.raises(AssertionError):
        agree(network, pixels.double(), 1e-2, is_armed=False)


def deep(depth):
    layers = [nn.Conv2d(2, 8, 3, padding=1), nn.ReLU()]
    for _ in range(depth - 2):
        layers += [nn.Conv2d(8, 8, 3, padding=1), nn.BatchNorm2d(8), nn.ReLU()]
    return nn.Sequential(*layers, nn.Flatten(), nn.Linear(8 * 36, 5))


def test_float32_against_float64_over_twenty_layers():
    pixels = images(16, 2, 6)
    torch.manual_seed(0)
    module = settle(deep(20), pixels, torch.Generator().manual_seed(0))
    network = convert(module, pixels, headroom=1.001).float()
    with torch.no_grad():
        exact, single = network.spikes(pixels.double()), network.spikes(pixels)
    nodes = [node.name for node in network.graph.layers if not node.is_readout]
    errors = [float((single[name].double() - exact[name]).abs().max()) for name in nodes]
    assert all(error < 4e-6 * (k + 1) for k, error in enumerate(errors)), errors  # each layer adds its rounding
    agree(network, pixels, 4e-6 * len(errors))


@pytest.mark.parametrize(
    ("make", "size"),
    [
        (lambda: Vgg16(batch_norm=True, classes=10, over=8), 32),
        (lambda: GoogLeNet(classes=10, over=8), 48),
    ],
    ids=["vgg16_bn", "googlenet"],
)
def test_published_shapes_convert_exactly(make, size):
    """The graphs of torchvision's vgg16_bn and googlenet with random weights and few channels."""
    torch.manual_seed(0)
    module = make()
    pixels = images(4, 3, size)
    mean, std = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
    columns = [torch.tensor(values).view(1, 3, 1, 1) for values in (mean, std)]
    normal = (pixels - columns[0]) / columns[1]
    settle(module, normal, torch.Generator().manual_seed(0))
    network = convert(module, pixels, headroom=1.001, mean=mean, std=std, slope=8.0)
    with torch.no_grad():
        expected, got = module(((pixels - columns[0]) / columns[1]).double()), network(pixels.double())
    torch.testing.assert_close(got, expected, rtol=1e-5, atol=1e-5 * float(expected.abs().max()))
    agree(network, pixels.double(), 1e-9)


def test_clipped_share_predicts_the_error():
    """X at lower and lower quantiles: nothing clipped, no error; else the more is clipped, the larger the error."""
    pixels = images(64, 3, 16)
    module = branches(pixels)
    rows = []
    for quantile in (1.0, 0.9999, 0.999, 0.99, 0.9):
        conversion = convert(module, pixels, quantile=quantile).conversion
        hidden = conversion.layers[:-1]
        total = sum(row.clipped * row.neurons for row in hidden) / sum(row.neurons for row in hidden)
        rows.append((total, conversion.largest_error))
    shares, errors = zip(*rows, strict=True)
    assert shares[0] == 0
    assert errors[0] < 1e-9
    assert list(shares) == sorted(shares)
    assert list(errors) == sorted(errors)
    assert errors[1] > 1e-4
    assert shares[-1] == pytest.approx(0.1, rel=0.3)


def test_clipped_is_what_the_spikes_do_too():
    """Where X is too small the armed layer spikes at its arming: dense form and spikes clip alike."""
    pixels = images(16, 3, 16)
    module = branches(pixels)
    agree(convert(module, pixels, quantile=0.95), pixels.double(), 1e-9)


@settings(max_examples=10, deadline=None, derandomize=True)
@given(seed=st.integers(0, 2**31), quantile=st.sampled_from([0.5, 0.9]))
def test_spikes_clip_as_the_dense_form_does_on_random_graphs(seed, quantile):
    """X too small: both forms agree, and the first layer clips the share that the report states."""
    pixels = images(6, 2, 8, seed)
    torch.manual_seed(seed)
    module = settle(RandomGraph(np.random.default_rng(seed)), pixels, torch.Generator().manual_seed(seed))
    network = convert(module, pixels, quantile=quantile)
    assume(any(row.clipped > 0 for row in network.conversion.layers[:-1]))
    agree(network, pixels.double(), 1e-9)
    with torch.no_grad():
        values = network.activations(pixels.double())
    first, rows = network.graph.layers[0], network.conversion.layers
    y = network.layer(first).affine([values[term.source] for term in first.terms]).detach()
    assert float((y > first.largest * (1 + 1e-6)).double().mean()) == pytest.approx(
        rows[0].clipped, abs=1e-12
    )  # X: a y


def test_bounds_hold_for_every_image():
    pixels = images(4, 3, 16)
    module = branches(pixels)
    network = convert(module, pixels, quantile=None)
    extreme = (images(200, 3, 16, seed=1) > 0.5).double()
    with torch.no_grad():
        values = network.activations(extreme)
    for node in network.graph.layers[:-1]:
        layer = network.layer(node)
        y = layer.affine([values[term.source] for term in node.terms]).detach()
        assert float(y.max()) <= node.largest
    torch.testing.assert_close(network(extreme), module(extreme), rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize(("form", "slope"), [("forced", None), ("forced", 4.0), ("ramp", None)])
def test_dense_and_causal_form_have_the_same_gradients(form, slope):
    """dL/dv and dL/dc through eq. (4) of the armed layers, and through the clipped convolutions."""
    pixels = images(8, 3, 16).double()
    module = branches(pixels)
    network = convert(module, pixels, form=form, quantile=0.999, headroom=0.9999, slope=slope)  # no y is X itself
    last = network.graph.layers[-1]
    z = network.spikes(pixels)[last.name]
    y, spiked = read_out(network, z)
    upstream = torch.randn(y.shape, generator=torch.Generator().manual_seed(0), dtype=y.dtype) * spiked
    parameters = list(network.parameters())
    causal = torch.autograd.grad((torch.where(spiked, y, 0.0) * upstream).sum(), parameters)
    dense = torch.autograd.grad((network(pixels) * upstream).sum(), parameters)
    for (name, _), got, expected in zip(network.named_parameters(), causal, dense, strict=True):
        scale = float(expected.abs().max())
        assert scale > 0, name
        torch.testing.assert_close(got, expected, rtol=1e-7, atol=1e-9 * max(scale, 1), msg=name)


def test_one_neuron_in_time_steps():
    """A forced and a ramp neuron integrated in steps of 2e-5 τ, which know nothing of the equations of windows.py."""
    pixels = images(8, 1, 6).double()
    torch.manual_seed(3)
    module = nn.Sequential(nn.Flatten(), nn.Linear(36, 1), nn.ReLU(), nn.Linear(1, 2)).double()
    with torch.no_grad():
        module[1].bias.fill_(1.0)
    for form in ("forced", "ramp"):
        network = convert(module, pixels, form=form, headroom=1.2)
        node = network.graph.layers[0]
        z = network.spikes(pixels)
        synapses = Synapses(network.layer(node))
        scale = float(synapses.scale(form, node)[0].detach())
        w = scale * synapses.per_slope[0][0].detach().numpy()
        bias = [float(part[0].detach()) for part in (synapses.bias.first, synapses.bias.last, synapses.bias.slope)]
        fired = 0
        for image in range(len(pixels)):
            times = np.log(z["input"][image].flatten().numpy())
            expected = float(z[node.name][image, 0].detach().log()) + node.window_over_tau
            got = _integrate(times, w, bias, np.log(synapses.z_first), form, node.window_over_tau)
            assert got == pytest.approx(expected, abs=1e-4)
            fired += 0 < expected < node.window_over_tau
        assert fired >= 4


def _integrate(times, w, bias, first, form, window, step=2e-5):
    """Time after the arming at which V reaches 1, or the window's end."""
    first_weight, last_weight, slope = bias
    events = sorted([*zip(times, w, strict=True), (first, first_weight)])
    t, current, v, k = first, 0.0, 0.0, 0
    decay = np.exp(-step)
    while t < 0:
        while k < len(events) and events[k][0] <= t + step / 2:
            current += events[k][1]
            k += 1
        v += current * (1 - decay)
        current *= decay
        t += step
    current += sum(weight for _, weight in events[k:]) + last_weight
    while t < window:
        if v >= 1:
            return max(t, 0.0)
        v += slope * step if form == "ramp" else current * (1 - decay)
        current *= decay
        t += step
    return window


REFUSED = [
    (
        nn.Sequential(nn.Conv2d(1, 2, 3), nn.GELU(), nn.Flatten()),
        r"_1 \(1: GELU\) has no windowed form",
    ),
    (nn.Sequential(nn.Conv2d(1, 2, 3), nn.Conv2d(2, 2, 3), nn.Flatten()), "without a ReLU between"),
    (nn.Sequential(nn.Conv2d(1, 2, 3), nn.Hardtanh(), nn.Flatten()), "must clip from 0"),
    (nn.Sequential(nn.Conv2d(1, 2, 3), nn.LayerNorm([2, 6, 6]), nn.Flatten()), "LayerNorm"),
    (nn.Sequential(nn.Conv2d(1, 2, 3, padding=1, padding_mode="reflect"), nn.ReLU(), nn.Flatten()), "reflect"),
    (nn.Sequential(nn.Conv2d(1, 2, 3), nn.ReLU()), "must end with"),
    (nn.Sequential(nn.Linear(8, 2), nn.Softmax(1)), "Softmax"),
]


@pytest.mark.parametrize(("module", "message"), REFUSED)
def test_what_has_no_windowed_form_is_named_with_its_place(module, message):
    with pytest.raises(InputError, match=message) as refused:
        convert(module, images(2, 1, 8))
    assert "\n" not in str(refused.value)


class Loop(nn.Module):
    def forward(self, x):
        return x if x.sum() > 0 else -x


def test_the_form_for_the_circuit_is_the_default():
    module = nn.Sequential(nn.Flatten(), nn.Linear(64, 2))
    assert nc.snn.convert(module, images(2, 1, 8)).graph.form == "ramp"


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"module": Loop()}, "cannot be traced"),
        ({"images": torch.rand(2, 8)}, "images must be"),
        ({"images": torch.rand(2, 1, 8, 8) - 0.5}, "within 0 … 1"),
        ({"window": 0.0}, "window must be > 0"),
        ({"slope": -1.0}, "slope must be > 0"),
        ({"quantile": 0.0}, "quantile"),
        ({"relay_after": -1.0}, "relay_after must be >= 0"),
        ({"mean": (0.5, 0.5)}, "mean must have 1 entries"),
        ({"std": (0.0,)}, "std must be > 0, got 0"),
    ],
)
def test_wrong_arguments_are_named(change, message):
    module = nn.Sequential(nn.Flatten(), nn.Linear(64, 2))
    with pytest.raises(InputError, match=message):
        convert(**({"module": module, "images": images(2, 1, 8)} | change))


def test_a_saved_network_is_the_same_network(tmp_path):
    pixels = images(4, 3, 16)
    network = convert(branches(pixels), pixels)
    network.save(tmp_path / "windowed.pt")
    again = WindowedNetwork.load(tmp_path / "windowed.pt")
    assert again.graph == network.graph
    assert torch.equal(again(pixels.double()), network(pixels.double()))
    assert nc.load(tmp_path / "windowed.conversion.json").layers == network.conversion.layers
    with pytest.raises(InputError, match=r"windowed\.pt names no data set"):
        nc.snn.load(tmp_path / "windowed.pt")
    content = torch.load(tmp_path / "windowed.pt", weights_only=True)
    torch.save(content | {"graph": None}, tmp_path / "broken.pt")
    with pytest.raises(FileFormatError, match=r"broken\.pt must hold a windowed network"):
        WindowedNetwork.load(tmp_path / "broken.pt")
    with pytest.raises(FileFormatError, match=r"broken\.pt must say what its weights are for"):
        nc.snn.load(tmp_path / "broken.pt")
    del content["weights"]["layers.out.bias"]
    torch.save(content, tmp_path / "broken.pt")
    with pytest.raises(FileFormatError, match=r"missing: layers\.out\.bias"):
        WindowedNetwork.load(tmp_path / "broken.pt")


def test_the_graph_is_enough_for_numpy():
    """A fully connected network from its description and weights alone, without torch in what computes."""
    pixels = images(6, 1, 3)
    torch.manual_seed(1)
    module = nn.Sequential(nn.Flatten(), nn.Linear(9, 7), nn.ReLU(), nn.Linear(7, 3)).double()
    network = convert(module, pixels, headroom=1.001)
    graph = type(network.graph).from_dict(network.graph.to_dict())
    weights = {name: value.detach().numpy() for name, value in network.state_dict().items()}
    known = windows.codes(graph)
    z = {"input": windows.spike_z(pixels.double().numpy().reshape(6, -1), 1.0, graph.window_over_tau)}
    for node in graph.layers:
        (term,) = node.terms
        arming = windows.arming_over_tau(node, known)
        gain = windows.gain(graph.form, node, known[term.source], arming)
        v = weights[term.weight]
        per_slope = v * np.repeat(gain.per_slope, v.shape[1] // len(gain.per_slope))
        z_first = np.exp(windows.opening_over_tau(node, known) - arming)
        total = per_slope.sum(1)
        bias = windows.bias_spikes(graph.form, node, z_first, weights[node.bias], total, 0 * total)
        fired = (z[term.source] @ (per_slope * bias.slope[:, None]).T + bias.first * z_first + bias.last) / bias.slope
        z[node.name] = (
            fired if node.is_readout else np.clip(fired, 1, np.exp(node.window_over_tau)) / np.exp(node.window_over_tau)
        )
    y = windows.activation(z[graph.layers[-1].name], graph.layers[-1].largest, graph.layers[-1].window_over_tau)
    np.testing.assert_allclose(y + graph.layers[-1].offset, network(pixels.double()).detach().numpy(), rtol=1e-9)


def test_images_of_another_shape_are_refused():
    network = convert(nn.Sequential(nn.Flatten(), nn.Linear(64, 2)), images(2, 1, 8))
    for call in (network, network.spikes):
        with pytest.raises(InputError, match=r"pixels must be \[N, 1, 8, 8\], got shape \[2, 1, 4, 4\]"):
            call(torch.zeros(2, 1, 4, 4))


class Written(nn.Module):
    """Layers by name, and the function that joins them."""

    def __init__(self, function, **layers):
        super().__init__()
        for name, layer in layers.items():
            setattr(self, name, layer)
        self.function = function

    def forward(self, x):
        return self.function(self, x)


def conv(inputs=2, outputs=4, kernel=3, **geometry):
    return nn.Conv2d(inputs, outputs, kernel, **geometry)


WRITTEN = {
    "functions": Written(
        lambda m, x: m.b(dense.adaptive_avg_pool2d(dense.max_pool2d(dense.relu(m.a(x)), 2), 1).flatten(1)),
        a=conv(),
        b=nn.Linear(4, 3),
    ),
    "methods": Written(
        lambda m, x: m.b(dense.avg_pool2d(m.a(x).relu(), 2).view(x.size(0), -1)), a=conv(), b=nn.Linear(36, 3)
    ),
    "mean over axes": Written(lambda m, x: m.b(torch.relu(m.a(x)).mean((2, 3))), a=conv(), b=nn.Linear(4, 3)),
    "ReLU6": Written(lambda m, x: m.b(dense.relu6(m.a(x)).flatten(1)), a=conv(), b=nn.Linear(144, 3)),
    "hardtanh": Written(lambda m, x: m.b(dense.hardtanh(m.a(x), 0.0, 0.3).flatten(1)), a=conv(), b=nn.Linear(144, 3)),
    "batch norm behind a ReLU": Written(
        lambda m, x: m.c(torch.relu(m.b(m.n(torch.relu(m.a(x))))).flatten(1)),
        a=conv(),
        n=nn.BatchNorm2d(4),
        b=conv(4, 4),
        c=nn.Linear(64, 3),
    ),
    "batch norm of pixels": Written(
        lambda m, x: m.b(torch.relu(m.a(m.n(x))).flatten(1)), n=nn.BatchNorm2d(2), a=conv(), b=nn.Linear(144, 3)
    ),
    "batch norm of features": Written(
        lambda m, x: m.c(torch.relu(m.n(m.a(x.flatten(1))))),
        a=nn.Linear(128, 6),
        n=nn.BatchNorm1d(6),
        c=nn.Linear(6, 3),
    ),
    "pixels and neurons added": Written(
        lambda m, x: m.b(torch.relu(torch.relu(m.a(x)) + x).flatten(1)), a=conv(2, 2, padding=1), b=nn.Linear(128, 3)
    ),
    "features added and joined": Written(
        lambda m, x: m.d(
            torch.cat([torch.relu(m.a(x.flatten(1)) + m.b(x.flatten(1))), torch.relu(m.c(x.flatten(1)))], 1)
        ),
        a=nn.Linear(128, 4),
        b=nn.Linear(128, 4),
        c=nn.Linear(128, 5),
        d=nn.Linear(9, 3),
    ),
    "mean before a wide convolution": Written(
        lambda m, x: m.c(torch.relu(m.b(dense.avg_pool2d(torch.relu(m.a(x)), 2))).flatten(1)),
        a=conv(),
        b=conv(4, 4, 2),
        c=nn.Linear(16, 3),
    ),
    "same padding of a wide kernel": Written(
        lambda m, x: m.b(torch.relu(m.a(x)).flatten(1)), a=conv(2, 4, 4, padding="same"), b=nn.Linear(256, 3)
    ),
    "dilated": Written(
        lambda m, x: m.b(torch.relu(m.a(x)).flatten(1)), a=conv(2, 4, 3, dilation=2, padding=1), b=nn.Linear(144, 3)
    ),
    "strides of two sizes": Written(
        lambda m, x: m.b(torch.relu(m.a(x)).flatten(1)), a=conv(2, 4, (2, 3), stride=(2, 1)), b=nn.Linear(96, 3)
    ),
    "pixels pooled": Written(
        lambda m, x: m.b(torch.relu(m.a(dense.max_pool2d(x, 2))).flatten(1)), a=conv(), b=nn.Linear(16, 3)
    ),
    "one layer read twice": Written(
        lambda m, x: m.b(torch.cat([torch.relu(m.a(x)), torch.relu(m.a(x))], 1).flatten(1)),
        a=conv(),
        b=nn.Linear(288, 3),
    ),
    "depthwise": Written(
        lambda m, x: m.b(torch.relu(m.a(torch.relu(m.c(x)))).flatten(1)),
        c=conv(),
        a=conv(4, 8, 3, groups=4),
        b=nn.Linear(128, 3),
    ),
}


@pytest.mark.filterwarnings("ignore:Using padding='same' with even kernel")
@pytest.mark.parametrize("mean", [None, (0.3, 0.6)])
@pytest.mark.parametrize("name", WRITTEN)
def test_each_way_to_write_an_operation_converts_exactly(name, mean):
    """Pixels as they are, and normalised: padding then stands for a pixel of its own."""
    torch.manual_seed(0)
    module, pixels = WRITTEN[name], images(6, 2, 8)
    std = None if mean is None else (0.2, 0.5)
    normal = pixels.double()
    if mean is not None:
        normal = (normal - torch.tensor(mean).view(1, 2, 1, 1)) / torch.tensor(std).view(1, 2, 1, 1)
    settle(module, normal, torch.Generator().manual_seed(0))
    network = convert(module, pixels, headroom=1.001, mean=mean, std=std)
    with torch.no_grad():
        expected, got = module(normal), network(pixels.double())
    torch.testing.assert_close(got, expected, rtol=1e-6, atol=1e-6)  # mean and std are float32 numbers
    agree(network, pixels.double(), 1e-9)


@pytest.mark.parametrize("form", ["forced", "ramp"])
def test_the_report_says_what_spikes_and_weights_say(form):
    """Share of spikes, and the largest partial current, from the spikes and synapses themselves, event by event."""
    pixels = images(4, 1, 4)
    torch.manual_seed(0)
    module = nn.Sequential(nn.Flatten(), nn.Linear(16, 12), nn.ReLU(), nn.Linear(12, 6), nn.ReLU(), nn.Linear(6, 3))
    network = convert(module.double(), pixels, form=form, slope=3.0, headroom=1.001)
    with torch.no_grad():
        z = network.spikes(pixels.double())
    for node, row in zip(network.graph.layers, network.conversion.layers, strict=True):
        synapses = Synapses(network.layer(node))
        w = (synapses.per_slope[0] * synapses.scale(form, node)[:, None]).detach()
        spikes = [z[node.terms[0].source].flatten(1).numpy(), np.full((4, 1), synapses.z_first)]
        weights = [w.numpy(), synapses.bias.first.detach()[:, None].numpy()]
        if form == "forced":
            spikes.append(np.ones((4, 1)))
            weights.append(synapses.bias.last.detach()[:, None].numpy())
        else:
            spikes[0] = np.where(spikes[0] < 1, spikes[0], np.inf)
        times, strengths = np.concatenate(spikes, axis=1), np.concatenate(weights, axis=1)
        largest = 0.0
        for image in times:
            for at in image[np.isfinite(image)]:
                arrived = image <= at
                largest = max(largest, np.abs(strengths[:, arrived] @ image[arrived] / at).max())
        assert 0.7 * largest < row.largest_current <= largest * (1 + 1e-9)  # on a grid of instants
        assert row.slope == pytest.approx((3.0,) * 3)
        if not node.is_readout:
            assert row.spikes == pytest.approx(float((z[node.name] < 1).double().mean()))
    assert network.conversion.latency_over_tau == pytest.approx(4 * 0.5)


def wide():
    torch.manual_seed(0)
    return nn.Sequential(
        *(nn.Conv2d(3, 8, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2), nn.Conv2d(8, 6, 3, 2, padding=1), nn.ReLU()),
        *(nn.Flatten(), nn.Linear(6 * 4, 4)),
    ).double()


def test_a_layer_too_wide_is_an_exact_sum_of_partial_sums():
    """Fan-in 72 of the second convolution, a window later; the armed rule agrees, and so do images of another draw."""
    module, pixels = wide(), images(16, 3, 8)
    whole, split = (convert(module, pixels, headroom=1.5, largest_fan_in=limit) for limit in (None, 40))
    assert {row.name for row in split.conversion.layers} - {row.name for row in whole.conversion.layers} == {"m3_parts"}
    assert max(row.fan_in for row in whole.conversion.layers) == 72
    assert max(row.fan_in for row in split.conversion.layers) + 2 <= 40
    assert split.conversion.largest_error < 1e-12
    assert split.conversion.latency_over_tau == pytest.approx(whole.conversion.latency_over_tau + 0.5)
    other = images(8, 3, 8, seed=1).double()
    with torch.no_grad():
        torch.testing.assert_close(split(other), module(other), rtol=0, atol=1e-12)
    agree(split, other, 1e-9)
    assert max(layer.synapses for layer in physical(split).layers) <= 40


@pytest.mark.parametrize("quantile", [1.0, None])
def test_on_a_ramp_complements_straighten_partial_sums(quantile):
    """The error is of third order: a quarter at half the window; bent partial sums would be off by T/8 of X each."""
    torch.manual_seed(0)
    first = nn.Conv2d(3, 4, 3, padding=1)
    module = nn.Sequential(first, nn.ReLU(), nn.MaxPool2d(6), nn.Flatten(), nn.Linear(4, 2)).double()
    pixels = images(16, 3, 6).double()
    errors = []
    for window in (0.5, 0.25):
        network = nc.snn.convert(module, pixels, form="ramp", window=window, quantile=quantile, largest_fan_in=11)
        parts, complement, added, _ = network.graph.layers
        assert [node.name.rsplit("_", 1)[1] for node in (parts, complement)] == ["parts", "complement"]
        with torch.no_grad():
            values = network.activations(pixels)
            y = network.layer(added).affine([values[term.source] for term in added.terms])
            errors.append(float((y - first(pixels)).abs().max()) / parts.largest)
    assert errors[0] < 3 * 0.5**2 / 50  # three partial sums
    assert errors[0] / errors[1] == pytest.approx(4, rel=0.2)


def test_a_layer_that_does_not_split_is_refused():
    module = nn.Sequential(nn.Conv2d(3, 4, 1), nn.ReLU(), nn.Flatten(), nn.Linear(4 * 36, 3))
    with pytest.raises(InputError, match="m3: its neurons have 146 synapses, of 11"):
        convert(module, images(4, 3, 6), largest_fan_in=11)


def test_training_makes_no_synapses():
    """Weights of 0 have no gradient: the sum of partial sums keeps its fan-in."""
    network = convert(wide(), images(16, 3, 8), largest_fan_in=40)
    network(images(4, 3, 8).double()).square().sum().backward()
    (sums,) = (layer for layer in network.layers.values() if layer.node.terms[0].source.endswith("_parts"))
    weight = sums.weights[0]
    assert int((weight == 0).sum()) == weight.numel() - 2 * len(weight)
    assert not weight.grad[weight == 0].any()
    assert weight.grad[weight != 0].any()
