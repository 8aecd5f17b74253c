"""The search for plans.

`pbt` follows Delphi's planner (Fig. 6): for one number of exchanged layers after the other (with
SAFENet's score: for one share of the cost after the other) a population of plans that have it is
trained, the worst taking the nets of the best and a mutated plan; in the last part of the time
learning rates alone are mutated. Unlike there, a population begins with the best net of the one
before. `tree` is SAFENet's Algorithm 1.
"""

import json
import math
import random
import time
from dataclasses import asdict
from pathlib import Path

from .population import Population
from .scores import exchanged
from .space import DELPHI, SAFENET, Space, importance

# Passes over the data between two measurements.
EPOCHS = 1
# The most that one population is trained, whatever the time, and from when on only learning rates
# change.
ITERATIONS = 16
RATES_ONLY = 0.7
# Learning rates at the start, and where they stay.
RATES = (1e-3, 1e-2)
RATE_BOUNDS = (1e-4, 3e-2)
POPULATION = 4
# As what costs count that can vanish.
SMALLEST = 0.01
# By which shares of channels are scaled until a plan costs what it should.
FACTORS = [1.25**power for power in range(-12, 18)]


class Failed(Exception):
    """There is nothing to search from."""


class Search:
    """One search, over messages with `tercet plan`."""

    def __init__(self, link, start, weights):
        """`start` is the start message with its sites as such, `weights` the tensors of the net."""
        self.link, self.start = link, start
        self.by_layers = start["score"] == "delphi"
        order = importance(start["sites"], weights)
        exchanges = DELPHI if self.by_layers else SAFENET
        self.space = Space(start["sites"], start["pools"], order, exchanges)
        places = {node["name"]: place for place, node in enumerate(start["graph"]["nodes"])}
        self.space.units.sort(key=places.get)
        self.folder = Path(start["out"]).resolve() / "search"
        self.memory = Memory(self.folder)
        self.populations = Population(self.folder / "tune", self.explored, self.report)
        self.end = time.monotonic() + start["seconds"] - self.memory.seconds
        self.run = None
        own, least = link.costs(self.files([self.space.own(), self.space.uniform("none")]))
        self.own, self.span = own["cost"], max(own["cost"] - least["cost"], 1e-12)

    def everything(self):
        """The whole search."""
        message = self.start | {"sites": [asdict(site) for site in self.space.sites]}
        message |= {"order": self.space.order, "out": str(self.folder.parent)}
        (self.folder / "start.json").write_text(json.dumps(message))
        own = self.population("own", [self.space.own()], {}, None, epochs=0)
        {"pbt": self.by_targets, "tree": self.by_tree}[self.start["search"]](own)

    def by_targets(self, best):
        """Delphi's Fig. 6."""
        points = self.start["points"]
        for index in range(points):
            target = self.target((index + 1) / points)
            name = f"{'layers' if self.by_layers else 'saved'}-{target:.3f}"
            draw = self.draw(name)
            genes = [self.space.mutated(best["genes"], draw) for _ in range(POPULATION // 2)]
            genes += [
                self.space.drawn(draw, self.by_layers) for _ in range(POPULATION - len(genes))
            ]
            genes = [self.fitted(one, target) for one in genes]
            if index == points - 1:
                # No comparison at all is the end of the front, with squares or with nothing.
                genes[-2:] = [self.space.uniform(kind) for kind in ("none", "polynomial-2")]
            best = self.population(name, genes, {"target": target}, best, runs_left=points - index)

    def target(self, part):
        """What a population should have, of all: from half of the layers to all, as Delphi has it,
        or the share of the cost saved by which each costs the same part less than the one before.
        """
        if self.by_layers:
            return 0.5 + 0.5 * part
        least = self.own - self.span
        ratio = max(least, self.own * SMALLEST) / self.own
        return min(self.own * (1 - ratio**part) / self.span, 1.0)

    def by_tree(self, best):
        """SAFENet's Algorithm 1. Children replace at least what their parent did, as its text has
        it (its line 7 says at most).
        """
        everything = self.space.units
        levels = max(math.ceil(math.log2(len(everything))), 1)
        left = 2**levels + 1
        candidates, level = [], [everything]

        def train(name, groups, least):
            nonlocal best, left
            moves, draw = {"groups": groups, "least": least}, self.draw(name)
            genes = [self.space.regrouped(best["genes"], draw, **moves) for _ in range(POPULATION)]
            found = self.population(name, genes, moves, best, runs_left=left)
            best, left = max(best, found, key=lambda one: one["rank"]), left - 1

        train("tree-0", level, 0.0)
        for depth in range(1, levels + 1):
            children = []
            for index, group in enumerate(level):
                middle = (len(group) + 1) // 2
                halves = [half for half in (group[:middle], group[middle:]) if half]
                if len(halves) > 1:
                    least = self.space.replaced(best["genes"], group)
                    train(f"tree-{depth}-{index}", halves, least)
                children += halves
            level = children
            if best["accuracy"] >= self.start["floor"]:
                candidates.append((best, level))
        best, level = max(candidates, key=lambda one: one[0]["rank"], default=(best, level))
        train("tree-last", level, 0.0)

    def population(self, name, genes, moves, best, runs_left=1, epochs=EPOCHS):
        """The best of a population that begins with the net of `best` and gets its share of the
        time.
        """
        if (known := self.memory.runs.get(name)) is not None:
            return known
        now = time.monotonic()
        if best and now >= self.end:
            return best
        self.run = name
        draw = self.draw(f"{name}/rates")
        candidates = [
            {
                "genes": one,
                "cost": cost,
                "moves": moves,
                "epochs": epochs,
                "rate": math.exp(draw.uniform(*map(math.log, RATES))),
                "from": best and best["checkpoint"],
                "start": str(self.folder / "start.json"),
            }
            for one, cost in zip(genes, self.costs(genes))
        ]
        random.seed(f"{self.start['seed']}/{name}/tune")
        deadline = now + (self.end - now) / runs_left
        # The net as it came is measured, however long that takes.
        deadline, iterations = (
            (deadline, self.start.get("iterations", ITERATIONS)) if epochs else (math.inf, 1)
        )
        trained = self.populations.train(name, candidates, iterations, deadline)
        if not trained:
            if best is None:
                raise Failed("the net as it is could not be measured: see above")
            return best
        found = max(trained, key=lambda one: self.rank(one.metrics))
        kept = {key: found.metrics[key] for key in ("genes", "accuracy")}
        kept |= {"rank": self.rank(found.metrics), "checkpoint": found.checkpoint.path}
        self.memory.keep(name, kept)
        return kept

    def rank(self, metrics):
        """By the score, of those that reach the floor if any do."""
        return [metrics["accuracy"] >= self.start["floor"], metrics["score"]]

    def explored(self, candidate):
        """What PBT calls exploring."""
        moves, genes = candidate["moves"], candidate["genes"]
        low, high = RATE_BOUNDS
        candidate["rate"] = min(max(candidate["rate"] * random.choice((0.6, 0.8, 1.25)), low), high)
        candidate["from"] = None
        if self.populations.time_used < RATES_ONLY:
            if "groups" in moves:
                genes = self.space.regrouped(genes, random, **moves)
            else:
                genes = self.fitted(self.space.mutated(genes, random), moves["target"])
            candidate["genes"], (candidate["cost"],) = genes, self.costs([genes])
        return candidate

    def fitted(self, genes, target):
        """Genes whose shares are scaled so that the plan comes as near to a target as can be."""
        factors = FACTORS
        if self.by_layers:
            factors = [1 / share for share in self.space.shares(genes) if share > 0]
        scaled = [self.space.scaled(genes, factor, self.by_layers) for factor in factors]
        if self.by_layers:
            gone = [self.space.layers(one) for one in scaled]
        else:
            gone = [cost["saved"] for cost in self.costs(scaled)]
        return min(zip(scaled, gone), key=lambda one: abs(one[1] - target))[0]

    def costs(self, genes):
        """What scores need to know of plans."""
        plans = [self.space.plan(one) for one in genes]
        costs = self.link.costs([plan.file(self.space.sites) for plan in plans])
        return [
            {
                "saved": (self.own - cost["cost"]) / self.span,
                "exchanged": exchanged(plan, self.space.sites),
            }
            for plan, cost in zip(plans, costs)
        ]

    def files(self, genes):
        return [self.space.plan(one).file(self.space.sites) for one in genes]

    def report(self, metrics):
        """Passes on what was measured."""
        (plan,) = self.files([metrics["genes"]])
        if metrics["failed"] is None:
            fields = {key: metrics[key] for key in ("accuracy", "held_out", "weights", "epochs")}
            self.link.send("result", plan=plan, **fields)
        else:
            self.link.send("failure", plan=plan, reason=metrics["failed"])
        left = max(self.end - time.monotonic(), 0.0)
        self.memory.tick(self.start["seconds"] - left)
        self.link.send("progress", run=self.run, seconds_left=left)

    def draw(self, name):
        return random.Random(f"{self.start['seed']}/{name}")


class Memory:
    """What populations came to, and the time that they took, for searches that go on after an
    interruption.
    """

    def __init__(self, folder):
        self.file = folder / "state.json"
        folder.mkdir(parents=True, exist_ok=True)
        state = json.loads(self.file.read_text()) if self.file.exists() else {}
        self.runs, self.seconds = state.get("runs", {}), state.get("seconds", 0.0)

    def keep(self, name, run):
        self.runs[name] = run
        self.write()

    def tick(self, seconds):
        self.seconds = seconds
        self.write()

    def write(self):
        whole = self.file.with_suffix(".new")
        whole.write_text(json.dumps({"runs": self.runs, "seconds": self.seconds}))
        whole.replace(self.file)
