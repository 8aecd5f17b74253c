"""The space of plans.

A gene of every site says which share of its channels is exchanged, and for what; one of every max
pool, whether it averages; one of the whole net, whether ReLU6 becomes ReLU. Channels are exchanged
in the order of the L1 norm of the weights before them, the least first (SAFENet, equation 3).
Shares are multiples of 1/20, as SAFENet's are.
"""

import copy
from dataclasses import dataclass, field

STEPS = 20
# What channels are exchanged for, and how often each is drawn. Constants lose what a channel knows;
# `none` lets values pass, which is how Shafran et al. remove activations.
SAFENET = {"none": 6, "polynomial-0": 1, "polynomial-2": 8, "polynomial-3": 4}
DELPHI = {"polynomial-2": 1}
# How often a gene mutates, and how small a share may be.
MUTATIONS = 0.3
LEAST = 0.02
# Draws until there is one within bounds.
TRIES = 50


@dataclass(frozen=True)
class Site:
    """An activation that may change."""

    name: str
    # relu or relu6.
    kind: str
    channels: int
    # Of one channel.
    values: int
    # The layer whose outputs its channels are, if there is one.
    before: str = None
    # How many of the channels, the first, have the activation at all; all of them if not given.
    active: int = None

    @property
    def kinds(self):
        """Of every channel."""
        active = self.channels if self.active is None else self.active
        return [self.kind] * active + ["none"] * (self.channels - active)


@dataclass(frozen=True)
class Plan:
    """What each channel of each site is, and what each pool that is no longer as it was."""

    kinds: dict
    pools: dict = field(default_factory=dict)

    def file(self, sites):
        """As a plan file has it, in JSON: only what differs from the net's own."""
        activations = {}
        for site in sites:
            kinds = self.kinds[site.name]
            if kinds == site.kinds:
                continue
            if len(set(kinds)) == 1:
                activations[site.name] = kinds[0]
                continue
            parts = {}
            for channel, kind in enumerate(kinds):
                if kind != site.kinds[channel]:
                    parts.setdefault(kind, []).append(channel)
            activations[site.name] = {kind: ranges(found) for kind, found in parts.items()}
        return {"activations": activations, "pools": dict(self.pools)}


class Space:
    """All plans of a net."""

    def __init__(self, sites, pools, order, exchanges=SAFENET):
        """`pools`: names of the max pools. `order`: each site's channels, the least important
        first.
        """
        self.sites, self.pools, self.order = sites, pools, order
        self.units = [*self.names, *pools]
        self.exchanges = exchanges

    @property
    def names(self):
        return [site.name for site in self.sites]

    def own(self):
        """The genes of the net as it is."""
        return {
            "sites": {name: {"share": 0.0, "kind": "polynomial-2"} for name in self.names},
            "pools": dict.fromkeys(self.pools, 0.0),
            "plain": 0.0,
        }

    def uniform(self, kind, pools=1.0):
        """The genes of one kind everywhere."""
        sites = {name: {"share": 1.0, "kind": kind} for name in self.names}
        return {"sites": sites, "pools": dict.fromkeys(self.pools, pools), "plain": pools}

    def drawn(self, draw, layers):
        """Genes by chance: one kind everywhere or any, of shares in proportion to be scaled."""
        one = self.kind(draw) if draw.random() < 0.5 else None
        # SAFENet's channel-wise plans have one share for all sites.
        even = not layers and draw.random() < 0.3
        sites = {
            name: {
                "share": 1.0 if even else draw.uniform(0.05, 1.0),
                "kind": one or self.kind(draw),
            }
            for name in self.names
        }
        pools = {name: draw.uniform(0.05, 1.0) for name in self.pools}
        return {"sites": sites, "pools": pools, "plain": draw.random()}

    def kind(self, draw):
        """One by chance."""
        return draw.choices(list(self.exchanges), list(self.exchanges.values()))[0]

    def mutated(self, genes, draw):
        """Genes near others: some shares are scaled or moved, and some sites get another kind."""
        genes = copy.deepcopy(genes)
        for gene in genes["sites"].values():
            gene["share"] = moved(gene["share"], draw)
            if draw.random() < MUTATIONS / 3:
                gene["kind"] = self.kind(draw)
        for name, share in genes["pools"].items():
            genes["pools"][name] = moved(share, draw)
        if draw.random() < MUTATIONS:
            genes["plain"] = draw.random()
        return genes

    def regrouped(self, genes, draw, groups, least):
        """Genes with one share and kind for each group of units, of which together at least so many
        values are replaced (SAFENet's tree).
        """
        changed = [self.grouped(genes, groups, draw) for _ in range(TRIES)]
        names = [name for group in groups for name in group]
        enough = [one for one in changed if self.replaced(one, names) >= least]
        return enough[0] if enough else max(changed, key=lambda one: self.replaced(one, names))

    def grouped(self, genes, groups, draw):
        sites, pools = dict(genes["sites"]), dict(genes["pools"])
        for group in groups:
            share, kind = draw.randint(0, STEPS) / STEPS, self.kind(draw)
            for name in group:
                if name in sites:
                    sites[name] = {"share": share, "kind": kind}
                else:
                    pools[name] = float(share >= 0.5)
        return genes | {"sites": sites, "pools": pools, "plain": draw.random()}

    def replaced(self, genes, names):
        """How many values of these units are no longer compared; a pool has none of its own."""
        values = {site.name: site.channels * site.values for site in self.sites}
        return sum(genes["sites"][name]["share"] * values[name] for name in names if name in values)

    def shares(self, genes):
        """Of all units."""
        return [gene["share"] for gene in genes["sites"].values()] + list(genes["pools"].values())

    def layers(self, genes):
        """The share of the units that are replaced whole."""
        shares = self.shares(genes)
        return sum(share >= 1 for share in shares) / len(shares)

    def scaled(self, genes, factor, layers):
        """All shares times a factor. With `layers` a site is exchanged whole if its share comes to
        1.
        """
        sites = {}
        for name, gene in genes["sites"].items():
            share = min(gene["share"] * factor, 1.0)
            sites[name] = gene | {"share": float(share >= 1.0) if layers else share}
        pools = {name: min(share * factor, 1.0) for name, share in genes["pools"].items()}
        return genes | {"sites": sites, "pools": pools}

    def plan(self, genes):
        """The plan of genes."""
        kinds = {}
        for site in self.sites:
            gene = genes["sites"][site.name]
            plain = site.kind == "relu6" and genes["plain"] >= 0.5
            own = [kind if kind != "relu6" or not plain else "relu" for kind in site.kinds]
            exchanged = round(gene["share"] * STEPS) * len(self.order[site.name]) / STEPS
            for channel in self.order[site.name][: round(exchanged)]:
                own[channel] = gene["kind"]
            kinds[site.name] = own
        pools = {name: "avg" for name, share in genes["pools"].items() if share >= 1.0}
        return Plan(kinds, pools)


def importance(sites, weights):
    """Each site's active channels in the order of the L1 norm of the weights before them."""
    order = {}
    for site in sites:
        active = site.channels if site.active is None else site.active
        weight = weights.get(f"{site.before}.weight")
        norms = [0.0] * active
        if weight is not None and weight.shape[0] == site.channels:
            norms = weight.abs().flatten(1).sum(1).tolist()
        order[site.name] = sorted(range(active), key=lambda channel: norms[channel])
    return order


def moved(share, draw):
    """A share that may have changed by PBT's factors and a little; none is too small to scale."""
    if draw.random() >= MUTATIONS:
        return max(share, LEAST)
    return min(
        max(share * draw.choice((0.5, 0.8, 1.25, 2.0)) + draw.uniform(-0.1, 0.1), LEAST), 1.0
    )


def ranges(channels):
    """Channels in order as text: 0-15,20."""
    parts, start = [], channels[0]
    for channel, following in zip(channels, [*channels[1:], None]):
        if following != channel + 1:
            parts.append(f"{start}" if start == channel else f"{start}-{channel}")
            start = following
    return ",".join(parts)
