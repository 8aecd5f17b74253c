"""Population based training (Jaderberg et al., 2017) by Ray Tune, on this machine or a cluster."""

import copy
import logging
import os
import time
from pathlib import Path

os.environ |= {
    # Nothing is sent to anybody, folders stay as they are, and only our own results are written.
    "RAY_USAGE_STATS_ENABLED": "0",
    "RAY_CHDIR_TO_TRIAL_DIR": "0",
    "TUNE_DISABLE_AUTO_CALLBACK_LOGGERS": "1",
    "RAY_AIR_NEW_OUTPUT": "0",
    # Whoever wants to be nice says so to all of it.
    "RAY_worker_niceness": "0",
    # Interrupted searches lose a few seconds of what ended.
    "TUNE_GLOBAL_CHECKPOINT_S": "2",
    # Workers find this package.
    "PYTHONPATH": os.pathsep.join(
        [str(Path(__file__).resolve().parents[1]), os.environ.get("PYTHONPATH", "")]
    ),
}

import ray
from ray import tune

from .trial import Trial

# Of the population, how many take the nets of as many others, the best.
QUANTILE = 0.25


class Population:
    """What a population is trained with. One at a time: Tune calls back by way of `current`."""

    current = None

    def __init__(self, folder, explore, report):
        """`explore(candidate)` gives a candidate near another, `report(metrics)` hears of every
        step.
        """
        self.folder, self.explore, self.report = Path(folder), explore, report
        self.began = self.deadline = 0.0
        self.awaited = 0
        Population.current = self

    def train(self, name, candidates, iterations, deadline):
        """Trains candidates until a time, and until so many were measured; their last results, of
        which each has metrics and a checkpoint. What was interrupted goes on where it was.
        """
        self.began, self.deadline = time.monotonic(), deadline
        self.awaited = len(candidates)
        path = self.folder / name
        if tune.Tuner.can_restore(str(path)):
            results = tune.Tuner.restore(str(path), trainable=resourceful()).fit()
        else:
            results = self.tuner(name, candidates, iterations).fit()
        return [
            one for one in results if one.checkpoint and one.metrics and not one.metrics["failed"]
        ]

    def tuner(self, name, candidates, iterations):
        scheduler = None
        if len(candidates) > 1:
            scheduler = tune.schedulers.PopulationBasedTraining(
                time_attr="training_iteration",
                perturbation_interval=1,
                quantile_fraction=QUANTILE,
                custom_explore_fn=explore,
                log_config=False,
            )
        return tune.Tuner(
            resourceful(),
            param_space={"candidate": tune.grid_search(candidates)},
            tune_config=tune.TuneConfig(
                metric="score",
                mode="max",
                scheduler=scheduler,
                reuse_actors=True,
                trial_name_creator=trial_name,
                trial_dirname_creator=trial_name,
            ),
            run_config=tune.RunConfig(
                name=name,
                storage_path=str(self.folder),
                verbose=0,
                stop=Ends(iterations),
                failure_config=tune.FailureConfig(max_failures=1),
                checkpoint_config=tune.CheckpointConfig(checkpoint_frequency=1, num_to_keep=10),
                callbacks=[Reports()],
            ),
        )

    @property
    def time_used(self):
        """Of that of the population, from 0 to 1."""
        return (time.monotonic() - self.began) / max(self.deadline - self.began, 1e-9)


def connect(workers):
    """To the cluster that RAY_ADDRESS names, or to a Ray of this process alone."""
    options = {"log_to_driver": False, "logging_level": "ERROR", "include_dashboard": False}
    if "RAY_ADDRESS" not in os.environ:
        options |= {"num_cpus": workers, "object_store_memory": 128 << 20}
    else:
        del options["include_dashboard"]
    # What fails is reported by us, in one line.
    logging.getLogger("ray.tune").setLevel(logging.CRITICAL)
    ray.init(**options)


def resourceful():
    """A trial takes a core, and its share of the GPUs if there are any."""
    total = ray.cluster_resources()
    needs = {"cpu": 1}
    if total.get("GPU"):
        needs["gpu"] = min(1.0, total["GPU"] / total["CPU"])
    return tune.with_resources(Trial, needs)


def explore(config):
    """As PBT calls it, on a copy of the better trial's config."""
    return {"candidate": Population.current.explore(copy.deepcopy(config["candidate"]))}


def trial_name(trial):
    return trial.trial_id


class Ends(tune.Stopper):
    """A trial ends after so many steps, and all do when the time is over."""

    def __init__(self, iterations):
        self.iterations = iterations

    def __call__(self, trial_id, result):
        return result["training_iteration"] >= self.iterations or self.stop_all()

    def stop_all(self):
        current = Population.current
        return current.awaited <= 0 and time.monotonic() > current.deadline


class Reports(tune.Callback):
    """Passes results on."""

    def on_trial_result(self, iteration, trials, trial, result, **info):
        Population.current.awaited -= 1
        Population.current.report(result)

    def on_trial_error(self, iteration, trials, trial, **info):
        candidate = trial.config["candidate"]
        lines = (trial.error_file and Path(trial.error_file).read_text().strip().splitlines()) or [
            "died"
        ]
        Population.current.awaited -= 1
        Population.current.report(
            {"genes": candidate["genes"], "failed": f"a worker failed: {lines[-1]}"}
        )
