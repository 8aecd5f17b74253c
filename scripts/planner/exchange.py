"""Activations that are exchanged channel by channel for polynomials, for another kind or for none.

An exchanged channel computes (1 - w) guide(x) + w p(x). The guide is the activation that it had,
clipped at 6 as Delphi's is, and w goes from 0 to 1 in training ("gradual activation exchange",
Delphi, section 5.1). A channel without activation has p(x) = x. A polynomial begins as the least
squares fit to the activation over the values that the channel gets once the layers before it are
exchanged: fitted to what it got before, squares of squares of rare large values make nets of many
layers useless. It is trained in z = (x - mean) / deviation of those values, where its coefficients
are of one size; `tensors` expands them to those of x.
"""

import torch
from torch import nn

DEGREES = {"polynomial-0": 0, "polynomial-2": 2, "polynomial-3": 3}
HIGHEST = max(DEGREES.values())
CAPS = {"relu": float("inf"), "relu6": 6.0}
GUIDE_CAP = CAPS["relu6"]
# What a fit counts of each channel: so many of its values, and so many places of its range and a
# little beyond, which have this share of the weight. Without them rare large values grow from layer
# to layer.
MOST_VALUES = 1 << 12
GRID = 64
GRID_SHARE = 0.3
BEYOND = 1.2
# A polynomial's values are clipped in training at so many times the activation's largest.
LIMIT = 1.0


class Exchange(nn.Module):
    """The activation at one site."""

    def __init__(self, kinds):
        """`kinds`: what each channel is before any exchange: relu, relu6 or none."""
        super().__init__()
        channels = len(kinds)
        self.kinds = ["none"] * channels
        self.pending = None
        # Each channel's polynomial in z, and which of its coefficients are trained.
        self.polynomial = nn.Parameter(torch.zeros(HIGHEST + 1, channels))
        self.register_buffer("trained", torch.zeros(HIGHEST + 1, channels))
        self.register_buffer("mean", torch.zeros(channels))
        self.register_buffer("deviation", torch.ones(channels))
        # Where p(x) is clipped in training, and by how much it went beyond.
        self.register_buffer("limit", torch.full((channels,), float("inf")))
        self.excess = 0.0
        # The bound of each channel's activation, w, and which w are on their way from 0 to 1.
        self.register_buffer("cap", torch.full((channels,), float("inf")))
        self.register_buffer("weight", torch.ones(channels))
        self.register_buffer("moving", torch.zeros(channels, dtype=torch.bool))
        self.polynomial.data[1] = 1.0
        self.become(kinds, None)
        self.advance(1.0)

    def exchange(self, kinds):
        """Makes channels of these kinds with the next values that come in."""
        self.pending = list(kinds) if list(kinds) != self.kinds else None

    def advance(self, weight):
        """Sets w of the channels that are being exchanged; at 1 they are."""
        self.weight[self.moving] = weight
        if weight >= 1:
            self.moving[:] = False

    def forward(self, x):
        if self.pending is not None:
            self.become(self.pending, x.detach())
            self.pending = None
        self.excess = 0.0
        if bool((self.weight == 1).all()):
            return self.passed(x)
        caps = torch.where(self.moving, self.cap.clamp(max=GUIDE_CAP), self.cap)
        active = x.relu()
        if bool(caps.isfinite().any()):
            active = torch.minimum(active, spread(caps, x))
        if bool((self.weight == 0).all()):
            return active
        return torch.lerp(active, self.passed(x), spread(self.weight, x))

    def passed(self, x):
        """p(x) of every channel."""
        if all(kind == "none" for kind in self.kinds):
            return x
        # What is not trained gets no gradient.
        polynomial = torch.where(self.trained > 0, self.polynomial, self.polynomial.detach())
        z = (x - spread(self.mean, x)) / spread(self.deviation, x)
        result = spread(polynomial[HIGHEST], x)
        for power in range(HIGHEST - 1, -1, -1):
            result = result * z + spread(polynomial[power], x)
        if not self.training:
            return result
        limit = spread(self.limit, x)
        self.excess = (result.abs() / limit - 1).relu().mean()
        return torch.minimum(torch.maximum(result, -limit), limit)

    def become(self, kinds, x):
        """Makes channels of other kinds, at w = 1, by the values that they get."""
        changed = [channel for channel, kind in enumerate(kinds) if kind != self.kinds[channel]]
        moments = None
        for channel in changed:
            kind = kinds[channel]
            self.trained[:, channel] = 0.0
            self.polynomial.data[:, channel] = 0.0
            self.mean[channel], self.deviation[channel] = 0.0, 1.0
            self.limit[channel] = float("inf")
            if kind in CAPS:
                self.cap[channel], self.weight[channel] = CAPS[kind], 0.0
                self.moving[channel] = False
                continue
            self.weight[channel], self.moving[channel] = 1.0, True
            if kind == "none":
                self.polynomial.data[1, channel] = 1.0
                continue
            moments = moments or standardised(x)
            degree = DEGREES[kind]
            mean, deviation, z = (values[channel] for values in moments)
            self.mean[channel], self.deviation[channel] = mean, deviation
            target = (z * deviation + mean).clamp(0, self.cap[channel].double())
            self.polynomial.data[: degree + 1, channel] = fit(z, target, degree).float()
            self.limit[channel] = LIMIT * target.max().clamp(min=1e-3)
            self.trained[: degree + 1, channel] = 1.0
        self.kinds = list(kinds)

    def tensors(self):
        """What tercet reads of the polynomial channels, in order: `bias` [P] is c_0, `weight` [P,
        D] the rest.
        """
        channels = [channel for channel, kind in enumerate(self.kinds) if kind in DEGREES]
        if not channels:
            return {}
        degree = max(DEGREES[self.kinds[channel]] for channel in channels)
        polynomial = self.polynomial.detach().double().cpu()
        means, deviations = self.mean.double().cpu(), self.deviation.double().cpu()
        rows = torch.stack(
            [
                expanded(polynomial[:, channel], means[channel], deviations[channel])
                for channel in channels
            ]
        )
        tensors = {"bias": rows[:, 0]}
        if degree > 0:
            tensors["weight"] = rows[:, 1 : degree + 1]
        return tensors

    def get_extra_state(self):
        return self.kinds

    def set_extra_state(self, kinds):
        self.kinds = list(kinds)


def standardised(x):
    """Of every channel: mean, deviation, and z of a sample and, GRID long, of its whole range."""
    x = x.transpose(0, 1).flatten(1)
    low, high = x.amin(1, keepdim=True).double(), x.amax(1, keepdim=True).double()
    x = x[:, :: -(-x.shape[1] // MOST_VALUES)].double()
    mean, deviation = x.mean(1), x.std(1, correction=0).clamp(min=1e-3)
    places = torch.linspace(-BEYOND, BEYOND, GRID, dtype=x.dtype, device=x.device)
    grid = (low + high) / 2 + (high - low) / 2 * places
    return mean, deviation, (torch.cat([x, grid], 1) - mean[:, None]) / deviation[:, None]


def fit(z, target, degree):
    """Coefficients c_0 to c_degree of the least squares fit of a target at z, as `standardised`
    gives it.
    """
    sample = len(z) - GRID
    share = torch.full_like(z, (1 - GRID_SHARE) / sample)
    share[sample:] = GRID_SHARE / GRID
    powers = torch.stack([z**power for power in range(degree + 1)])
    # A little weight decay, for channels of few distinct values.
    gram = (share * powers) @ powers.T + 1e-4 * torch.eye(
        degree + 1, dtype=z.dtype, device=z.device
    )
    return torch.linalg.solve(gram, (share * powers) @ target)


def expanded(polynomial, mean, deviation):
    """The coefficients in x of a polynomial in (x - mean) / deviation."""
    scale, shift = 1 / deviation, -mean / deviation
    result = torch.zeros_like(polynomial)
    # Horner's rule: what there is times (shift + scale x), plus the next.
    for coefficient in polynomial.flip(0):
        result = shift * result + scale * torch.cat([result.new_zeros(1), result[:-1]])
        result[0] += coefficient
    return result


def spread(values, x):
    """Values of channels beside those of x, whose second dimension is the channels."""
    return values.reshape(1, -1, *[1] * (x.dim() - 2))
