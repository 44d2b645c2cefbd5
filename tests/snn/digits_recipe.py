"""The digits in place of a fine-tuning recipe's data, not augmented, and a small ReLU network for them."""

import torch
from torch import nn

PLAIN_DIGITS = ("data.name=digits", "data.held_out=300", "shift_px=0", "rotate_deg=0", "zoom=0")


def relu_network() -> nn.Sequential:
    """Return a network of random weights, always the same: at chance."""
    torch.manual_seed(5)
    layers = [nn.Conv2d(1, 6, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten(), nn.Linear(96, 10)]
    return nn.Sequential(*layers)
