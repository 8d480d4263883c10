"""A run's networks on other labelled data: what is asked for, recorded, computed and removed."""

from __future__ import annotations

import json
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from msgspec import structs
from PIL import Image
from support.fakes import fill_store
from support.refusals import listing, refusal

from jobs import atomic, readiness
from jobs.errors import BadFolder, BadSpec, OrchError, RequestError
from jobs.maintenance import removal
from jobs.store import other_data, tables
from jobs.store.other_data import OtherDataRecord
from jobs.store.runs import Run
from jobs.store.store import Store
from jobs.task import Task
from orchestrator.analysis import load
from orchestrator.analysis.other_data import measure
from orchestrator.analysis.run_data import read_run_data
from orchestrator.submission import evaluate, evaluate_words


def folder(where: Path, **images: int) -> Path:
    """Class folders with so many images of different colours."""
    for label, count in images.items():
        (where / label).mkdir(parents=True)
        for number in range(count):
            colour = (7 * number % 256, len(label) * 20, 90)
            Image.new("RGB", (40, 40), colour).save(where / label / f"{number}.png")
    return where


@pytest.fixture
def done(tmp_path: Path) -> tuple[Store, Run]:
    """A finished run of two networks and three classes, with its checkpoints."""
    store, run = fill_store(
        tmp_path / "store",
        backbones=["scratch", "vgg16"],
        classes=("ape", "bear", "cat"),
        periods=2,
        pixels=False,
        name="study",
    )
    for epoch in (2, 4):
        (store.root / f"{epoch:04d}.pt").write_bytes(b"weights")
    return store, run


def publish(store: Store, task: Task, correct: int, total: int, run: Run) -> None:
    """The result of an evaluation on other data, as a worker publishes it."""
    trial, work = store.load_trial(task.subject), store.root / "work" / task.id
    work.mkdir(parents=True)
    row = {"backbone": trial.backbone, "seed": trial.seed, "period": 2, "epoch": task.epoch}
    facts = {"loss": 1.0, "correct": correct, "total": total, "accuracy": correct / total}
    rows = tables.build_table("other_evaluations", [row | facts | {"data": task.data}])
    tables.write_table(work / "rows.parquet", rows)
    place = f"{tables.table_folder('other_evaluations', task.subject)}/e4-on-{task.data}.parquet"
    store.publish_result(task, {"files": {"rows.parquet": place}, **facts}, work, lambda: True)


def test_an_evaluation_on_other_data_has_an_id_of_its_own() -> None:
    """It is read back as it was, and is no test on the run's own images."""
    task = Task("evaluate", "vgg16-s0-1f3a9c2e", 10, data="next-64px-1f3a9c2e")

    assert task.id == "evaluate.vgg16-s0-1f3a9c2e.0010.on-next-64px-1f3a9c2e"
    assert Task.parse(task.id) == task
    assert not task.is_test
    for wrong in ("train.a-s0.0010.on-b", "evaluate.a-s0.0010.on-../b", "evaluate.a-s0.0010.on-"):
        with pytest.raises(BadSpec):
            Task.parse(wrong)


def test_what_does_not_match_is_told_and_counted(done: tuple[Store, Run], tmp_path: Path) -> None:
    """Classes are matched by name; equal files in the training images are counted."""
    store, run = done
    other = folder(tmp_path / "nächstes jahr", ape=4, bear=3, fox=2)

    asked = evaluate.check(store, run, str(other), None, None)
    said = "\n".join(evaluate_words.lines(run, asked))
    named_before = replace(asked, record=structs.replace(asked.record, name="n-chstes-jahr"))
    evaluate.record(store, run, named_before)
    again = evaluate.check(store, run, str(other), None, None)

    assert asked.record.name == "nachstes-jahr"
    assert (again.record.name, again.repeated) == ("n-chstes-jahr", True)
    assert (asked.record.images, asked.record.left_out) == (7, {"fox": 2})
    assert asked.record.missing == ("cat",)
    assert {task.epoch for task in asked.tasks} == {4}
    assert "no image there of 1 class(es): cat" in said
    assert "2 images of unknown classes are left out: fox (2)" in said


def test_broken_files_are_refused_or_left_out_before_anything_is_written(
    done: tuple[Store, Run], tmp_path: Path
) -> None:
    """They are counted as no images; with other files they are not asked about."""
    store, run = done
    other = folder(tmp_path / "other", ape=4, bear=3)
    (other / "ape" / "notes.txt").write_text("at the lake")
    before = listing(store.root)

    leave_out = partial(evaluate.check, skip_broken=True)
    line = refusal(BadFolder, evaluate.check, store, run, str(other), None, None)
    asked = leave_out(store, run, str(other), None, None)
    said = "\n".join(evaluate_words.lines(run, asked))

    assert "1 broken file on which" in line
    assert "ape/notes.txt (not an image). Give --skip-broken" in line
    assert "7 images of 2 class(es)" in said
    assert "note: 1 broken file left out: ape/notes.txt (not an image)" in said
    assert evaluate_words.facts(asked)["broken"] == {"ape/notes.txt": "not an image"}
    assert all(settings.skip_broken for settings in asked.data_sets.values())
    for image in (other / "ape").glob("*.png"):
        image.unlink()
    alone = refusal(BadFolder, leave_out, store, run, str(other), None, None)
    assert "every file of class(es) ape is broken" in alone
    assert listing(store.root) == before


def test_preparing_comes_first_and_the_evaluations_follow(
    done: tuple[Store, Run], tmp_path: Path
) -> None:
    """The run is open again; the reports of its own images have no row more."""
    store, run = done
    before = load.load_results(store, run)
    asked = evaluate.check(store, run, str(folder(tmp_path / "o", ape=4, bear=3)), None, None)

    grown = evaluate.record(store, run, asked)
    first = readiness.ready_tasks(store, grown)
    (data,) = asked.data_sets
    atomic.write_json(store.done_path(Task("prepare", data)), {"images": 7})
    then = readiness.ready_tasks(store, store.load_run(run.name))

    assert first == [Task("prepare", data)]
    assert set(then) == set(asked.tasks) == set(readiness.next_tasks(store, first[0]))
    assert all(readiness.is_ready(store, task) for task in then)
    assert grown.data_sets == run.data_sets
    assert atomic.read_json(store.run_path(run.name))["format"] == 2
    publish(store, then[0], 3, 7, run)
    after = load.load_results(store, store.load_run(run.name))
    assert after.evaluations.equals(before.evaluations)
    assert after.other_evaluations.num_rows == 1


def test_a_failed_preparation_blocks_only_the_evaluations_on_it(
    done: tuple[Store, Run], tmp_path: Path
) -> None:
    """The run's own tasks stay done."""
    store, run = done
    asked = evaluate.check(store, run, str(folder(tmp_path / "o", ape=4, bear=3)), None, None)
    grown = evaluate.record(store, run, asked)
    (data,) = asked.data_sets
    atomic.write_json(store.failed_path(Task("prepare", data)), {"failure": "bad-images"})

    states = readiness.task_states(store, grown)

    assert {states[task.id] for task in asked.tasks} == {"blocked"}
    assert {states[task] for task in run.tasks} == {"done"}


@pytest.mark.parametrize("case", ["no class", "name", "cancelled", "checkpoint", "other name"])
def test_wrong_input_is_refused_before_anything_is_written(
    case: str, done: tuple[Store, Run], tmp_path: Path
) -> None:
    """One line each; the store is as it was."""
    store, run = done
    classes = {"fox": 3, "wolf": 3} if case == "no class" else {"ape": 3, "bear": 3}
    data, name = str(folder(tmp_path / "other", **classes)), "a/b" if case == "name" else None
    kind: type[OrchError] = {"no class": BadFolder, "cancelled": RequestError}.get(case, BadSpec)
    if case == "cancelled":
        store.cancel(run.name)
    if case == "checkpoint":
        kind = OrchError
        (store.root / "0004.pt").unlink()
    if case == "other name":
        evaluate.record(store, run, evaluate.check(store, run, data, None, "first"))
        name = "second"
    before = listing(store.root)

    line = refusal(kind, evaluate.check, store, run, data, None, name)

    assert {
        "no class": "has no class of the run study",
        "name": "the first a letter or digit, such as 'a-b'",
        "cancelled": "is cancelled",
        "checkpoint": "is not there any more",
        "other name": "under the name 'first'",
    }[case] in line
    assert listing(store.root) == before


def test_removing_the_run_leaves_nothing_of_the_other_data(
    done: tuple[Store, Run], tmp_path: Path
) -> None:
    """Also where another run shares the trials: their marks and rows go, the trials stay."""
    store, run = done
    _, shared = fill_store(
        store.root,
        backbones=["scratch"],
        classes=("ape", "bear", "cat"),
        periods=2,
        pixels=False,
        name="second",
    )
    asked = evaluate.check(store, run, str(folder(tmp_path / "o", ape=4, bear=3)), None, None)
    grown = evaluate.record(store, run, asked)
    publish(store, asked.tasks[0], 3, 7, run)
    publish(store, asked.tasks[1], 3, 7, run)

    removal.remove_run(store, grown)
    left = [path for path in listing(store.root) if next(iter(asked.data_sets)) in path]

    assert [path for path in left if "/work/" not in path] == []
    assert store.has_trial(shared.trials[0])


def results(data: str, *rows: tuple[str, int, int]) -> pa.Table:
    """Rows of `other_evaluations`: trial, epoch, correct of 50."""
    return pa.Table.from_pylist(
        [
            {"trial": trial, "epoch": epoch, "data": data, "correct": correct, "total": 50}
            for trial, epoch, correct in rows
        ]
    )


def test_accuracy_drop_and_ranking_by_hand() -> None:
    """Two seeds of one network, one of another; the last evaluated epoch counts."""
    record = OtherDataRecord(
        name="n", origin="o", data_sets=("d",), images=50, left_out={"fox": 1}, missing=()
    )
    own: list[dict[str, Any]] = [
        {"trial": trial, "epoch": 4, "corruption": "none", "correct": correct, "total": 10}
        for trial, correct in (("a0", 9), ("a1", 7), ("b0", 9))
    ]
    rows = results("d", ("a0", 2, 1), ("a0", 4, 40), ("a1", 4, 30), ("b0", 4, 25))
    manifest = pa.table({"sha256": ["1", "2", "3"], "split": ["train", "test", "validation"]})
    other = pa.table({"sha256": ["1", "2", "3", "1"], "label": ["ape", "ape", "bear", "fox"]})
    whose = {"a0": ("a", 0), "a1": ("a", 1), "b0": ("b", 0)}

    (told,) = measure([record], rows, pa.Table.from_pylist(own), whose, manifest, {"d": other})
    first, second = told.networks

    assert told.in_training == 2
    assert (first.backbone, first.rank, first.own_rank) == ("a", 1, 2)
    assert (second.backbone, second.rank, second.own_rank) == ("b", 2, 1)
    assert first.accuracy == pytest.approx(0.7)
    assert first.drop == pytest.approx(0.1)
    assert second.drop == pytest.approx(0.4)
    assert first.interval.low < 0.7 < first.interval.high


def test_the_report_has_a_section_and_keys_of_it(done: tuple[Store, Run], tmp_path: Path) -> None:
    """The page names the data, and report.json has the same numbers."""
    from orchestrator.report import write

    store, run = done
    other = folder(tmp_path / "o", ape=4, bear=3)
    (other / "ape" / "notes.txt").write_text("at the lake")
    asked = evaluate.check(store, run, str(other), None, "twins", skip_broken=True)
    grown = evaluate.record(store, run, asked)
    for task, correct in zip(asked.tasks, (6, 3), strict=True):
        publish(store, task, correct, 7, run)

    write.write_report(store, grown, tmp_path / "out", formats=("md", "json", "parquet"))
    rows = pq.read_table(tmp_path / "out" / "tables" / "other_data.parquet").to_pylist()
    document = json.loads((tmp_path / "out" / "report.json").read_text())["other_data"]

    page = (tmp_path / "out" / "report.md").read_text()
    assert "### twins" in page
    assert "1 broken file left out: ape/notes.txt." in page
    assert [one["accuracy"] for one in document[0]["networks"]] == [6 / 7, 3 / 7]
    assert [(row["data"], row["images"], row["accuracy"], row["rank"]) for row in rows] == [
        ("twins", 7, 6 / 7, 1),
        ("twins", 7, 3 / 7, 2),
    ]
    assert read_run_data(store, grown).other_data[0].tested == 7
    assert other_data.recorded(store, run.name)[0].name == "twins"
