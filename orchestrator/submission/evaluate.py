"""Check a request to evaluate a run's networks on other labelled data, and record it."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Container, Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from jobs import file_names
from jobs import settings as environment
from jobs.data import sources
from jobs.data.data_source import DataSource
from jobs.errors import BadFolder, BadSpec, OrchError, RequestError
from jobs.spec import data_places
from jobs.spec.model import DataSettings
from jobs.spec.range_text import AUTO, FULL
from jobs.store import other_data
from jobs.store.other_data import OtherDataRecord
from jobs.store.runs import Run
from jobs.store.store import Store
from jobs.task import Task
from orchestrator.analysis.trained_models import choose_models
from orchestrator.datasets.listed import listed

NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,79}")
NO_SPLIT = ("split", "split_seed", "split_size", "margin")
"""Settings that do not matter where all images are tested, so they get their defaults."""


@dataclass(frozen=True, slots=True)
class OtherRequest:
    """A checked request: the source, its record, the settings of each data set, the evaluations.

    `seen` counts the images that are also training or validation images of the run (equal files;
    None: unknown). `absent` are the run's trials that nothing was evaluated of yet, `broken` the
    files that are left out, with the reasons.
    """

    source: DataSource
    record: OtherDataRecord
    data_sets: dict[str, DataSettings]
    tasks: tuple[Task, ...]
    seen: int | None
    absent: tuple[str, ...]
    repeated: bool
    broken: Mapping[str, str]


def submit(
    settings: environment.Settings,
    run: str,
    data: str,
    images: str | None,
    name: str | None,
    skip_broken: bool | None,
    workers: int | None,
    device: str | None,
    tell: Callable[[int, int], None] = lambda done, total: None,
) -> tuple[Run, OtherRequest]:
    """Check a request and this machine, then record it; the run with its new tasks.

    Raises `RequestError` and `OrchError` before anything is written.
    """
    from orchestrator import preflight

    store = Store(settings.store).open()
    recorded = store.load_run(run)
    preflight.require_writable(settings.store)
    preflight.require_machine(settings, workers, device)
    if settings.broker_url is not None:
        preflight.require_broker(settings.broker_url)
    asked = check(store, recorded, data, images, name, tell, skip_broken)
    return record(store, recorded, asked), asked


def check(
    store: Store,
    run: Run,
    data: str,
    images: str | None,
    name: str | None,
    tell: Callable[[int, int], None] = lambda done, total: None,
    skip_broken: bool | None = None,
) -> OtherRequest:
    """Check a request on a run; writes nothing. Raises `RequestError` and `OrchError`.

    Broken files are refused, or left out with `skip_broken` (None: as the run does).
    """
    if store.is_cancelled(run.name):
        resume = environment.command_line(store.root, "resume", run.name)
        raise RequestError(f"the run {run.name} is cancelled. Resume it first with: {resume}")
    chosen = choose_models(store, run, None)
    trainings = [task for tasks in chosen.trials.values() for task in tasks]
    for task in trainings:
        _require_checkpoint(store, task)
    source = _read(store, run, data, images, tell)
    skip = run.spec.skip_broken if skip_broken is None else skip_broken
    broken = _broken(source, _settings(store, source, run.data, skip), tell)
    files = listed(source, broken)
    data_sets, tasks = dict[str, DataSettings](), list[Task]()
    for task in trainings:
        settings = _settings(store, source, store.load_trial(task.subject).data, skip)
        other = source.data_id(settings)
        data_sets[other] = settings
        tasks.append(replace(task, kind="evaluate", data=other))
    named = _name(store, run, name, source, data_sets)
    record = _matched(store, run, source, files, named, tuple(data_sets), tuple(broken))
    repeated, seen = _require_new(store, run, record), _seen(store, run, files)
    return OtherRequest(
        source, record, data_sets, tuple(tasks), seen, chosen.absent, repeated, broken
    )


def _matched(
    store: Store,
    run: Run,
    source: DataSource,
    files: list[tuple[str, str]] | None,
    name: str,
    data_sets: tuple[str, ...],
    broken: tuple[str, ...],
) -> OtherDataRecord:
    """The record of the other data, their classes matched by name; raises `BadFolder` for none."""
    known = store.described(run.data).classes
    left_out = Counter(label for label, _ in files or () if label not in known)
    present = {label for label, _ in files} if files is not None else set(source.classes)
    if not present & set(known):
        raise BadFolder(
            f"{source.origin} has no class of the run {run.name}: {few(sorted(present))} there, "
            f"{few(known)} in the run. Name the classes as in the run."
        )
    return OtherDataRecord(
        name=name,
        origin=source.origin,
        data_sets=data_sets,
        images=None if files is None else len(files) - left_out.total(),
        left_out=dict(left_out.most_common()),
        missing=tuple(label for label in known if label not in present),
        broken=broken,
    )


def record(store: Store, run: Run, asked: OtherRequest) -> Run:
    """Record the data, then the evaluations, and last the run with their tasks; returns it."""
    for name, settings in asked.data_sets.items():
        store.save_data(name, asked.source, settings)
    other_data.record(store, run.name, asked.record, asked.tasks)
    grown = replace(run, tasks=tuple(dict.fromkeys((*run.tasks, *added(asked)))))
    store.reopen(grown)
    return grown


def added(asked: OtherRequest) -> list[str]:
    """The tasks of the request: preparations, then evaluations."""
    return [*(Task("prepare", name).id for name in asked.data_sets), *(t.id for t in asked.tasks)]


def _require_checkpoint(store: Store, task: Task) -> None:
    result = store.done(task)
    if result is None or result.checkpoint is None or not (store.root / result.checkpoint).exists():
        raise OrchError(
            f"the checkpoint of {task.subject} after epoch {task.epoch} is not there any more, so "
            "it cannot be evaluated. Checkpoints of finished trials are removed by 'orch prune'."
        )


def _read(
    store: Store, run: Run, data: str, images: str | None, tell: Callable[[int, int], None]
) -> DataSource:
    """The other data, listed and with checksums, whatever split they bring along."""
    from orchestrator import preflight

    places = {"data": data} | ({} if images is None else {"images": images})
    data_places.resolve(places, Path())
    preflight.require_apart(store.root, places["data"])
    fields = type(run.spec).model_fields
    defaults = {
        key: fields[key].default for key in ("split", "split_seed", "splits", "value_range")
    }
    asked = {"images": None, "group_by": None, "group_by_name": None, **defaults, **places}
    return sources.read(run.spec.model_copy(update=asked), tell, any_range=True)


def _broken(
    source: DataSource, settings: DataSettings, tell: Callable[[int, int], None]
) -> Mapping[str, str]:
    """The broken files, with the reasons; raises `BadFolder` where they are not to be left out."""
    from orchestrator.datasets import at_submit

    return {} if source.built_in else at_submit.find(source, settings, tell).broken


def _settings(store: Store, source: DataSource, trained_on: str, skip: bool) -> DataSettings:
    """How the other data are prepared for networks trained on a data set: as that was.

    Raises `BadFolder` for values beyond 8 bits where the networks know none.
    """
    described = store.described(trained_on)
    shown = {key: DataSettings.model_fields[key].default for key in NO_SPLIT}
    shown |= {"test_only": True, "value_range": AUTO, "skip_broken": skip}
    if source.beyond_8_bits:
        prepared = store.done(Task("prepare", trained_on))
        used = (prepared and prepared.value_range) or {}
        if not used:
            raise BadFolder(
                f"{source.origin} has images beyond 8 bits ({next(iter(source.beyond_8_bits))}), "
                "and the networks were trained on images of 8 bits. Convert them."
            )
        given = f"{used.get('low', 0):.17g},{used.get('high', 0):.17g}"
        shown["value_range"] = FULL if used.get("setting") == FULL else given
    return described.settings.model_copy(update=shown)


def _require_new(store: Store, run: Run, record: OtherDataRecord) -> bool:
    """Whether these data were evaluated before under this name; raises `BadSpec` for a conflict."""
    for earlier in other_data.recorded(store, run.name):
        same = set(earlier.data_sets) & set(record.data_sets)
        if earlier.name == record.name and same:
            return True
        if earlier.name == record.name:
            raise BadSpec(
                f"the run {run.name} was evaluated on other data named '{record.name}' "
                f"({earlier.origin}). Choose another --name."
            )
        if same:
            raise BadSpec(
                f"the run {run.name} is evaluated on these data under the name '{earlier.name}'. "
                f"Give --name {earlier.name}, or leave it out."
            )
    return False


def _name(
    store: Store, run: Run, given: str | None, source: DataSource, data_sets: Container[str]
) -> str:
    """The name of the other data in the report: as given, else that of the folder or file.

    Data that were evaluated before keep their name.
    """
    plain = file_names.plain(given or Path(source.origin).name).strip(".-_")[:80] or "other"
    if given is None:
        known = other_data.recorded(store, run.name)
        return next((e.name for e in known if any(d in data_sets for d in e.data_sets)), plain)
    if not NAME.fullmatch(given):
        raise BadSpec(
            f"--name {given[:80]!r}: at most 80 letters, digits, '.', '_' and '-' are allowed, the "
            f"first a letter or digit, such as {plain!r}."
        )
    return given


def _seen(store: Store, run: Run, files: list[tuple[str, str]] | None) -> int | None:
    """How many files are equal to training or validation images of the run."""
    from jobs.store import tables

    if files is None or not store.manifest_path(run.data).exists():
        return None
    manifest = tables.read_table(store.manifest_path(run.data), tables.MANIFEST)
    rows = zip(manifest["sha256"].to_pylist(), manifest["split"].to_pylist(), strict=True)
    trained = {sha256 for sha256, split in rows if split != "test"}
    return sum(sha256 in trained for _, sha256 in files)


def few(names: Iterable[str], shown: int = 5) -> str:
    """The first names, and how many more there are."""
    listed_names = list(names)
    more = f" and {len(listed_names) - shown} more" if len(listed_names) > shown else ""
    return f"{', '.join(listed_names[:shown])}{more}"
