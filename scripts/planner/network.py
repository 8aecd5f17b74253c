"""A net of tercet's in PyTorch, from the graph's own JSON: any net that tercet reads can be
trained.

A convolution with a bias and no batch norm of its own gets one to train with, as in
`scripts/train/nets.py`; it begins as the identity and is folded away in what is written.
"""

import math

import torch
from torch import nn
from torch.nn import functional as F

from nets import NormedConv2d

from .exchange import Exchange

# As nets/src/weights/fold.rs.
EPS = 1e-5
NORM = ("weight", "bias", "running_mean", "running_var")
NORMS = (nn.BatchNorm1d, nn.BatchNorm2d)


class Network(nn.Module):
    """The layers of a graph, with an Exchange at every site."""

    def __init__(self, graph, weights, sites):
        """`graph` is the JSON of nets::Graph, `weights` its tensors by name, `sites` what may
        change.
        """
        super().__init__()
        self.nodes, self.output = graph["nodes"], graph["output"]
        kinds = {site.name: site.kinds for site in sites}
        self.layers = nn.ModuleList(layer(node, weights, kinds) for node in self.nodes)
        self.exchanges = {
            node["name"]: layer
            for node, layer in zip(self.nodes, self.layers)
            if isinstance(layer, Exchange)
        }
        self.pools = {
            node["name"]: layer
            for node, layer in zip(self.nodes, self.layers)
            if isinstance(layer, Pool)
        }

    def forward(self, x):
        """Logits of images."""
        left = self.uses()
        values = []
        for node, layer in zip(self.nodes, self.layers):
            inputs = [values[i] for i in node["inputs"]]
            values.append(layer(*inputs) if inputs else x)
            for i in node["inputs"]:
                left[i] -= 1
                if left[i] == 0:
                    values[i] = None
        return values[self.output].flatten(1)

    def uses(self):
        """How many layers read each layer's result; the output is read once more."""
        uses = [0] * len(self.nodes)
        for i in [self.output, *(i for node in self.nodes for i in node["inputs"])]:
            uses[i] += 1
        return uses

    def calibrate(self, images):
        """Lets batch norms that begin as the identity see the values that they are to normalise."""
        hooks = [
            layer.conv.norm.register_forward_pre_hook(calibrate)
            for layer in self.layers
            if isinstance(layer, Conv) and isinstance(layer.conv, NormedConv2d)
        ]
        self.evaluate(images)
        for hook in hooks:
            hook.remove()

    def exchange(self, plan, images):
        """Puts the net under a plan (of space.py). In one pass of the images every layer, in order,
        is fitted to what the layers before it now give: polynomials to activations, batch norms to
        their input.
        """
        for name, pool in self.pools.items():
            pool.average = plan.pools.get(name, pool.own) == "avg"
        for name, exchange in self.exchanges.items():
            exchange.exchange(plan.kinds[name])
        self.renormalise(images)

    def renormalise(self, images):
        """Batch norms take the moments of these images."""
        norms = [module for module in self.modules() if isinstance(module, NORMS)]
        momenta = [norm.momentum for norm in norms]
        for norm in norms:
            # The next batch counts alone.
            norm.momentum = 1.0
        self.train()
        with torch.no_grad():
            self(images)
        for norm, momentum in zip(norms, momenta):
            norm.momentum = momentum

    def advance(self, weight):
        """How far the exchanges are, from 0 to 1."""
        for exchange in self.exchanges.values():
            exchange.advance(weight)

    def excess(self):
        """By how much polynomials went beyond what is safe, in the last batch trained on."""
        return sum(exchange.excess for exchange in self.exchanges.values())

    def evaluate(self, images):
        """Logits, nothing being trained."""
        self.eval()
        with torch.no_grad():
            return self(images)

    def tensors(self):
        """What tercet reads, by name: a batch norm that is not the net's own is folded in."""
        tensors = {}
        for node, layer in zip(self.nodes, self.layers):
            if isinstance(layer, (Conv, Dense)):
                tensors |= layer.tensors(node)
            elif isinstance(layer, Exchange):
                named = layer.tensors().items()
                tensors |= {f"{node['name']}.{suffix}": tensor for suffix, tensor in named}
        return {
            name: tensor.detach().float().cpu().contiguous() for name, tensor in tensors.items()
        }


def layer(node, weights, kinds):
    """The module of a node; `kinds` are those of the sites' channels."""
    name, (op, fields) = node["name"], tagged(node["op"])
    match op:
        case "input":
            return nn.Identity()
        case "conv":
            return Conv(node, fields, weights)
        case "dense":
            return Dense(node, fields, weights)
        case "activation" if name in kinds:
            return Exchange(kinds[name])
        case "activation":
            return Function(own_activation(name, fields))
        case "max-pool" | "avg-pool":
            return Pool(name, op, fields)
        case "global-avg-pool":
            return Function(lambda x: x.mean((2, 3), keepdim=True))
        case "add":
            return Function(torch.add)
        case "concat":
            return Function(lambda *xs: torch.cat(xs, dim=1))
        case "slice":
            return Function(lambda x: x[:, fields["start"] : fields["end"]])
        case "shuffle":
            return Function(lambda x: shuffled(x, fields["groups"]))
        case "flatten":
            return Function(lambda x: x.flatten(1))
        case "reshape":
            shape = [fields[side] for side in ("channels", "height", "width")]
            return Function(lambda x: x.reshape(-1, *shape))
    raise ValueError(f"{name}: `{op}` cannot be trained")


class Function(nn.Module):
    """A layer without state."""

    def __init__(self, function):
        super().__init__()
        self.function = function

    def forward(self, *inputs):
        return self.function(*inputs)


class Conv(nn.Module):
    """A convolution, and the batch norm that is folded into it."""

    def __init__(self, node, fields, weights):
        super().__init__()
        name, prefix = node["name"], node.get("batch_norm")
        self.padding = sides(fields["padding"])
        weight = weights[f"{name}.weight"]
        outputs, inputs, *kernel = weight.shape
        options = {name: tuple(fields[name]) for name in ("stride", "dilation")}
        options["groups"] = fields["groups"]
        self.norm = None
        if prefix is None and fields["bias"]:
            self.conv = NormedConv2d(inputs * fields["groups"], outputs, tuple(kernel), **options)
            self.conv.norm.eps = EPS
            self.conv.norm.running_var.fill_(1 - EPS)
            self.conv.norm.bias.data.copy_(weights[f"{name}.bias"])
        else:
            options["bias"] = fields["bias"]
            self.conv = nn.Conv2d(inputs * fields["groups"], outputs, tuple(kernel), **options)
            if fields["bias"]:
                self.conv.bias.data.copy_(weights[f"{name}.bias"])
        if prefix is not None:
            self.norm = nn.BatchNorm2d(outputs, eps=EPS)
            state = {suffix: weights[f"{prefix}.{suffix}"] for suffix in NORM}
            self.norm.load_state_dict(state, strict=False)
        self.conv.weight.data.copy_(weight)

    def forward(self, x):
        x = self.conv(F.pad(x, self.padding) if any(self.padding) else x)
        return x if self.norm is None else self.norm(x)

    def tensors(self, node):
        name, prefix = node["name"], node.get("batch_norm")
        if isinstance(self.conv, NormedConv2d):
            weight, bias = self.conv.folded()
            return {f"{name}.weight": weight, f"{name}.bias": bias}
        tensors = {f"{name}.{suffix}": value for suffix, value in self.conv.named_parameters()}
        if prefix is not None:
            tensors |= {f"{prefix}.{suffix}": getattr(self.norm, suffix) for suffix in NORM}
        return tensors


class Dense(nn.Module):
    """A fully connected layer, and the batch norm that is folded into it."""

    def __init__(self, node, fields, weights):
        super().__init__()
        name, prefix = node["name"], node.get("batch_norm")
        outputs, inputs = weights[f"{name}.weight"].shape
        self.linear = nn.Linear(inputs, outputs, bias=fields["bias"])
        for suffix, parameter in self.linear.named_parameters():
            parameter.data.copy_(weights[f"{name}.{suffix}"])
        self.norm = None
        if prefix is not None:
            self.norm = nn.BatchNorm1d(outputs, eps=EPS)
            state = {suffix: weights[f"{prefix}.{suffix}"] for suffix in NORM}
            self.norm.load_state_dict(state, strict=False)

    def forward(self, x):
        x = self.linear(x.flatten(1))
        return x if self.norm is None else self.norm(x)

    def tensors(self, node):
        name, prefix = node["name"], node.get("batch_norm")
        tensors = {f"{name}.{suffix}": value for suffix, value in self.linear.named_parameters()}
        if prefix is not None:
            tensors |= {f"{prefix}.{suffix}": getattr(self.norm, suffix) for suffix in NORM}
        return tensors


class Pool(nn.Module):
    """The largest or the average value of each window."""

    def __init__(self, name, op, fields):
        super().__init__()
        self.own = op.removesuffix("-pool")
        self.average = self.own == "avg"
        window = fields.get("window", fields)
        self.size, self.stride = tuple(window["size"]), tuple(window["stride"])
        self.padding = sides(window["padding"])
        if self.own == "avg" and any(self.padding) and fields["counted"] != window["padding"]:
            raise ValueError(f"{name}: an average that leaves padding out cannot be trained")

    def forward(self, x):
        if any(self.padding):
            x = F.pad(x, self.padding, value=0.0 if self.average else float("-inf"))
        pool = F.avg_pool2d if self.average else F.max_pool2d
        return pool(x, self.size, self.stride)


def own_activation(name, fields):
    """An activation that is no site, on the first of the channels."""
    kind, options = tagged(fields["kind"])
    functions = {
        "relu": F.relu,
        "relu6": F.relu6,
        "leaky-relu": lambda x: F.leaky_relu(x, options["slope"]),
        "square": lambda x: x * x,
        "cube": lambda x: x * x * x,
        "hard-sigmoid": F.hardsigmoid,
    }
    if kind not in functions:
        raise ValueError(f"{name}: `{kind}` cannot be trained")
    function, ratio = functions[kind], fields["ratio"]
    return function if ratio == 1 else lambda x: partial(function, ratio, x)


def partial(function, ratio, x):
    # As nets::graph::leading.
    active = max(math.ceil(ratio * x.shape[1] - 1e-9), 1)
    return torch.cat([function(x[:, :active]), x[:, active:]], dim=1)


def shuffled(x, groups):
    images, channels, *rest = x.shape
    return x.reshape(images, groups, channels // groups, *rest).transpose(1, 2).reshape(x.shape)


def tagged(value):
    """An enum of serde's: its name and its fields."""
    return (value, {}) if isinstance(value, str) else next(iter(value.items()))


def sides(padding):
    """In the order of F.pad."""
    return [padding[side] for side in ("left", "right", "top", "bottom")]


def calibrate(norm, inputs):
    """Takes the moments of values as a batch norm's own, while it computes the same as before."""
    (x,) = inputs
    mean = x.mean((0, 2, 3))
    variance = x.var((0, 2, 3), correction=0)
    scale = norm.weight / torch.sqrt(norm.running_var + norm.eps)
    norm.bias.data += scale * (mean - norm.running_mean)
    norm.weight.data.copy_(scale * torch.sqrt(variance + norm.eps))
    norm.running_mean.copy_(mean)
    norm.running_var.copy_(variance)
