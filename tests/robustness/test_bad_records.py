"""Records of the store, torn or of wrong kinds: named in one clear line, and nothing is changed for
them.
"""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.attacks import Bad, Desk, listing, make_desk
from support.fakes import fill_store

from jobs.errors import DamagedFile, OrchError, WorkError
from jobs.maintenance import verify
from jobs.store import records
from jobs.store.runs import Run
from jobs.store.store import Store
from jobs.task import Task
from orchestrator import cli

TORN = {
    "empty": b"",
    "a brace": b"{",
    "cut": b'{"name": "x", "spec": {"da',
    "zeros": bytes(200),
    "text": b"rubbish",
    "not UTF-8": b"\xff\xfe{}",
    "an image": b"\x89PNG\r\n\x1a\n",
    "deep": b"[" * 100_000,
    "two values": b"{}{}",
    "a pickle": b"\x80\x04\x8c\x05posix\x8c\x06system\x93.",
    "YAML": b"name: x\n",
    "a huge number": b"1" * 5000,
}
NO_OBJECT = {"null": None, "a list": [], "a text": "x", "a number": 3, "truth": True}

RUN_CHANGES: list[tuple[str, Any]] = [
    *(
        (key, ...)
        for key in ("name", "spec", "data", "trials", "tasks", "submitted_at", "provenance")
    ),
    ("name", "another"),
    ("name", "../../up"),
    ("name", 3),
    ("name", None),
    ("spec", {}),
    ("spec", []),
    ("spec", "all"),
    ("spec", {"backbones": "nobody"}),
    ("spec", {"period": 3}),
    ("spec", {"backbones": "scratch", "periods": "many"}),
    ("data", "../../etc"),
    ("data", "/etc"),
    ("data", ""),
    ("data", 7),
    ("data", None),
    ("data", "a\0b"),
    ("trials", "scratch"),
    ("trials", [1]),
    ("trials", ["../../x"]),
    ("trials", [None]),
    ("trials", {}),
    ("trials", ["/etc"]),
    ("trials", ["x" * 300]),
    ("trials", [["a"]]),
    ("tasks", "x"),
    ("tasks", [1]),
    ("tasks", ["train"]),
    ("tasks", ["train.../../x.0001"]),
    ("tasks", [None]),
    ("tasks", []),
    ("tasks", ["explode.scratch-s0-00000000.0001"]),
    ("tasks", {}),
    ("tasks", ["train.x.1"]),
    ("submitted_at", "yesterday"),
    ("submitted_at", None),
    ("submitted_at", [1]),
    ("submitted_at", True),
    ("provenance", None),
    ("provenance", "me"),
    ("provenance", []),
]
TRIAL_CHANGES: list[tuple[str, Any]] = [
    *((key, ...) for key in ("data", "backbone", "weights", "recipe", "seed")),
    ("data", 3),
    ("backbone", None),
    ("weights", 1),
    ("recipe", []),
    ("recipe", {"speed": 1}),
    ("seed", "0"),
    ("recipe", {"momentum": 7}),
    ("seed", True),
    ("seed", 1.5),
    ("recipe", {"learning_rate": "fast"}),
]
DONE_CHANGES: list[tuple[str, Any]] = [
    ("files", None),
    ("files", {}),
    ("files", "x"),
    ("files", ["x"]),
    ("files", [{}]),
    ("files", [None]),
    ("files", [{"path": "a", "sha256": "b"}]),
    ("files", [{"path": 1, "sha256": "b", "bytes": 1}]),
    ("files", [{"path": "a", "sha256": 1, "bytes": 1}]),
    ("files", [{"path": "a", "sha256": "b", "bytes": "1"}]),
    ("files", [{"path": "a", "sha256": "b", "bytes": True}]),
    ("files", [{"path": "../outside", "sha256": "b", "bytes": 1}]),
    ("files", [{"path": "/etc/hostname", "sha256": "b", "bytes": 1}]),
    ("files", [{"path": "a/../../b", "sha256": "b", "bytes": 1}]),
    ("files", [{"path": "a\0b", "sha256": "b", "bytes": 1}]),
    ("accuracy", "high"),
    ("accuracy", None),
    ("accuracy", [1]),
    ("accuracy", True),
    ("seconds", "long"),
    ("seconds", None),
    ("seconds", {}),
    ("epoch", "1"),
    ("epoch", 1.5),
    ("correct", "all"),
    ("total", None),
    ("checkpoint", 3),
    ("checkpoint", None),
    ("checkpoint", "../../x.pt"),
    ("checkpoint", "/x.pt"),
    ("weights_digest", 3),
    ("precision", None),
    ("threads", "2"),
    ("device", 0),
    ("loss", "x"),
    ("classes", []),
    ("peak_memory_bytes", "1 GB"),
    ("peak_memory_bytes", None),
    ("energy_joules", True),
    ("measured_from", []),
]
FAILED_CHANGES: list[tuple[str, Any]] = [
    ("failure", 3),
    ("failure", None),
    ("message", []),
    ("message", None),
    ("attempt", "1"),
    ("attempt", None),
    ("attempt", True),
    ("log", 3),
    ("log", {}),
]
SOURCE_CHANGES: list[tuple[str, Any]] = [
    ("origin", ...),
    ("origin", 3),
    ("classes", ...),
    ("classes", "ab"),
    ("settings", ...),
    ("settings", []),
    ("settings", {"image_size": "big"}),
    ("settings", {"size": 3}),
    ("classes", None),
]


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A store with a small run, all of it done, and one task failed."""
    root = tmp_path_factory.mktemp("finished") / "store"
    failed = {}
    store, run = fill_store(
        root,
        backbones=["scratch"],
        classes=("ape", "bear"),
        images_a_class=6,
        periods=2,
        epochs_per_period=1,
        image_size=32,
        name="study",
        failed=failed,
    )
    last = Task.parse(run.tasks[-1])
    store.done_path(last).unlink()
    store.failed_path(last).parent.mkdir(parents=True, exist_ok=True)
    store.failed_path(last).write_text('{"failure": "bug", "message": "it broke", "attempt": 1}')
    return root


@pytest.fixture
def desk(
    finished: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> Desk:
    """A desk with a copy of that store in it, as its store."""
    made = make_desk(tmp_path, monkeypatch, capsys)
    shutil.copytree(finished, made.folder / "orch-store")
    return made


def opened(desk: Desk) -> tuple[Store, Run]:
    """The store and its run."""
    store = Store(desk.folder / "orch-store")
    return store, store.load_run("study")


def change(path: Path, key: str, value: Any) -> None:
    """Put another value under a key of a JSON file; `...` takes it away."""
    found = json.loads(path.read_text())
    found.pop(key, None)
    path.write_text(json.dumps(found if value is ... else found | {key: value}))


def kept(desk: Desk, name: str) -> Path:
    """A record of the store by a short name."""
    store, run = opened(desk)
    task = Task.parse(run.tasks[-1])
    return {
        "run": store.run_folder("study") / "run.json",
        "trial": store.trial_folder(run.trials[0]) / "trial.json",
        "trained": store.done_path(Task("train", run.trials[0], 1)),
        "evaluated": store.done_path(Task("evaluate", run.trials[0], 1)),
        "failed": store.failed_path(task),
    }[name]


@pytest.mark.parametrize("name", ["run", "trial", "trained", "evaluated", "failed"])
@pytest.mark.parametrize(
    "text",
    [*TORN.values(), *(json.dumps(v).encode() for v in NO_OBJECT.values())],
    ids=[*TORN, *NO_OBJECT],
)
def test_a_torn_record_is_named(name: str, text: bytes, desk: Desk) -> None:
    """Status, cancelling and the report, where they read it, end with 1 and the file's path; what
    to do is said.
    """
    path = kept(desk, name)
    path.write_bytes(text)

    reporting = [] if name == "evaluated" else [("report", "study")]
    looking = (
        []
        if name == "trial"
        else [("status", "study"), ("status", "study", "--json"), ("cancel", "study")]
    )
    for words in (*looking, *reporting):
        line = desk.refuses(Bad(words, str(path), 1))

        assert "Restore it from a copy, or remove it" in line


ROWS = [
    *(("run", *row) for row in RUN_CHANGES),
    *(("trial", *row) for row in TRIAL_CHANGES),
    *(("trained", *row) for row in DONE_CHANGES),
    *(("failed", *row) for row in FAILED_CHANGES),
]


@pytest.mark.parametrize(
    ("name", "key", "value"), ROWS, ids=[f"{n}: {k} {str(v)[:30]!r}" for n, k, v in ROWS]
)
def test_a_record_with_a_value_of_another_kind_is_named(
    name: str, key: str, value: Any, desk: Desk
) -> None:
    """No value that others rely on is taken on trust; status relies neither on the spec nor on what
    a trial is.
    """
    path = kept(desk, name)
    change(path, key, value)

    if name != "trial" and not (key == "spec" and isinstance(value, dict)):
        desk.refuses(Bad(("status", "study"), str(path), 1))
    desk.refuses(Bad(("report", "study"), str(path), 1))


@pytest.mark.parametrize(
    ("key", "value"), SOURCE_CHANGES, ids=[f"{k} {str(v)[:30]!r}" for k, v in SOURCE_CHANGES]
)
def test_what_a_data_set_is_made_of_is_held_against_its_kinds(
    key: str, value: Any, desk: Desk
) -> None:
    """A worker that would prepare or read it is told which file is wrong."""
    store, run = opened(desk)
    path = store.data_folder(run.data) / "source.json"
    change(path, key, value)

    with pytest.raises(DamagedFile, match=str(path)):
        store.load_data(run.data)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{",
        "[]",
        "{}",
        '{"format": 2}',
        '{"format": "1"}',
        '{"format": null}',
        "null",
        '{"format": 1',
        "\0" * 20,
        '{"version": 1}',
        "rubbish",
        '{"format": [1]}',
    ],
)
@pytest.mark.parametrize(
    "words",
    [("status",), ("report",), ("submit", "--backbone", "scratch"), ("prune",)],
    ids=lambda words: words[0],
)
def test_a_store_of_another_format_is_left_alone(
    text: str, words: tuple[str, ...], desk: Desk
) -> None:
    """The request is refused with 2; nothing is put into the folder."""
    (desk.folder / "orch-store" / "store.json").write_text(text)

    desk.refuses(Bad(words, "the store ", 2, {"ORCH_BROKER_URL": "redis://127.0.0.1:1"}))


@pytest.mark.parametrize(
    "name",
    [
        "nobody",
        "",
        "..",
        ".",
        "../study",
        "study/",
        "study/.",
        "/etc",
        "stu\ndy",
        "*",
        "~",
        "\x1b[31mstudy",
        "study\0",
        "STUDY",
        "-study",
        "\udcff",
        "study/../study",
        "x" * 300,
    ],
)
@pytest.mark.parametrize(
    "words",
    [
        ("status",),
        ("report",),
        ("watch",),
        ("resume",),
        ("retry",),
        ("cancel",),
        ("verify",),
        ("prune",),
    ],
    ids=lambda words: words[0],
)
def test_a_run_that_is_not_there_is_refused(name: str, words: tuple[str, ...], desk: Desk) -> None:
    """Names that lead elsewhere are names of no run; the runs there are named."""
    line = desk.refuses(
        Bad((*words, "--", name), f"has no run '{'' if not name.isprintable() else name[:99]}")
    )

    assert "Its runs: study" in line


def test_a_damaged_run_keeps_no_other_waiting(desk: Desk) -> None:
    """Workers tend the whole runs; what the damaged one wants is not known."""
    store, run = opened(desk)
    (store.root / "runs" / "torn").mkdir()
    (store.root / "runs" / "torn" / "run.json").write_text('{"name": "to')

    assert [each.name for each in store.whole_runs(store.run_names())] == ["study"]
    assert [each.name for each in store.wanted_by(Task("prepare", run.data))] == ["study"]


def test_a_damaged_run_keeps_no_other_from_being_listed(desk: Desk) -> None:
    """The others are shown; the damaged one is named, and what to do; exit code 1, for programs
    too.
    """
    store, _ = opened(desk)
    (store.root / "runs" / "torn").mkdir()
    (store.root / "runs" / "torn" / "run.json").write_text('{"name": "to')

    code = cli.run(["status"])
    shown = desk.capsys.readouterr()
    code_json = cli.run(["status", "--json"])
    listed = json.loads(desk.capsys.readouterr().out)

    assert code == code_json == 1
    assert "study  failed" in shown.out
    assert "torn   damaged" in shown.out
    assert "torn/run.json is damaged" in shown.err
    assert "Restore it from a copy, or remove it" in shown.err
    assert [each["run"] for each in listed["runs"]] == ["study"]
    assert [each["run"] for each in listed["damaged"]] == ["torn"]


def test_a_misspelt_run_is_answered_with_the_likeliest(desk: Desk) -> None:
    """Whatever the command."""
    line = desk.refuses(Bad(("report", "stduy"), "Did you mean 'study'?"))

    assert "Its runs: study" in line


SIGN = {"name": "w1", "host": "h", "pid": 3, "device": "cpu", "task": None, "at": 9e9}
SAID = {
    "worker": "w1",
    "device": "cpu",
    "at": 9e9,
    "attempt": 1,
    "phase": "train",
    "done": 1,
    "total": 2,
    "loss": 0.5,
}


@pytest.mark.parametrize(
    ("place", "good", "key", "value"),
    [
        *(("workers/w1.json", SIGN, key, value) for key in SIGN for value in (..., [], {})),
        *(
            ("workers/w1.json", SIGN, key, value)
            for key, value in [
                ("at", "now"),
                ("at", None),
                ("pid", "3"),
                ("name", 3),
                ("host", None),
                ("device", 0),
                ("task", 7),
            ]
        ),
        *(("progress/TASK.json", SAID, key, []) for key in SAID),
        *(
            ("progress/TASK.json", SAID, key, value)
            for key, value in [
                ("at", "now"),
                ("at", ...),
                ("worker", ...),
                ("device", ...),
                ("loss", "x"),
                ("done", "x"),
                ("epoch", "x"),
                ("images_per_second", "x"),
                ("val_accuracy", "x"),
                ("eta_s", "x"),
                ("phase", 3),
                ("total", {}),
            ]
        ),
    ],
    ids=str,
)
def test_what_workers_say_while_they_live_is_passed_over_when_it_is_wrong(
    place: str, good: dict[str, Any], key: str, value: Any, desk: Desk
) -> None:
    """Signs of life and progress are news, not the ledger: status shows what it can read."""
    store, run = opened(desk)
    evaluating = Task.parse(run.tasks[-1])
    store.failed_path(evaluating).unlink()
    path = store.root / place.replace("TASK", evaluating.id)
    path.parent.mkdir(exist_ok=True)
    path.write_text(json.dumps(good))
    change(path, key, value)

    code = cli.run(["status", "study"])
    said = desk.capsys.readouterr()

    assert code == 0
    assert said.err == ""
    assert "run study" in said.out


@pytest.mark.parametrize(
    "text",
    [
        *TORN.values(),
        b"[]",
        b'{"redis": 3}',
        b'{"redis": {"socket": "x"}}',
        b'{"workers": {}}',
        b'{"workers": [3]}',
        b'{"workers": [{}]}',
        b'{"workers": [{"name": "w", "process": 3}]}',
        b'{"workers": [{"name": "w", "device": "cpu", "broker": "b", "process": {"pid": 1}}]}',
        b'{"redis": {"socket": "x", "process": {"pid": 1, "born": 1, "more": 1}}}',
    ],
    ids=str,
)
def test_a_torn_record_of_the_stack_is_named(text: bytes, desk: Desk) -> None:
    """`orch down` ends nothing by guesswork."""
    from orchestrator.local import stack

    path = desk.folder / "orch-store" / "stack" / stack.host() / "stack.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(text)
    (path.parent / "lock").touch()

    desk.refuses(Bad(("down",), "stack.json", 1))


def test_no_path_of_a_record_is_removed_outside_the_store(desk: Desk) -> None:
    """A record that names files elsewhere is damaged itself; repairing removes the record, not
    those files.
    """
    store, run = opened(desk)
    victim = desk.folder / "victim.pt"
    victim.write_bytes(b"precious")
    for task in run.tasks[:2]:
        path = store.done_path(Task.parse(task))
        change(path, "files", [{"path": "../victim.pt", "sha256": "0" * 64, "bytes": 1}])
    change(store.done_path(Task.parse(run.tasks[1])), "checkpoint", "../victim.pt")

    found = list(verify.verify_files(store, run))
    verify.remove_damaged(store, [each for each in found if each.problem], run)
    verify.redo_training(store, Task.parse(run.tasks[1]))

    assert victim.read_bytes() == b"precious"
    assert not store.is_done(Task.parse(run.tasks[0]))


@pytest.mark.parametrize("place", ["../x", "/etc/x", "a/../../x", "..", "a\0b"])
def test_nothing_is_published_outside_the_store(place: str, desk: Desk, tmp_path: Path) -> None:
    """Whatever a child names as a place."""
    store, run = opened(desk)
    task = Task("evaluate", run.trials[0], 7)
    (tmp_path / "work").mkdir()
    (tmp_path / "work" / "rows").write_bytes(b"rows")
    before = listing(desk.folder)

    with pytest.raises(WorkError, match="outside the store"):
        store.publish(task, {"files": {"rows": place}}, tmp_path / "work", lambda: True)

    assert listing(desk.folder) == before


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
        st.sampled_from(sorted(records.RESULT_FIELDS)) | st.text(max_size=5), JSON, max_size=6
    )
)
def test_any_outcome_is_of_the_right_kinds_or_damaged(
    tmp_path_factory: pytest.TempPathFactory, values: dict[str, Any]
) -> None:
    """What is read back can be relied on."""
    path = tmp_path_factory.getbasetemp() / "outcome.json"
    path.write_text(json.dumps(values))

    try:
        found = records.read_result(path)
    except DamagedFile:
        return

    assert found is not None
    assert all(
        isinstance(found[key], kind) for key, kind in records.RESULT_FIELDS.items() if key in found
    )


@settings(max_examples=200, deadline=None)
@given(st.data())
def test_any_bytes_for_a_run_are_a_run_or_damaged(finished: Path, data: st.DataObject) -> None:
    """Bytes turned, cut or put in; the run is read as it was asked for, or the file is named."""
    good = (finished / "runs" / "study" / "run.json").read_bytes()
    at = data.draw(st.integers(0, len(good)))
    bad = good[:at] + data.draw(st.binary(max_size=3)) + good[at + data.draw(st.integers(0, 3)) :]
    folder = finished.parent / "other" / "runs" / "study"
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "run.json").write_bytes(bad)

    try:
        run = Store(finished.parent / "other").load_run("study")
    except OrchError as error:
        assert "run.json" in str(error)  # noqa: PT017
        return

    assert run.name == "study"
    assert all(Task.parse(each) for each in run.tasks)
