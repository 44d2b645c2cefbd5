"""Layers of n-LIF neurons that spike once: exact causal set, first crossing, closed-form gradients.

z = e^t is a spike time in units of τ; inf is silence. An output j spikes at the first

    z_j = Σ_{i∈C} w_ji z_i / (W_C - 1),   C = {i: z_i < z_j},   W_C = Σ_{i∈C} w_ji               (paper, eq. 4)

Its membrane crosses the threshold with slope W_C - 1. For i in C the gradients are ∂z_j/∂z_i = w_ji/(W_C - 1),
∂z_j/∂w_ji = (z_i - z_j)/(W_C - 1) and ∂slope_j/∂w_ji = 1; all others are 0, and so are all of a silent output.
"""

import math
from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn import functional

from neurocircuit.errors import InputError
from neurocircuit.snn.functional import op
from neurocircuit.snn.functional.geometry import Padding, PaddingArgument, output_size, resolve_padding
from neurocircuit.snn.functional.op import implementation_used

__all__ = ["causal_conv2d", "causal_linear", "implementation_used"]


def causal_conv2d(
    z: Tensor,
    weight: Tensor,
    bias: Tensor | None = None,
    bias_z: float | Sequence[float] = 1.0,
    stride: int = 1,
    padding: PaddingArgument = 0,
    *,
    arming_z: float | None = None,
    padding_z: float | Tensor = math.inf,
) -> tuple[Tensor, Tensor]:
    """Spikes z_out and slopes, both [N, out, h, w], from spikes z [N, in, H, W] and weight [out, in, kh, kw]. Eq. (4).

    Args:
        z: e^t > 0, float32 or float64; inf is silence.
        weight: synaptic weights in units of the threshold.
        bias: [out], weight of one more input, which spikes at `bias_z`; or [bias spike, out].
        bias_z: e^t of the bias spike, or of each of them.
        stride: pixels from one output to the next, along both axes.
        padding: pixels around z: an int, (left, right, top, bottom), or "same" by TensorFlow's rule for any stride.
        arming_z: e^t from which neurons can fire; one whose membrane is above the threshold then fires at it. None:
            armed before the first input.
        padding_z: e^t at which padding spikes, one for all or [in]; inf: it is silent.

    Returns:
        z_out (inf where silent) and the slope W_C - 1 at the crossing; 0 where there is none: silent, or above the
        threshold when armed.

    Raises:
        InputError: an argument has the wrong shape, type, device or value; the message names it.
    """
    for name, tensor, axes in (("z", z, "[N, in, H, W]"), ("weight", weight, "[out, in, kh, kw]")):
        if tensor.dim() != 4:
            raise InputError(f"{name} must be {axes}, got shape {tuple(tensor.shape)}")
    bias, times, arming = _check(z, weight, bias, bias_z, arming_z)
    if not isinstance(stride, int) or stride < 1:
        raise InputError(f"stride must be an int >= 1, got {stride!r}")
    image, kernel = (z.shape[2], z.shape[3]), (weight.shape[2], weight.shape[3])
    sides = resolve_padding(padding, image, kernel, stride)
    output_size(image, kernel, stride, sides)
    silent = isinstance(padding_z, int | float) and padding_z == math.inf
    if not silent and any(sides):
        z, sides = pad(z, sides, padding_z), Padding(0, 0, 0, 0)
    return op.call(z, weight, bias, times, stride, list(sides), arming)


def causal_linear(
    z: Tensor,
    weight: Tensor,
    bias: Tensor | None = None,
    bias_z: float | Sequence[float] = 1.0,
    *,
    arming_z: float | None = None,
) -> tuple[Tensor, Tensor]:
    """Return the spikes z_out and slopes, both [..., out], from spikes z [..., in] and weight [out, in]. Eq. (4).

    Arguments, results and errors as in `causal_conv2d`.
    """
    if z.dim() < 1:
        raise InputError("z must be [..., in], got a scalar")
    if weight.dim() != 2:
        raise InputError(f"weight must be [out, in], got shape {tuple(weight.shape)}")
    bias, times, arming = _check(z.movedim(-1, 0)[None], weight, bias, bias_z, arming_z)
    rows = z.reshape(-1, z.shape[-1], 1, 1)
    z_out, slope = op.call(rows, weight[:, :, None, None], bias, times, 1, [0, 0, 0, 0], arming)
    shape = (*z.shape[:-1], weight.shape[0])
    return z_out.reshape(shape), slope.reshape(shape)


def pad(values: Tensor, sides: Padding, level: float | Tensor) -> Tensor:
    """Return the images [N, channel, H, W] with a border of one value, or of one for each channel [channel]."""
    if isinstance(level, Tensor):
        level = level.to(values).view(1, -1, 1, 1)
        return functional.pad(values - level, list(sides)) + level
    return functional.pad(values, list(sides), value=level)


_Spikes = tuple[Tensor | None, list[float], float]


def _check(
    z: Tensor, weight: Tensor, bias: Tensor | None, bias_z: float | Sequence[float], arming_z: float | None
) -> _Spikes:
    """Check types, devices and channels of z [N, in, ...] and weight [out, in, ...].

    Return bias spikes and arming as `op` takes them: weights [bias spike, out] or None, times, the arming or 0.
    """
    if z.dtype not in (torch.float32, torch.float64):
        raise InputError(f"z must be float32 or float64 (half precision cannot hold e^t), got {z.dtype}")
    others = {"weight": weight} if bias is None else {"weight": weight, "bias": bias}
    for name, tensor in others.items():
        if tensor.dtype != z.dtype or tensor.device != z.device:
            raise InputError(f"{name} must be {z.dtype} on {z.device} like z, got {tensor.dtype} on {tensor.device}")
    if weight.shape[1] != z.shape[1]:
        raise InputError(f"weight must have {z.shape[1]} inputs like z, got {weight.shape[1]}")
    if min(weight.shape) == 0:
        raise InputError(f"weight must not be empty, got shape {tuple(weight.shape)}")
    times = [bias_z] if not isinstance(bias_z, Sequence) else list(bias_z)
    for at in times:
        _check_time("bias_z", at, z.dtype)
    if arming_z is not None:
        _check_time("arming_z", arming_z, z.dtype)
    arming = 0.0 if arming_z is None else float(arming_z)
    if bias is None:
        return None, [], arming
    shape = (len(weight),) if not isinstance(bias_z, Sequence) else (len(times), len(weight))
    if bias.shape != shape:
        raise InputError(f"bias must be {list(shape)}, got shape {tuple(bias.shape)}")
    return bias.view(len(times), len(weight)), [float(at) for at in times], arming


def _check_time(name: str, z: float, dtype: torch.dtype) -> None:
    limits = torch.finfo(dtype)
    if not isinstance(z, int | float) or not limits.tiny <= z <= limits.max:
        raise InputError(f"{name} must be > 0 and finite in {dtype}, got {z!r}")
