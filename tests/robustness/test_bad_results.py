"""Records of results and failures, torn or with wrong values: named, and no path is followed."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.records import PATHS, REMEDY, TORN, changed, copied
from support.refusals import Terminal, listing, refusal

from jobs import atomic
from jobs.errors import DamagedFile, NewerRecord, WorkError
from jobs.maintenance import verify
from jobs.store import codec
from jobs.store.records import TaskResult
from jobs.store.runs import Run
from jobs.store.store import Store
from jobs.task import Task

NO_FILE = "it describes a file as "
OUTSIDE = "which is outside the store"


def file(path: Any = "a", sha256: Any = "b", size: Any = 1) -> list[dict[str, Any]]:
    """The files of a result: one."""
    return [{"path": path, "sha256": sha256, "bytes": size}]


def kept(key: str, *values: Any) -> list[tuple[str, Any, str]]:
    """Rows of wrong kinds, which the message shows as they are."""
    return [(key, value, f"'{key}' is {str(value)!r}") for value in values]


RESULTS: list[tuple[str, Any, str]] = [
    *kept("files", None, {}, "x"),
    ("files", ["x"], NO_FILE),
    ("files", [{}], NO_FILE),
    ("files", [None], NO_FILE),
    ("files", [{"path": "a", "sha256": "b"}], NO_FILE),
    ("files", file(path=1), NO_FILE),
    ("files", file(sha256=1), NO_FILE),
    ("files", file(size="1"), NO_FILE),
    ("files", file(size=True), NO_FILE),
    ("files", file("../outside"), f"it names '../outside', {OUTSIDE}"),
    ("files", file("/etc/hostname"), f"it names '/etc/hostname', {OUTSIDE}"),
    ("files", file("a/../../b"), f"it names 'a/../../b', {OUTSIDE}"),
    ("files", file("a\0b"), f"it names 'a\\x00b', {OUTSIDE}"),
    *kept("accuracy", "high", None, [1], True),
    *kept("seconds", "long", None, {}),
    *kept("epoch", "1", 1.5),
    *kept("correct", "all"),
    *kept("total", None),
    *kept("checkpoint", 3, None),
    ("checkpoint", "../../x.pt", f"it names '../../x.pt', {OUTSIDE}"),
    ("checkpoint", "/x.pt", f"it names '/x.pt', {OUTSIDE}"),
    *kept("weights_digest", 3),
    *kept("precision", None),
    *kept("threads", "2"),
    *kept("device", 0),
    *kept("loss", "x"),
    *kept("classes", []),
    *kept("peak_memory_bytes", "1 GB", None),
    *kept("energy_joules", True),
    *kept("measured_from", []),
]
FAILURES = [
    *kept("failure", 3, None),
    *kept("message", [], None),
    *kept("attempt", "1", None, True),
    *kept("log", 3, {}),
]
ROWS = [*(("trained", *row) for row in RESULTS), *(("failed", *row) for row in FAILURES)]

READERS: dict[str, Callable[[Store, Run], object]] = {
    "trained": lambda store, run: store.done(Task("train", run.trials[0], 1)),
    "evaluated": lambda store, run: store.done(Task("evaluate", run.trials[0], 1)),
    "failed": lambda store, run: store.failed(Task.parse(run.tasks[-1])),
}


@pytest.mark.parametrize("name", READERS)
@pytest.mark.parametrize(("contents", "words"), TORN.values(), ids=TORN)
def test_a_torn_record_of_a_task_is_named(
    name: str, contents: bytes, words: str, one_failed: tuple[Store, Run], tmp_path: Path
) -> None:
    """With its path and what to do."""
    whole, run = one_failed
    store = copied(whole, PATHS[name](whole, run), contents, tmp_path / "store")

    line = refusal(DamagedFile, READERS[name], store, run)

    assert str(PATHS[name](store, run)) in line
    assert words in line
    assert REMEDY in line


@pytest.mark.parametrize(
    ("name", "key", "value", "words"),
    ROWS,
    ids=[f"{n}: {k} {str(v)[:30]!r}" for n, k, v, _ in ROWS],
)
def test_a_record_of_a_task_with_a_wrong_value_is_named(
    name: str, key: str, value: Any, words: str, one_failed: tuple[Store, Run], tmp_path: Path
) -> None:
    """No value that others rely on is taken on trust."""
    whole, run = one_failed
    path = PATHS[name](whole, run)
    store = copied(whole, path, changed(path, key, value), tmp_path / "store")

    line = refusal(DamagedFile, READERS[name], store, run)

    assert f"{PATHS[name](store, run)} is damaged: {words}" in line
    assert REMEDY in line


def test_no_path_of_a_record_is_removed_outside_the_store(terminal_with_failure: Terminal) -> None:
    """A record that names files elsewhere is damaged itself; repairing removes the record, not
    those files.
    """
    store = Store(terminal_with_failure.folder / "orch-store")
    run = store.load_run("study")
    victim = terminal_with_failure.folder / "victim.pt"
    victim.write_bytes(b"precious")
    for task in map(Task.parse, run.tasks[:2]):
        path = store.done_path(task)
        path.write_bytes(changed(path, "files", file("../victim.pt", "0" * 64)))
    path.write_bytes(changed(path, "checkpoint", "../victim.pt"))

    verified = list(verify.verify_files(store, run))
    verify.remove_damaged(store, [each for each in verified if each.problem], run)
    verify.redo_training(store, Task.parse(run.tasks[1]))

    assert victim.read_bytes() == b"precious"
    assert not store.is_done(Task.parse(run.tasks[0]))


@pytest.mark.parametrize("place", ["../x", "/etc/x", "a/../../x", "..", "a\0b"], ids=ascii)
def test_nothing_is_published_outside_the_store(
    place: str, one_failed: tuple[Store, Run], tmp_path: Path
) -> None:
    """Whatever a child names as a place."""
    store, run = one_failed
    task = Task("evaluate", run.trials[0], 7)
    (tmp_path / "rows").write_bytes(b"rows")
    before = listing(store.root)

    with pytest.raises(WorkError, match="outside the store"):
        store.publish_result(task, {"files": {"rows": place}}, tmp_path, lambda: True)

    assert listing(store.root) == before


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3)
    ),
    max_leaves=8,
)


@settings(max_examples=200, deadline=None)
@given(
    st.dictionaries(
        st.sampled_from(sorted(TaskResult.__struct_fields__)) | st.text(max_size=5),
        JSON,
        max_size=6,
    )
)
def test_any_result_is_of_the_right_kinds_or_damaged(
    tmp_path_factory: pytest.TempPathFactory, values: dict[str, Any]
) -> None:
    """What is read back can be relied on."""
    path = tmp_path_factory.getbasetemp() / "outcome.json"
    path.write_text(json.dumps(values))

    try:
        found = codec.read(path, TaskResult)
    except (DamagedFile, NewerRecord):
        return

    assert found is not None
    again = codec.decode(path, codec.encode(found), TaskResult)
    assert atomic.as_json(codec.encode(again)) == atomic.as_json(codec.encode(found))
