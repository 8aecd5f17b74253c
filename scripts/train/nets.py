"""The nets of nets/src/zoo in PyTorch: the same layers, activation plans and names of tensors.

SqueezeNet and the nets that MiniONN ran have no batch norm of their own. To train them, one goes
behind every convolution (for SqueezeNet as Shafran et al. do, appendix A.1) and before every
square, and `inference_state` folds it into the layer before it: the net that is written is the
zoo's. Batch norm of the binary nets (xonn.py) is theirs and stays.
"""

import math
from collections import OrderedDict
from dataclasses import dataclass, replace

import torch
from torch import nn

import xonn

PLANS = ("orig", "1", "2", "0.5-1", "0.5-2", "none", "ours", "0.5-1-double", "0.5-2-double")


@dataclass(frozen=True)
class Plan:
    """Which activations of a net's blocks are kept, as in nets/src/zoo/ratios.rs."""

    # Of every activation.
    kind: type = nn.ReLU
    # Ratios of the first and second activation of every block: 1 keeps, 0 removes, between is
    # partial.
    first: float = 1.0
    second: float = 1.0
    pool: type = nn.MaxPool2d
    # Twice the channels in the convolutions without activation.
    double: bool = False

    @property
    def width(self):
        return 2 if self.double else 1

    @property
    def widths(self):
        """Factors of the convolution before the first activation and of those before the second."""
        return (1, self.width) if self.first > 0 else (self.width, 1)


def published(net, name, channels):
    """A plan of Shafran et al. by name; `ours` differs between images of three channels and one."""
    kind = nn.ReLU6 if net == "mobilenet-v2" else nn.ReLU
    kept = {
        "orig": (1, 1),
        "1": (1, 0),
        "2": (0, 1),
        "0.5-1": (0.5, 0),
        "0.5-2": (0, 0.5),
        "none": (0, 0),
    }
    if name != "ours":
        first, second = kept[name.removesuffix("-double")]
        return Plan(kind, first, second, double=name.endswith("-double"))
    half = 0.25 if channels == 1 else 0.5
    if net == "shufflenet-v2":
        return Plan(kind, half, 0)
    if net == "mobilenet-v2":
        return Plan(nn.ReLU, 0, half)
    ours = Plan(kind, half, 0) if channels == 1 else Plan(kind, 0, half)
    return replace(ours, pool=nn.AvgPool2d)


class PartialActivation(nn.Module):
    """An activation of the first channels; the others pass."""

    def __init__(self, kind, ratio, channels):
        super().__init__()
        self.kept = math.ceil(ratio * channels)
        self.activation = kind()

    def forward(self, x):
        return torch.cat([self.activation(x[:, : self.kept]), x[:, self.kept :]], dim=1)


def activation(kind, ratio, channels):
    if ratio == 0:
        return nn.Identity()
    return kind() if ratio == 1 else PartialActivation(kind, ratio, channels)


class Normed:
    """A layer with a bias, as long as it is trained with batch norm instead."""

    def forward(self, x):
        return self.norm(super().forward(x))

    def folded(self):
        """Weight and bias of the layer with batch norm folded into it."""
        scale = self.norm.weight / torch.sqrt(self.norm.running_var + self.norm.eps)
        weight = self.weight * scale.view(-1, *[1] * (self.weight.dim() - 1))
        return weight, self.norm.bias - self.norm.running_mean * scale


class NormedConv2d(Normed, nn.Conv2d):
    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs, bias=False)
        self.norm = nn.BatchNorm2d(self.out_channels)


class NormedLinear(Normed, nn.Linear):
    def __init__(self, inputs, outputs):
        super().__init__(inputs, outputs, bias=False)
        self.norm = nn.BatchNorm1d(outputs)


def inference_state(net):
    """The tensors of the zoo's net. Batch norms' counters of training steps mean nothing there."""
    state = net.state_dict()
    for name, module in net.named_modules():
        if isinstance(module, Normed):
            state = {key: value for key, value in state.items() if not key.startswith(f"{name}.")}
            state[f"{name}.weight"], state[f"{name}.bias"] = module.folded()
    for name, module in xonn.binary_layers(net):
        state[f"{name}.weight"] = xonn.sign(module.weight)
    return {
        name: tensor.detach().cpu()
        for name, tensor in state.items()
        if not name.endswith("num_batches_tracked")
    }


def build(name, plan, shape, classes, dropout=0.0, scale=1.0, training=False):
    """A net by its name in the zoo; `training` adds batch norm where the net has none, and `scale`
    is the factor of a binary net's widths.
    """
    conv, dense = (NormedConv2d, NormedLinear) if training else (nn.Conv2d, nn.Linear)
    if name in xonn.NAMES:
        return xonn.build(name, shape, classes, scale, training)
    if name == "squeezenet":
        return SqueezeNet(plan, shape[0], classes, dropout, conv)
    if name == "minionn-mnist":
        return MiniONN(shape, classes, conv)
    if name == "secureml":
        return SecureML(shape, classes, dense)
    if name == "cryptonets":
        return CryptoNets(shape, classes, conv, dense)
    net = {"shufflenet-v2": ShuffleNetV2, "mobilenet-v2": MobileNetV2}[name]
    return net(plan, shape[0], classes, dropout)


class SqueezeNet(nn.Module):
    """SqueezeNet 1.0 for small images; a block is a Fire module, with dropout at its end."""

    # Channels of a squeeze and of each of its expands; None is a pool.
    FEATURES = ((16, 64), (16, 64), (32, 128), None, (32, 128), (48, 192), (48, 192), (64, 256))
    FEATURES += (None, (64, 256))

    def __init__(self, plan, channels, classes, dropout, conv):
        super().__init__()
        features = [conv(channels, 96, 3, padding=1), plan.kind(), plan.pool(2)]
        channels = 96
        for feature in self.FEATURES:
            if feature is None:
                features.append(plan.pool(2))
            else:
                squeeze, expand = (n * width for n, width in zip(feature, plan.widths))
                features.append(Fire(plan, channels, squeeze, expand, dropout, conv))
                channels = 2 * expand
        self.features = nn.Sequential(*features)
        # Where torchvision has its dropout.
        head = [nn.Identity(), conv(channels, classes, 1), plan.kind(), nn.AdaptiveAvgPool2d(1)]
        self.classifier = nn.Sequential(*head)

    def forward(self, x):
        return self.classifier(self.features(x)).flatten(1)


class Fire(nn.Module):
    def __init__(self, plan, channels, squeeze, expand, dropout, conv):
        super().__init__()
        self.squeeze = conv(channels, squeeze, 1)
        self.squeeze_activation = activation(plan.kind, plan.first, squeeze)
        self.expand1x1 = conv(squeeze, expand, 1)
        self.expand1x1_activation = activation(plan.kind, plan.second, expand)
        self.expand3x3 = conv(squeeze, expand, 3, padding=1)
        self.expand3x3_activation = activation(plan.kind, plan.second, expand)
        self.dropout = nn.Dropout(dropout)

    def forward(self, x):
        x = self.squeeze_activation(self.squeeze(x))
        one = self.expand1x1_activation(self.expand1x1(x))
        three = self.expand3x3_activation(self.expand3x3(x))
        return self.dropout(torch.cat([one, three], dim=1))


class ShuffleNetV2(nn.Module):
    """ShuffleNetV2 1x for small images; a block is a unit."""

    # Units, channels of a unit's output.
    STAGES = ((4, 116), (8, 232), (4, 464))

    def __init__(self, plan, channels, classes, dropout):
        super().__init__()
        self.conv1 = nn.Sequential(*conv_bn(channels, 24, 3), plan.kind())
        channels = 24
        for number, (units, outputs) in enumerate(self.STAGES, start=2):
            outputs *= plan.widths[1]
            stage = [ShuffleUnit(plan, channels, outputs, stride=2)]
            stage += [ShuffleUnit(plan, outputs, outputs, stride=1) for _ in range(units - 1)]
            setattr(self, f"stage{number}", nn.Sequential(*stage))
            channels = outputs
        self.conv5 = nn.Sequential(*conv_bn(channels, 1024, 1), plan.kind())
        self.dropout = nn.Dropout(dropout)
        self.fc = nn.Linear(1024, classes)

    def forward(self, x):
        x = self.stage4(self.stage3(self.stage2(self.conv1(x))))
        return self.fc(self.dropout(self.conv5(x).mean([2, 3])))


class ShuffleUnit(nn.Module):
    def __init__(self, plan, channels, outputs, stride):
        super().__init__()
        half = outputs // 2
        inner = half * plan.widths[0]
        self.reduces = stride == 2
        if self.reduces:
            self.branch1 = nn.Sequential(
                *conv_bn(channels, channels, 3, stride, groups=channels),
                *conv_bn(channels, half, 1),
                activation(plan.kind, plan.second, half),
            )
        self.branch2 = nn.Sequential(
            *conv_bn(channels if self.reduces else half, inner, 1),
            activation(plan.kind, plan.first, inner),
            *conv_bn(inner, inner, 3, stride, groups=inner),
            *conv_bn(inner, half, 1),
            activation(plan.kind, plan.second, half),
        )

    def forward(self, x):
        if self.reduces:
            left, right = self.branch1(x), x
        else:
            left, right = x.chunk(2, dim=1)
        x = torch.cat([left, self.branch2(right)], dim=1)
        _, channels, height, width = x.shape
        x = x.view(-1, 2, channels // 2, height, width).transpose(1, 2)
        return x.reshape(-1, channels, height, width)


class MobileNetV2(nn.Module):
    """MobileNetV2 for small images; a block is an inverted residual."""

    # Expansion factor, output channels, blocks, stride of the first.
    GROUPS = ((1, 16, 1, 1), (6, 24, 2, 1), (6, 32, 3, 2), (6, 64, 4, 2), (6, 96, 3, 1))
    GROUPS += ((6, 160, 3, 2), (6, 320, 1, 1))

    def __init__(self, plan, channels, classes, dropout):
        super().__init__()
        features = [nn.Sequential(*conv_bn(channels, 32, 3), plan.kind())]
        channels = 32
        for expansion, outputs, blocks, stride in self.GROUPS:
            outputs *= plan.width
            for block in range(blocks):
                stride = stride if block == 0 else 1
                features.append(InvertedResidual(plan, channels, outputs, expansion, stride))
                channels = outputs
        features.append(nn.Sequential(*conv_bn(channels, 1280, 1), plan.kind()))
        self.features = nn.Sequential(*features)
        self.classifier = nn.Sequential(nn.Dropout(dropout), nn.Linear(1280, classes))

    def forward(self, x):
        return self.classifier(self.features(x).mean([2, 3]))


class InvertedResidual(nn.Module):
    def __init__(self, plan, channels, outputs, expansion, stride):
        super().__init__()
        self.adds = stride == 1 and channels == outputs
        inner = channels * expansion
        parts = []
        if expansion != 1:
            first = activation(plan.kind, plan.first, inner)
            parts.append(nn.Sequential(*conv_bn(channels, inner, 1), first))
        second = activation(plan.kind, plan.second, inner)
        parts.append(nn.Sequential(*conv_bn(inner, inner, 3, stride, groups=inner), second))
        self.conv = nn.Sequential(*parts, *conv_bn(inner, outputs, 1))

    def forward(self, x):
        return x + self.conv(x) if self.adds else self.conv(x)


class MiniONN(nn.Module):
    """The net for MNIST of MiniONN (Liu et al., 2017)."""

    def __init__(self, shape, classes, conv):
        super().__init__()
        channels, height, width = shape
        self.conv1 = conv(channels, 16, 5)
        self.conv2 = conv(16, 16, 5)
        self.between = nn.Sequential(nn.ReLU(), nn.MaxPool2d(2))
        rows, columns = (((side - 4) // 2 - 4) // 2 for side in (height, width))
        self.fc1 = nn.Linear(16 * rows * columns, 100)
        self.relu3 = nn.ReLU()
        self.fc2 = nn.Linear(100, classes)

    def forward(self, x):
        x = self.between(self.conv2(self.between(self.conv1(x)))).flatten(1)
        return self.fc2(self.relu3(self.fc1(x)))


class Square(nn.Module):
    def forward(self, x):
        return x * x


class SecureML(nn.Sequential):
    """The perceptron for MNIST of SecureML (Mohassel, Zhang, 2017), as MiniONN has it."""

    def __init__(self, shape, classes, dense):
        layers = OrderedDict(flatten=nn.Flatten(), fc1=dense(math.prod(shape), 128))
        layers.update(square1=Square(), fc2=dense(128, 128), square2=Square())
        super().__init__(OrderedDict(layers, fc3=nn.Linear(128, classes)))


class CryptoNets(nn.Sequential):
    """The net for MNIST of CryptoNets (Gilad-Bachrach et al., 2016), as MiniONN has it."""

    def __init__(self, shape, classes, conv, dense):
        flat = 5 * math.prod((side + 2 - 5) // 2 + 1 for side in shape[1:])
        layers = OrderedDict(conv1=conv(shape[0], 5, 5, stride=2, padding=1), square1=Square())
        layers.update(flatten=nn.Flatten(), fc1=dense(flat, 100), square2=Square())
        super().__init__(OrderedDict(layers, fc2=nn.Linear(100, classes)))


def conv_bn(channels, outputs, kernel, stride=1, groups=1):
    """A convolution with "same" padding, and batch norm."""
    options = {"stride": stride, "padding": kernel // 2, "groups": groups, "bias": False}
    return nn.Conv2d(channels, outputs, kernel, **options), nn.BatchNorm2d(outputs)
