"""Trainers that train nothing, and the other side of the link."""

import contextlib
import json
import os
import subprocess
import sys
import time
from pathlib import Path

import torch
from safetensors import torch as safetensors

from planner.scores import exchanged
from planner.trainer import Measured

SCRIPTS = Path(__file__).resolve().parents[2]


class Fake:
    """Says that accuracy falls with what is exchanged."""

    def __init__(self, message, seed):
        self.sites = message["sites"]
        self.plan, self.steps = None, 0

    def start(self, plan):
        self.plan = plan

    def step(self, epochs, rate):
        time.sleep(0.05)
        self.steps += 1
        accuracy = 1 - 0.1 * exchanged(self.plan, self.sites)
        return Measured(accuracy, accuracy)

    def save(self, path):
        path.write_text(str(self.steps))

    def load(self, path):
        self.steps = int(path.read_text())

    def export(self, path):
        safetensors.save_file({"a.weight": torch.zeros(1)}, path)


class Moody(Fake):
    """Fails at constants and at cubes of the first site, returns nonsense for cubes of others, dies
    of removed activations.
    """

    def step(self, epochs, rate):
        kinds = {kind for kinds in self.plan.kinds.values() for kind in kinds}
        first = self.plan.kinds[self.sites[0].name]
        if "polynomial-0" in kinds or "polynomial-3" in first:
            raise ArithmeticError("the loss is nan")
        if "polynomial-3" in kinds:
            return Measured(float("nan"), 1.0)
        if "none" in kinds:
            os._exit(3)
        return super().step(epochs, rate)


class Broken(Fake):
    """Never trains."""

    def step(self, epochs, rate):
        raise RuntimeError("out of order")


def start(out, **fields):
    """A start message for a net of two sites and a pool."""
    names = ["input", "a", "a_act", "pool", "b", "b_act"]
    graph = {"nodes": [{"name": name} for name in names]}
    weights = Path(out) / "weights.safetensors"
    tensors = {
        "a.weight": torch.arange(8.0).reshape(4, 2),
        "b.weight": -torch.arange(8.0).reshape(8, 1),
    }
    safetensors.save_file(tensors, weights)
    sites = [
        {"name": "a_act", "kind": "relu", "channels": 4, "values": 16, "before": "a", "active": 4},
        {"name": "b_act", "kind": "relu6", "channels": 8, "values": 4, "before": "b", "active": 8},
    ]
    message = {"graph": graph, "weights": str(weights), "sites": sites, "pools": ["pool"]}
    message |= {
        "floor": 0.0,
        "score": "safenet",
        "search": "pbt",
        "points": 2,
        "seconds": 300,
        "seed": 1,
    }
    message |= {"iterations": 3}
    return message | {"out": str(out), "workers": 2, "trainer": "planner.tests.fake:Fake"} | fields


def cost(plan):
    """A cost that falls with every activation that a plan exchanges."""
    total = 100.0
    values = {"a_act": (4, 16), "b_act": (8, 4)}
    for name, kinds in plan["activations"].items():
        channels, each = values[name]
        parts = {kinds: f"0-{channels - 1}"} if isinstance(kinds, str) else kinds
        for kind, listed in parts.items():
            cheap = {"none": 1.0, "relu": 0.5}.get(kind, 0.9)
            total -= 0.9 * cheap * each * counted(listed)
    return {"cost": total - 3 * len(plan["pools"])}


def counted(listed):
    count = 0
    for part in listed.split(","):
        first, _, last = part.partition("-")
        count += int(last or first) - int(first) + 1
    return count


class Session:
    """A planner's process, spoken with as `tercet plan` does."""

    def __init__(self, message):
        self.process = subprocess.Popen(
            [sys.executable, "-m", "planner"],
            cwd=SCRIPTS,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        self.say({"start": message})
        self.heard = []

    def say(self, message):
        print(json.dumps(message), file=self.process.stdin, flush=True)

    def listen(self, until=lambda kind, fields: False):
        """Answers what is asked, until a message or the end; messages of other kinds are kept."""
        for line in self.process.stdout:
            ((kind, fields),) = json.loads(line).items()
            if kind == "cost":
                self.say(
                    {
                        "costs": {
                            "id": fields["id"],
                            "costs": [cost(plan) for plan in fields["plans"]],
                        }
                    }
                )
                continue
            self.heard.append((kind, fields))
            if until(kind, fields):
                return
        self.errors = self.process.stderr.read()
        self.code = self.process.wait()

    def kill(self):
        self.process.kill()
        self.process.wait()
        for stream in (self.process.stdin, self.process.stdout, self.process.stderr):
            # What was still to be written to it is lost with it.
            with contextlib.suppress(OSError):
                stream.close()

    def all(self, kind):
        return [fields for one, fields in self.heard if one == kind]
