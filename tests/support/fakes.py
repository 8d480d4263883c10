"""A run as if it had been trained, recorded and published through the real store."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from jobs import plan
from jobs.catalog.reference import outside_catalog
from jobs.data.data_source import DataSource, ImageFile
from jobs.spec import model
from jobs.spec.networks import STUDY
from jobs.store import splits
from jobs.store.runs import Run
from jobs.store.store import Store
from jobs.task import Task
from support.fake_attempts import SUBMITTED_AT, write_attempt_row, write_failure
from support.fake_images import ANIMALS, Manifest, fake_manifest
from support.fake_outcomes import corrupted, evaluated, prepared, trained


def fill_store(
    root: Path,
    *,
    backbones: str | Sequence[str] = "all",
    classes: Sequence[str] = ANIMALS,
    images_a_class: int = 20,
    image_size: int = 64,
    seeds: int = 1,
    periods: int = 3,
    epochs_per_period: int = 2,
    pixels: bool = True,
    skipped: Sequence[str] = (),
    finished: Callable[[Task], bool] = lambda task: True,
    failed: Mapping[str, str] | None = None,
    name: str | None = None,
    harder: Sequence[str] = (),
    recipe: Mapping[str, Any] | None = None,
) -> tuple[Store, Run]:
    """A store that holds one run with plausible, repeatable rows; needs neither torch nor a worker.

    Tasks for which `finished` is false stay open; `failed` maps task ids to the message they failed
    with. A fifth of each class is for testing, and every class holds one exact duplicate.
    """
    spec = model.build(
        {
            "data": str(root / "photos"),
            "backbones": backbones,
            "seeds": seeds,
            "periods": periods,
            "name": name,
            "epochs_per_period": epochs_per_period,
            "image_size": image_size,
            "skip_broken": bool(skipped),
            **_preparation(backbones),
            "corruptions": list(harder),
            **(recipe or {}),
        }
    )
    store, manifest = Store(root).open(create=True), fake_manifest(classes, images_a_class)
    run, unfolded = _record_run(store, spec, classes, manifest)
    manifests = {
        data: fake_manifest(classes, images_a_class, splits.split_of(store, data))
        for data in run.data_sets
    }
    Publishing(store, run, unfolded, manifests, pixels, skipped).publish(finished, failed or {})
    return store, run


def _preparation(backbones: str | Sequence[str]) -> dict[str, Any]:
    """The study's preparation, which networks outside the catalog have to be given."""
    outside = outside_catalog([] if isinstance(backbones, str) else backbones)
    return STUDY.model_dump(exclude={"image_size"}) if outside else {}


def _record_run(
    store: Store, spec: model.Spec, classes: Sequence[str], manifest: Manifest
) -> tuple[Run, plan.Plan]:
    """Record the data set, the trials and the run, as `orch submit` does."""
    entries = tuple(ImageFile(row["path"], row["label"], row["sha256"], 1000) for row in manifest)
    source = DataSource(spec.data, tuple(classes), entries)
    for settings in dict.fromkeys(one.data_settings(name) for name, _, one in spec.trained()):
        store.save_data(source.data_id(settings), source, settings)
    unfolded = plan.unfold(spec, source.data_id)
    run = Run(
        unfolded.run,
        spec,
        unfolded.data,
        tuple(trial.name for trial in unfolded.trials),
        tuple(task.id for task in unfolded.tasks),
        SUBMITTED_AT,
        {"orch": "0.1.0", "host": "alpha"},
    )
    for trial in unfolded.trials:
        store.save_trial(trial, unfolded.target_epochs, run.name, unfolded.corruption_levels)
    store.save_run(run)
    return run, unfolded


@dataclass(frozen=True)
class Publishing:
    """Publishes what a run's tasks would have made."""

    store: Store
    run: Run
    unfolded: plan.Plan
    manifests: Mapping[str, Manifest]
    pixels: bool
    skipped: Sequence[str]

    def publish(self, finished: Callable[[Task], bool], failed: Mapping[str, str]) -> None:
        """Publish the finished tasks, record the failed ones, and an attempt of each."""
        for task in (task for task in self.unfolded.tasks if not self.store.is_done(task)):
            if task.id in failed:
                write_failure(self.store, task, failed[task.id])
                write_attempt_row(self.store, self.run, task, "failed")
            elif finished(task):
                folder = self.store.attempts_folder(task) / "1"
                folder.mkdir(parents=True)
                self.store.publish_result(task, self._outcome(task, folder), folder, lambda: True)
                write_attempt_row(self.store, self.run, task, "done")

    def _outcome(self, task: Task, folder: Path) -> dict[str, Any]:
        """The task's outcome; its files are written to the folder."""
        if task.kind == "prepare":
            run, manifest = replace(self.run, data=task.subject), self.manifests[task.subject]
            return prepared(folder, run, manifest, self.pixels, self.skipped)
        trial = next(trial for trial in self.unfolded.trials if trial.name == task.subject)
        if task.kind == "train":
            return trained(folder, self.run, trial, task.epoch)
        outcome = evaluated(folder, self.run, trial, task.epoch, self.manifests[trial.data])
        return corrupted(folder, task, outcome) if task.corruption else outcome
