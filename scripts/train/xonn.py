"""The binary nets of XONN (Riazi et al., USENIX Security 2019) as nets/src/zoo has them: weights
and activations +1 or -1, batch norm before every sign, and a last layer of real weights.

Trained are real weights of [-1, 1], of which the net takes the signs (Courbariaux et al., 2016): a
sign passes gradients on where its input lies within [-1, 1].
"""

import math
from collections import OrderedDict

import torch
from torch import nn
from torch.nn import functional as F

NAMES = ("xonn-bm1", "xonn-bm2", "xonn-bm3", "xonn-cancer")


def build(name, shape, classes, scale=1.0, training=False):
    """A net by its name in the zoo; `scale` is the publication's s, a factor of inner widths."""

    def width(base):
        return math.floor(scale * base + 0.5)

    inputs, side = math.prod(shape), shape[1:]
    layers = Layers(training)
    if name in ("xonn-bm1", "xonn-cancer"):
        hidden = width(128 if name == "xonn-bm1" else 16)
        layers.add(
            flatten=nn.Flatten(), fc1=BinaryLinear(inputs, hidden), bn1=nn.BatchNorm1d(hidden)
        )
        layers.add(sign1=Sign(), fc2=BinaryLinear(hidden, hidden), bn2=nn.BatchNorm1d(hidden))
        layers.add(sign2=Sign(), fc3=nn.Linear(hidden, classes))
    elif name == "xonn-bm2":
        channels, hidden = width(5), width(100)
        conv = BinaryConv2d(shape[0], channels, 5, stride=2, padding=1)
        flat = channels * math.prod((n + 2 - 5) // 2 + 1 for n in side)
        layers.add(conv1=conv, bn1=nn.BatchNorm2d(channels), sign1=Sign(), flatten=nn.Flatten())
        layers.add(fc1=BinaryLinear(flat, hidden), bn2=nn.BatchNorm1d(hidden), sign2=Sign())
        layers.add(fc2=nn.Linear(hidden, classes))
    else:
        channels, hidden = width(16), width(100)
        flat = channels * math.prod(((n - 4) // 2 - 4) // 2 for n in side)
        layers.add(conv1=BinaryConv2d(shape[0], channels, 5), bn1=nn.BatchNorm2d(channels))
        layers.add_pooled_sign("1")
        layers.add(conv2=BinaryConv2d(channels, channels, 5), bn2=nn.BatchNorm2d(channels))
        layers.add_pooled_sign("2")
        layers.add(flatten=nn.Flatten(), fc1=BinaryLinear(flat, hidden), bn3=nn.BatchNorm1d(hidden))
        layers.add(sign3=Sign(), fc2=nn.Linear(hidden, classes))
    return nn.Sequential(layers.layers)


class Layers:
    """The layers of a net, in order."""

    def __init__(self, training):
        self.layers, self.training = OrderedDict(), training

    def add(self, **layers):
        self.layers.update(layers)

    def add_pooled_sign(self, number):
        """A sign and a max pool. The other way round they compute the same, but the pool passes
        gradients on to the largest value: among signs it would pick any."""
        both = [(f"sign{number}", Sign()), (f"pool{number}", nn.MaxPool2d(2))]
        self.layers.update(reversed(both) if self.training else both)


class BinaryLinear(nn.Linear):
    """A dense layer of weights' signs, without bias."""

    def __init__(self, inputs, outputs):
        super().__init__(inputs, outputs, bias=False)

    def forward(self, x):
        return F.linear(x, StraightThrough.apply(self.weight))


class BinaryConv2d(nn.Conv2d):
    """A convolution with weights' signs, without bias."""

    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs, bias=False)

    def forward(self, x):
        return self._conv_forward(x, StraightThrough.apply(self.weight), None)


class Sign(nn.Module):
    def forward(self, x):
        return StraightThrough.apply(x)


class StraightThrough(torch.autograd.Function):
    """sign(x), with the gradient of x clipped to [-1, 1]."""

    @staticmethod
    def forward(context, x):
        context.save_for_backward(x)
        return sign(x)

    @staticmethod
    def backward(context, gradient):
        (x,) = context.saved_tensors
        return gradient * (x.abs() <= 1)


def sign(x):
    """+1 of 0 and more, else -1."""
    return torch.where(x >= 0, torch.ones_like(x), -torch.ones_like(x))


def binary_layers(net):
    """Names and layers."""
    named = net.named_modules()
    return [
        (name, layer) for name, layer in named if isinstance(layer, (BinaryLinear, BinaryConv2d))
    ]


def clip(net):
    """Brings the trained weights back to [-1, 1]."""
    with torch.no_grad():
        for _, layer in binary_layers(net):
            layer.weight.clamp_(-1, 1)
