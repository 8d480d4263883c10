"""Tasks: prepare data, train a trial up to an epoch, evaluate or benchmark it, rank its network."""

from __future__ import annotations

import functools
import json
import re
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, Literal, get_args

from jobs import benchmark
from jobs.atomic import json_digest
from jobs.catalog import corruptions, reference
from jobs.errors import BadSpec

if TYPE_CHECKING:
    from jobs.spec.keys import Weights
    from jobs.spec.networks import Colour
    from jobs.spec.recipe import Recipe

Kind = Literal["prepare", "train", "evaluate", "rank", "bench"]
KINDS: tuple[Kind, ...] = get_args(Kind)
NAME = re.compile(r"[a-z0-9][a-z0-9-]{0,99}")
ID = re.compile(rf"({'|'.join(KINDS)})\.({NAME.pattern})\.([0-9]{{4,7}})(?:\.(.*))?", re.DOTALL)

ON = "on-"
"""Begins the part of a task id that names other data: `evaluate.<trial>.0030.on-<data set>`."""


@dataclass(frozen=True, slots=True)
class Task:
    """One unit of work.

    `subject` is the name of a trial, or of a data set if `kind` is `prepare`; `epoch` is then 0. A
    trial is ranked at epoch 0 too: with the weights that it would begin with.
    `corruption` is the corruption level of an evaluation, such as `blur-3`. It is empty for
    uncorrupted images. `data` is the data set of an evaluation on other data than the test images.
    `way` says how a trial is benchmarked.
    """

    kind: Kind
    subject: str
    epoch: int = 0
    corruption: str = ""
    data: str = ""
    way: benchmark.Way | None = None

    @property
    def id(self) -> str:
        """The task id that a message carries, such as `train.resnet34-s0-1f3a9c2e.0010`."""
        suffix = f".{self.corruption}" if self.corruption else ""
        suffix = f".{ON}{self.data}" if self.data else suffix
        suffix = suffix if self.way is None else f".{self.way.suffix}"
        return f"{self.kind}.{self.subject}.{self.epoch:04d}{suffix}"

    @property
    def is_test(self) -> bool:
        """Whether it evaluates on the test images as they are."""
        return self.kind == "evaluate" and not (self.corruption or self.data)

    @property
    def lease_key(self) -> str:
        """Lease key, shared by all trainings of a trial: only one worker trains it at a time.

        Also shared by all benchmarks on a host, which would slow one another down.
        """
        if self.way is not None:
            return f"alone-on.{self.way.host}"
        return f"train.{self.subject}" if self.kind == "train" else self.id

    @property
    def needs_training(self) -> bool:
        """Whether it uses the network as trained up to its epoch."""
        return self.kind in ("evaluate", "bench")

    @classmethod
    @functools.lru_cache(maxsize=1 << 17)  # a large plan parses the same ids repeatedly
    def parse(cls, task_id: str) -> Task:
        """Parse a task id; raises `BadSpec` if it is invalid.

        Names that would lead outside the store are invalid too.
        """
        match = ID.fullmatch(task_id)
        kind, subject, epoch, suffix = match.groups() if match else ("", "", "", None)
        data = suffix[len(ON) :] if suffix and suffix.startswith(ON) else ""
        way = benchmark.read_way(suffix or "") if kind == "bench" else None
        if match is None or not _may_end(kind, suffix, data, way):
            raise BadSpec(
                f"{task_id[:120]!r} is not a task id; one looks like "
                "'train.resnet34-s0-1f3a9c2e.0010'."
            )
        corruption = "" if data or way else suffix or ""
        return cls(kind, subject, int(epoch), corruption, data, way)  # type: ignore[arg-type]


def _may_end(kind: str, suffix: str | None, data: str, way: benchmark.Way | None) -> bool:
    """Whether the id of a task of this kind may end so."""
    if kind == "bench" or suffix is None:
        return (way is not None) == (kind == "bench")
    return kind == "evaluate" and bool(NAME.fullmatch(data) or _is_corruption_level(suffix))


def _is_corruption_level(word: str) -> bool:
    try:
        return corruptions.level_name(*corruptions.parse_level(word)) == word
    except ValueError:
        return False


@dataclass(frozen=True, slots=True)
class TrialNetwork:
    """What a trial's network is beyond its name; a network of the study needs none of it.

    `source` is the checksum of an own file and `weights` the name of an own weights file, both kept
    in the store. Images are normalised with `mean` and `deviation`.
    """

    mean: Colour
    deviation: Colour
    source: str | None = None
    weights: str | None = None

    @property
    def files(self) -> tuple[str, ...]:
        """The names of its own files in the store."""
        from jobs.spec.networks import own_files

        return own_files(self.source, self.weights)

    def as_dict(self) -> dict[str, Any]:
        """The values as plain JSON, without those that are absent."""
        values = {"mean": list(self.mean), "deviation": list(self.deviation)}
        files = {"source": self.source, "weights": self.weights}
        return values | {key: value for key, value in files.items() if value is not None}

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> TrialNetwork:
        """The inverse of `as_dict`; raises `ValueError`."""
        from jobs.spec.networks import Network

        checked = Network(**values)
        if checked.mean is None or checked.deviation is None:
            raise ValueError("its network lacks mean or deviation")
        return cls(checked.mean, checked.deviation, checked.source, checked.weights)


@dataclass(frozen=True, slots=True)
class Trial:
    """One training of one backbone: (data set, backbone, weights, recipe, seed, network)."""

    data: str
    backbone: str
    weights: Weights
    recipe: Recipe
    seed: int
    network: TrialNetwork | None = None

    @property
    def name(self) -> str:
        """Readable prefix and a hash of all inputs that affect results: `resnet34-s0-1f3a9c2e`."""
        source = None if self.network is None else self.network.source
        slug = reference.slug(self.backbone, source)
        return f"{slug}-s{self.seed}-{json_digest(self.as_dict())[:8]}"

    @property
    def identity(self) -> str:
        """The label of its network; of an own file also the first digits of its checksum."""
        source = None if self.network is None else self.network.source
        return self.backbone if source is None else f"{self.backbone}-{source[: reference.DIGITS]}"

    @property
    def recipe_text(self) -> str:
        """The recipe as JSON, as the column `recipe` of the results holds it."""
        return json.dumps(self.as_dict()["recipe"])

    def as_dict(self) -> dict[str, Any]:
        """The trial as plain JSON values."""
        from jobs.spec.model import named_by

        return {
            "data": self.data,
            "backbone": self.backbone,
            "weights": self.weights,
            "recipe": named_by(self.recipe),
            "seed": self.seed,
            **({} if self.network is None else {"network": self.network.as_dict()}),
        }

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> Trial:
        """The inverse of `as_dict`."""
        from jobs.spec.model import Recipe

        return cls(
            values["data"],
            values["backbone"],
            values["weights"],
            Recipe(**values["recipe"]),
            values["seed"],
            TrialNetwork.from_dict(values["network"]) if values.get("network") else None,
        )


def backbone_and_seed(trial: str) -> tuple[str, int]:
    """Extract backbone and seed from a trial name; `(trial, 0)` if it contains no seed."""
    backbone, _, rest = trial.rpartition("-s")
    seed = rest.partition("-")[0]
    return (backbone, int(seed)) if seed.isdecimal() else (trial, 0)


@dataclass(frozen=True, slots=True)
class TaskRequest:
    """The request that a worker gives to the child process that executes a task.

    `work_folder` is the attempt's own empty folder. `period` is the period of the trial that the
    task completes. `device` is `cpu` or `cuda`; only the pinned device is visible. `threads` is the
    number of CPU threads.

    `checkpoint_every_s` is the time in seconds between checkpoints within an epoch. None means
    only at the end of the epoch. `alone` means that no other task of this worker runs on the
    device. Running out of memory is then caused by the task itself.
    """

    task: str
    store: str
    attempt: str
    work_folder: str
    period: int
    device: str
    threads: int
    weights_dir: str | None
    checkpoint_every_s: float | None = 300.0
    alone: bool = True

    def as_dict(self) -> dict[str, Any]:
        """The request as plain JSON values."""
        return asdict(self)


CHILD_ENTRY = "models.entrypoint:main"
"""Entry point of a child process: `main(request, tell, should_stop)` returns the task result.

It is loaded by name, so that `workers` does not import `models`.
"""
