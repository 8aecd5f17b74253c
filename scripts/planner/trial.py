"""One member of a population, as Ray Tune runs it."""

import json
import random
import time
from importlib import import_module
from pathlib import Path

from ray import tune

from .scores import SCORES
from .space import Site, Space

STATE, NET = "trial.json", "net"


class Trial(tune.Trainable):
    """Trains one plan for a while at every step. What goes wrong ends no trial: its score is the
    worst, so that it takes another's net and a plan near that one's.
    """

    def setup(self, config):
        self.trainer = None
        self.epochs = 0
        self.reset_config(config)

    def reset_config(self, config):
        self.candidate = config["candidate"]
        return True

    def step(self):
        candidate = self.candidate
        result = {"genes": candidate["genes"], "score": -1.0, "failed": None}
        try:
            if self.trainer is None:
                self.begin(candidate["from"])
            self.trainer.start(self.space.plan(candidate["genes"]))
            measured = self.trainer.step(candidate["epochs"], candidate["rate"])
            self.epochs += candidate["epochs"]
            for what in ("validation", "held_out"):
                accuracy = getattr(measured, what)
                if not (isinstance(accuracy, float) and 0 <= accuracy <= 1):
                    raise ValueError(f"the trainer says that the {what} accuracy is {accuracy!r}")
            result |= {"accuracy": measured.validation, "held_out": measured.held_out}
            result |= {"epochs": self.epochs, "weights": str(self.exported())}
            score = SCORES[self.message["score"]]
            result["score"] = score(measured.validation, candidate["cost"])
        except Exception as error:
            self.trainer = None
            result["failed"] = f"{type(error).__name__}: {error}"
        return result

    def begin(self, path):
        """A trainer, at what an earlier population left."""
        self.message = json.loads(Path(self.candidate["start"]).read_text())
        self.message["sites"] = [Site(**site) for site in self.message["sites"]]
        module, name = self.message.get("trainer", "planner.trainer:TorchTrainer").split(":")
        self.trainer = getattr(import_module(module), name)(self.message, self.message["seed"])
        sites, pools = self.message["sites"], self.message["pools"]
        self.space = Space(sites, pools, self.message["order"])
        if path:
            self.load_checkpoint(path)

    def exported(self):
        """A file of its own for every measurement: whoever reads it may move it."""
        folder = Path(self.message["out"]) / "search" / "weights"
        folder.mkdir(parents=True, exist_ok=True)
        path = (
            folder
            / f"{time.time_ns():x}-{random.SystemRandom().randrange(1 << 32):08x}.safetensors"
        )
        self.trainer.export(path)
        return path

    def save_checkpoint(self, folder):
        folder = Path(folder)
        (folder / STATE).write_text(
            json.dumps({"epochs": self.epochs, "net": self.trainer is not None})
        )
        if self.trainer is not None:
            self.trainer.save(folder / NET)

    def load_checkpoint(self, folder):
        folder = Path(folder)
        state = json.loads((folder / STATE).read_text())
        self.epochs = state["epochs"]
        if self.trainer is None:
            self.begin(None)
        if state["net"]:
            self.trainer.load(folder / NET)
