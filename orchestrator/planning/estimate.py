"""Time and disk that a plan needs, from what was measured; what never was is named, not guessed."""

from __future__ import annotations

import contextlib
import statistics
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from jobs import atomic
from jobs.errors import OrchError
from jobs.plan import Plan
from jobs.store import codec
from jobs.store.records import CheckpointRecord, NumericsRecord
from jobs.store.store import Store
from jobs.task import Task, Trial
from orchestrator.planning.images import Images
from orchestrator.planning.tasks import PlannedTask
from orchestrator.planning.workers import PlannedWorker
from workers.scheduling import throughput

ENOUGH = 20
"""Records that are read of one kind of measurement."""
SAME_SIZE = ("optimiser", "ema", "finetune", "precision")
"""Settings that determine what a checkpoint holds, besides the network."""


@dataclass(frozen=True, slots=True)
class Estimate:
    """What a plan takes. `not_measured` says what the figures leave out; None: nothing is known.

    `work_s` is the time of all tasks one after the other, `finish_s` that until the last one ends
    on `workers` workers. `data_bytes` are new prepared images, `checkpoint_bytes` new checkpoints.
    """

    work_s: float | None
    finish_s: float | None
    workers: int
    checkpoint_bytes: int | None
    data_bytes: int | None
    not_measured: tuple[str, ...]


@dataclass(slots=True)
class Measured:
    """What the store knows of each backbone, read when it is first asked for."""

    store: Store
    trials: Mapping[str, Sequence[Trial]]
    sizes: Mapping[str, int]
    _seconds_an_image: dict[tuple[str, int], float | None] = field(default_factory=dict)

    def training_rate(self, worker: PlannedWorker, trial: Trial) -> float | None:
        """Images per second of a worker in such a training; None if it was never measured there.

        On a CPU the rate depends on the threads; where those of the trial are not decided, it is
        the median over the measured ones.
        """
        name = trial.identity + ("" if trial.recipe.finetune == "full" else "+head")
        kind = throughput.training_kind(name, self.sizes[trial.data], None)
        if kind in worker.rates:
            return worker.rates[kind]
        if (exact := f"{kind}x{self._threads(trial)}") in worker.rates:
            return worker.rates[exact]
        others = [rate for known, rate in worker.rates.items() if known.startswith(f"{kind}x")]
        return statistics.median(others) if others else None

    def evaluation_s(self, trial: Trial) -> float | None:
        """Seconds per image of an evaluation of this network at this size, wherever measured."""
        key = trial.backbone, self.sizes[trial.data]
        if key not in self._seconds_an_image:
            times = list(self._evaluations(*key))
            self._seconds_an_image[key] = statistics.median(times) if times else None
        return self._seconds_an_image[key]

    def preparation_s(self, data: str) -> float | None:
        """Seconds per image of preparing a data set of this size, wherever measured."""
        times = []
        for name in atomic.list_names(self.store.all_data_folder)[:ENOUGH]:
            with contextlib.suppress(OrchError, OSError):
                result = self.store.done(Task("prepare", name))
                same = self.store.described(name).settings.image_size == self.sizes[data]
                if same and result and result.seconds and result.images:
                    times.append(float(result.seconds) / result.images)
        return statistics.median(times) if times else None

    def checkpoint_bytes(self, trial: Trial) -> int | None:
        """Bytes of a checkpoint of such a trial: the largest of the recorded ones."""
        sizes = [0]
        for other in self.trials.get(trial.backbone, ()):
            if all(getattr(other.recipe, k) == getattr(trial.recipe, k) for k in SAME_SIZE):
                folder = self.store.checkpoints_folder(other.name)
                for name in atomic.list_names(folder):
                    if name.endswith(".json"):
                        with contextlib.suppress(OrchError, OSError):
                            record = codec.read(folder / name, CheckpointRecord)
                            sizes.append(record.bytes if record else 0)
        return max(sizes) or None

    def _threads(self, trial: Trial) -> int | None:
        with contextlib.suppress(OrchError, OSError):
            record = codec.read(self.store.numerics_path(trial.name), NumericsRecord)
            return record.threads if record else None
        return None

    def _evaluations(self, backbone: str, size: int) -> Iterator[float]:
        read = 0
        for trial in self.trials.get(backbone, ()):
            with contextlib.suppress(OrchError, OSError):
                if self.store.described(trial.data).settings.image_size != size:
                    continue
                for epoch in self.store.target_epochs(trial.name):
                    result = self.store.done(Task("evaluate", trial.name, epoch))
                    if read < ENOUGH and result and result.seconds and result.total:
                        read += 1
                        yield float(result.seconds) / result.total


def estimate(
    plan: Plan,
    tasks: Sequence[PlannedTask],
    images: Images,
    workers: Sequence[PlannedWorker],
    measured: Measured,
    stored_sides: Mapping[str, int],
) -> Estimate:
    """Time and disk of the tasks that are left; `stored_sides` are those of the data sets."""
    left = [task for task in tasks if task.state in ("new", "resumes")]
    unknown = dict[str, None]()
    preparing = [_preparing(task, images, measured, unknown) for task in left]
    chains = {
        trial.name: _chain(trial, left, images, workers, measured, unknown) for trial in plan.trials
    }
    finish, work = _schedule(list(chains.values()), len(workers))
    preparation = sum(preparing)
    known = bool(preparation or work)
    if not workers and left:
        unknown["no worker is alive, and none would be started here"] = None
    nothing = not left
    checkpoints = _checkpoints(plan.trials, left, measured, unknown)
    new_data = [task.subject for task in left if task.kind == "prepare"]
    data = sum(images.total * stored_sides[name] ** 2 * 3 for name in new_data)
    return Estimate(
        preparation + work if known or nothing else None,
        preparation + finish if (known and workers) or nothing else None,
        len(workers),
        checkpoints,
        data,
        tuple(unknown),
    )


def _preparing(
    task: PlannedTask, images: Images, measured: Measured, unknown: dict[str, None]
) -> float:
    if task.kind != "prepare":
        return 0.0
    seconds = measured.preparation_s(task.subject)
    if seconds is None:
        size = measured.sizes[task.subject]
        unknown[f"preparing images of {size} px"] = None
        return 0.0
    return seconds * images.total


def _chain(
    trial: Trial,
    left: Sequence[PlannedTask],
    images: Images,
    workers: Sequence[PlannedWorker],
    measured: Measured,
    unknown: dict[str, None],
) -> list[float]:
    """Seconds of a trial's tasks on each worker; those never measured count nothing."""
    own = [task for task in left if task.subject == trial.name]
    epochs = sum(task.epochs or 0 for task in own)
    tests = sum(task.kind == "evaluate" for task in own)
    rates = [measured.training_rate(worker, trial) for worker in workers]
    known = [rate for rate in rates if rate]
    size = measured.sizes[trial.data]
    if epochs and workers and not known:
        unknown[f"training {trial.backbone} at {size} px on these workers"] = None
    each = measured.evaluation_s(trial)
    if (epochs or tests) and each is None:
        unknown[f"evaluating {trial.backbone} at {size} px"] = None
    looking = (each or 0.0) * (epochs * images.validation + tests * images.test)
    typical = statistics.median(known) if known else None
    seconds = [
        epochs * images.train / rate if (rate := own_rate or typical) else 0.0 for own_rate in rates
    ]
    return [looking + one for one in seconds]


def _schedule(chains: Sequence[Sequence[float]], workers: int) -> tuple[float, float]:
    """When the last worker is idle, and the sum of all seconds; the longest trial begins first.

    Each trial goes to the worker that would end it first, and stays there.
    """
    if not workers:
        return 0.0, 0.0
    busy, work = [0.0] * workers, 0.0
    for chain in sorted(chains, key=lambda chain: -min(chain)):
        place = min(range(workers), key=lambda index: busy[index] + chain[index])
        busy[place] += chain[place]
        work += chain[place]
    return max(busy), work


def _checkpoints(
    trials: Sequence[Trial],
    left: Sequence[PlannedTask],
    measured: Measured,
    unknown: dict[str, None],
) -> int | None:
    """Bytes of the checkpoints at the target epochs that are left; None if none is known."""
    total, known = 0, False
    for trial in trials:
        count = sum(task.subject == trial.name and task.kind == "train" for task in left)
        size = measured.checkpoint_bytes(trial) if count else 0
        if size is None:
            unknown[f"the size of a checkpoint of {trial.backbone}"] = None
        else:
            total, known = total + count * size, True
    return total if known or not trials else None
