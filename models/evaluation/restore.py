"""Restore a network from the checkpoint of a finished training."""

from __future__ import annotations

from jobs.errors import BadCheckpoint
from jobs.store.store import Store
from jobs.task import Task
from models.checkpoints import files
from models.networks import of_trial
from models.runtime import device
from models.training import numerics
from models.training.learner import Learner


def learner(store: Store, trained: Task, classes: int, on: str) -> Learner:
    """The network on the device `on`, with the precision and threads of its training.

    Raises `BadCheckpoint` when nothing is trained up to the task's epoch, or when the checkpoint is
    truncated, corrupted, missing, or of another trial. Raises `NetworkDiffers` when a library
    builds another network here.
    """
    result = store.done(trained)
    if result is None or result.checkpoint is None:
        raise BadCheckpoint(
            f"{trained.subject} is not trained up to epoch {trained.epoch} yet, so there is no "
            f"checkpoint."
        )
    trial, path = store.load_trial(trained.subject), store.root / result.checkpoint
    if not path.exists():
        raise BadCheckpoint(
            f"the checkpoint {path} is missing. Train the trial again, or choose another --period."
        )
    contents = files.read(path, trial.name)
    settled = numerics.kept(store.numerics_path(trial.name))
    network = of_trial.restored(store, trial, classes, contents.network)
    where = device.pick(on, trial.recipe.deterministic)
    shown = of_trial.normalisation_of(trial)
    # The checkpoint's network is the average already; another would hold an unused copy.
    recipe = trial.recipe.model_copy(update={"ema": None})
    return Learner.of(network, recipe, trial.seed, where, settled.precision, normalisation=shown)
