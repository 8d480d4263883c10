"""A request becomes a run: checks come first, and submitting again continues it."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from support.fakes import fill_store

from jobs import readiness
from jobs.errors import (
    BadFolder,
    BadSpec,
    BrokerUnreachable,
    MissingWeights,
    RequestError,
    StoreUnusable,
)
from jobs.settings import Settings
from jobs.spec import model
from jobs.store.runs import Run
from jobs.store.store import Store
from jobs.task import Task
from orchestrator import preflight
from orchestrator.submission import provenance, run_creation


@dataclass
class Wire:
    """A broker; `answers` is False when it is out of reach."""

    answers: bool = True
    pinged: list[str] = field(default_factory=list)

    def ping(self, broker_url: str) -> None:
        """Answer, or not."""
        self.pinged.append(broker_url)
        if not self.answers:
            raise BrokerUnreachable("no broker answers")


@dataclass
class Shelf:
    """A folder of weights files with none, or with all requested ones."""

    stocked: bool = True
    asked: list[str] = field(default_factory=list)

    def require(self, names: Sequence[str], weights_dir: Path | None) -> None:
        """Raise when there are none."""
        self.asked += names
        if not self.stocked:
            raise MissingWeights(f"no weights for {', '.join(names)}")


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    """A folder of two classes whose files are not decoded here."""
    for label in ("ape", "bear"):
        (tmp_path / "photos" / label).mkdir(parents=True)
        for number in range(3):
            (tmp_path / "photos" / label / f"{number}.jpg").write_bytes(f"{label}{number}".encode())
    return tmp_path / "photos"


def settings(tmp_path: Path, broker_url: str | None = "redis://broker/0") -> Settings:
    """A store that does not exist yet."""
    return Settings(tmp_path / "store", broker_url, None)


def ask(photos: Path, **values: Any) -> model.Spec:
    """A small spec on the photos."""
    return model.build(
        {"data": str(photos), "backbones": ["scratch", "resnet34"], "periods": 2} | values
    )


def do(tmp_path: Path, asked: model.Spec) -> tuple[Store, Run, list[Task]]:
    """Check and record; the store, the run and its ready tasks."""
    request = preflight.check_request(asked, settings(tmp_path), Wire().ping, Shelf().require)
    store = Store(tmp_path / "store").open(create=True)
    run = run_creation.create_run(store, request.spec, request.source, {"host": "alpha"})
    return store, run, readiness.ready_tasks(store, run)


def test_a_new_run_is_recorded_whole_with_its_first_task_ready(
    tmp_path: Path, photos: Path
) -> None:
    """Data set, trials with their target epochs, the run with its provenance; only the preparation
    is ready.
    """
    store, run, ready = do(tmp_path, ask(photos))

    assert store.load_run(run.name) == run
    assert run.provenance == {"host": "alpha"}
    assert [store.target_epochs(trial) for trial in run.trials] == [[10, 20], [10, 20]]
    assert len(store.load_data(run.data)[0].entries) == 6
    assert ready == [Task("prepare", run.data)]


def test_the_same_spec_again_is_the_same_run_and_keeps_its_past(
    tmp_path: Path, photos: Path
) -> None:
    """Submitting again keeps the run's name and time, undoes a cancellation, and enqueues what is
    missing.
    """
    store, first, _ = do(tmp_path, ask(photos))
    store.cancel(first.name)

    _, second, sent = do(tmp_path, ask(photos))

    assert second == first
    assert store.run_names() == [first.name]
    assert not store.is_cancelled(first.name)
    assert sent == [Task("prepare", first.data)]


def test_a_taken_name_with_another_spec_is_refused_with_the_difference(
    tmp_path: Path, photos: Path
) -> None:
    """The message lists the differences, and the run does not change."""
    store, run, _ = do(tmp_path, ask(photos, name="mine"))

    with pytest.raises(BadSpec, match=r"periods 2 there, 5 here; clip_norm none there, 1 .*--name"):
        do(tmp_path, ask(photos, name="mine", periods=5, clip_norm=1.0))

    assert store.load_run("mine") == run


def test_a_taken_name_with_changed_images_is_refused(tmp_path: Path, photos: Path) -> None:
    """The same spec on a folder whose contents changed is another comparison."""
    do(tmp_path, ask(photos, name="mine"))
    (photos / "ape" / "0.jpg").write_bytes(b"another picture")

    with pytest.raises(BadSpec, match="data photos-"):
        do(tmp_path, ask(photos, name="mine"))


def test_images_that_moved_are_the_same_data_set(tmp_path: Path, photos: Path) -> None:
    """A folder's path does not count, its name and contents do; the run then reads from the new
    path.
    """
    _, first, _ = do(tmp_path, ask(photos))
    (tmp_path / "elsewhere").mkdir()
    moved = photos.rename(tmp_path / "elsewhere" / "photos")

    store, second, _ = do(tmp_path, ask(moved))

    assert second.name == first.name
    assert store.load_data(second.data)[0].origin == str(moved)


@pytest.mark.parametrize("broken", ["broker", "folder", "weights", "store"])
def test_what_is_wrong_is_found_before_anything_is_written(
    broken: str, tmp_path: Path, photos: Path
) -> None:
    """No store folder is created, whichever check fails."""
    wire, shelf = Wire(answers=broken != "broker"), Shelf(stocked=broken != "weights")
    chosen = settings(tmp_path, None if broken == "weights" else "redis://broker/0")
    if broken == "folder":
        (photos / "empty").mkdir()
    if broken == "store":
        chosen = Settings(photos / "ape" / "0.jpg" / "store", None, None)

    with pytest.raises(RequestError):
        preflight.check_request(ask(photos), chosen, wire.ping, shelf.require)

    assert sorted(os.listdir(tmp_path)) == ["photos"]


def test_weights_are_looked_for_only_when_this_machine_does_the_work(
    tmp_path: Path, photos: Path
) -> None:
    """With a named broker, the workers need the weights; Scratch needs none anywhere."""
    elsewhere, here = Shelf(), Shelf()

    preflight.check_request(ask(photos), settings(tmp_path), Wire().ping, elsewhere.require)
    preflight.check_request(
        ask(photos),
        settings(tmp_path, None),
        Wire().ping,
        here.require,
        check_networks=lambda spec, *asked: spec,
    )

    assert elsewhere.asked == []
    assert here.asked == ["resnet34"]


def test_built_in_images_need_no_weights_and_no_folder(tmp_path: Path) -> None:
    """Digits bring their own defaults."""
    shelf = Shelf(stocked=False)

    request = preflight.check_request(
        model.build({"backbones": "all"}), settings(tmp_path, None), Wire().ping, shelf.require
    )

    assert request.source.built_in
    assert shelf.asked == []


def test_the_files_of_a_folder_are_counted_while_they_are_read(
    tmp_path: Path, photos: Path
) -> None:
    """The last message says that all were read."""
    told: list[tuple[int, int]] = []

    preflight.check_request(
        ask(photos),
        settings(tmp_path),
        Wire().ping,
        Shelf().require,
        lambda *count: told.append(count),
    )

    assert told == [(number, 6) for number in range(1, 7)]


def test_a_store_inside_the_data_folder_is_refused(photos: Path) -> None:
    """It would be read as a class the next time; a link does not hide it."""
    (photos.parent / "link").symlink_to(photos)

    with pytest.raises(BadFolder, match="inside the data folder"):
        preflight.require_apart(photos.parent / "link" / "store", str(photos))


def test_probing_a_store_leaves_no_trace(tmp_path: Path) -> None:
    """Neither at its path nor at a possible parent."""
    preflight.require_writable(tmp_path / "deep" / "down" / "store")

    assert os.listdir(tmp_path) == []


@pytest.mark.skipif(os.getuid() == 0, reason="root may write anywhere")
def test_a_store_in_a_folder_of_someone_else_is_refused(tmp_path: Path) -> None:
    """The message names the store."""
    tmp_path.chmod(0o500)

    with pytest.raises(StoreUnusable, match="cannot write to"):
        preflight.require_writable(tmp_path / "store")


def test_a_failure_is_forgiven_by_name(tmp_path: Path, photos: Path) -> None:
    """What failed is ready again; the rest is unchanged."""
    store, run, _ = do(tmp_path, ask(photos))
    preparing = Task("prepare", run.data)
    store.failed_path(preparing).parent.mkdir(parents=True)
    store.failed_path(preparing).write_text('{"failure": "bad-image"}')

    before = readiness.ready_tasks(store, run)
    retried = run_creation.reset_failures(store, run)
    after = readiness.ready_tasks(store, run)

    assert before == []
    assert retried == after == [preparing]


def test_provenance_names_versions_machine_and_command() -> None:
    """Enough to tell later what produced a run, without heavy imports."""
    found = provenance.gather(["orch", "submit"])

    assert found["command"] == ["orch", "submit"]
    assert found["versions"]["python"]
    assert set(found["versions"]) >= {"orch", "torch"}
    assert found["host"]


def test_a_run_sends_only_what_brings_it_on(tmp_path: Path) -> None:
    """Runs share trials: a finished run leaves a longer one's tasks alone, and uses other runs'
    target epochs up to its own end.
    """
    small: dict[str, Any] = {"backbones": ["scratch"], "pixels": False}
    store, short = fill_store(tmp_path, name="short", periods=2, **small)
    _, long = fill_store(
        tmp_path, name="long", periods=4, **small, finished=lambda task: task.epoch <= 4
    )
    _, straight = fill_store(
        tmp_path,
        name="straight",
        periods=1,
        epochs_per_period=8,
        **small,
        finished=lambda task: task.epoch <= 4,
    )

    assert short.trials == long.trials == straight.trials
    assert readiness.ready_tasks(store, short) == []
    assert (
        readiness.ready_tasks(store, long)
        == readiness.ready_tasks(store, straight)
        == [Task("train", long.trials[0], 6)]
    )
