"""Trainers: what tells how accurate a plan is. One needs four methods and can be anything."""

import math
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np
import torch
from safetensors import torch as safetensors
from torch.nn import functional as F

import data
import train

from .network import Network
from .space import Plan


@dataclass(frozen=True)
class Measured:
    """Accuracies from 0 to 1."""

    # On images that steer the search.
    validation: float
    # On images that nothing is chosen by.
    held_out: float


class Trainer(Protocol):
    """A net that changes from plan to plan and keeps its weights in between."""

    def start(self, plan: Plan) -> None:
        """Puts the net that there is under a plan; the first time that is the net as it came."""

    def step(self, epochs: float, rate: float) -> Measured:
        """Trains for so many passes over the data, at this learning rate, and measures."""

    def save(self, path: Path) -> None:
        """All that `load` needs to continue."""

    def load(self, path: Path) -> None:
        """Becomes what was saved."""

    def export(self, path: Path) -> None:
        """Weights for tercet, safetensors."""


# Images at once where nothing is trained.
SCORED = 250
# Those that polynomials and batch norms are fitted to.
FITTED = 512
BATCH = 64
# Delphi, section 5.1, clips every gradient's value at 2. Their norm is bounded too: a value clipped
# at 2 is still a long way for a weight of 0.1.
LARGEST_GRADIENT, LARGEST_NORM = 2.0, 1.0
WEIGHT_DECAY = 2e-4
# How much values of polynomials beyond those of activations weigh in the loss.
EXCESS = 30.0
# Of a step, in which exchanges go from the activation to the polynomial.
RAMP = 0.5
# Of the training images, every so many'th steers the search instead (Delphi, section 7.3: one of
# five).
VALIDATION_STRIDE = 5
# How often these are measured again, moved and mirrored as in training.
MOVED = 3


class TorchTrainer:
    """Stochastic gradient descent, on the data sets of scripts/train/data.py."""

    def __init__(self, message, seed):
        """`message`: the start message's `graph`, `weights`, `data`; and the sites."""
        torch.manual_seed(seed)
        torch.set_num_threads(1)
        self.device = "cuda" if torch.cuda.is_available() else "cpu"
        self.dataset = data.DATASETS[message["data"]["name"]]
        path = message["data"].get("path")
        split, held_out = self.dataset.load(Path(path) if path else self.dataset.folder)
        steering = np.arange(len(split[1])) % VALIDATION_STRIDE == 0
        self.training = tensors((split[0][~steering], split[1][~steering]))
        images, labels = tensors((split[0][steering], split[1][steering]))
        # Few images tell plans apart badly, and all workers must have the same.
        copies = [images] + [train.augmented(images, self.dataset) for _ in range(MOVED)]
        self.validation = torch.cat(copies), labels.repeat(len(copies))
        self.held_out = tensors(held_out)
        weights = safetensors.load_file(message["weights"])
        weights = {name: tensor.float() for name, tensor in weights.items()}
        net = Network(message["graph"], weights, message["sites"])
        self.net = net.to(self.device, memory_format=torch.channels_last)
        self.net.calibrate(self.input(self.training[0][:FITTED]))
        self.plan = None

    def start(self, plan):
        if plan != self.plan:
            self.net.exchange(
                plan, self.input(train.augmented(self.training[0][:FITTED], self.dataset))
            )
            self.plan = plan

    def step(self, epochs, rate):
        images, labels = self.training
        steps = round(epochs * (len(images) // BATCH))
        optimizer = torch.optim.SGD(
            self.net.parameters(), lr=rate, momentum=0.9, nesterov=True, weight_decay=WEIGHT_DECAY
        )
        schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, max(steps, 1))
        rows = iter(())
        self.net.train()
        for step in range(steps):
            self.net.advance(min(step / (RAMP * steps), 1.0))
            batch = [row for row, _ in zip(rows, range(BATCH))]
            if len(batch) < BATCH:
                rows = iter(torch.randperm(len(images)).tolist())
                batch = [row for row, _ in zip(rows, range(BATCH))]
            x = self.input(train.augmented(images[batch], self.dataset))
            optimizer.zero_grad()
            loss = F.cross_entropy(self.net(x), labels[batch].to(self.device))
            if not math.isfinite(loss.item()):
                raise ArithmeticError(
                    f"the loss is {loss.item()}; a smaller learning rate may help"
                )
            (loss + EXCESS * self.net.excess()).backward()
            torch.nn.utils.clip_grad_value_(self.net.parameters(), LARGEST_GRADIENT)
            torch.nn.utils.clip_grad_norm_(self.net.parameters(), LARGEST_NORM)
            optimizer.step()
            schedule.step()
        self.net.advance(1.0)
        return Measured(self.accuracy(self.validation), self.accuracy(self.held_out))

    def accuracy(self, split):
        right = 0
        for images, labels in zip(*(part.split(SCORED) for part in split)):
            logits = self.net.evaluate(self.input(images)).cpu()
            right += int((logits.argmax(1) == labels).sum())
        return right / len(split[1])

    def input(self, images):
        images = train.normalised(images, self.dataset)
        return images.to(self.device, memory_format=torch.channels_last)

    def save(self, path):
        torch.save({"net": self.net.state_dict(), "plan": self.plan}, path)

    def load(self, path):
        # Its own file: plans are no tensors.
        state = torch.load(path, weights_only=False, map_location=self.device)
        self.net.load_state_dict(state["net"])
        self.plan = state["plan"]
        for name, pool in self.net.pools.items():
            pool.average = self.plan.pools.get(name, pool.own) == "avg"

    def export(self, path):
        safetensors.save_file(self.net.tensors(), path)


def tensors(split):
    return torch.from_numpy(split[0]), torch.from_numpy(split[1].astype(np.int64))
