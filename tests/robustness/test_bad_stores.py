"""Places that are no store, or cannot become one: refused before anything is started or written."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from support.refusals import UNREACHABLE, Terminal, listing, refusal

from jobs import settings
from jobs.errors import StoreUnusable
from jobs.store.store import Store
from orchestrator import preflight

WRITERS = {
    "submit": ("submit", "--backbone", "scratch"),
    "up": ("up",),
    "worker": ("worker",),
    "flower": ("flower", "--port", "50999"),
    "data prepare": ("data", "prepare", "digits"),
}
READERS = (
    ("status",),
    ("status", "study"),
    ("report",),
    ("watch",),
    ("resume", "study"),
    ("retry", "study"),
    ("cancel", "study"),
    ("verify", "study"),
    ("prune",),
)

TO_WRITE = [
    ("file", "file is not a folder. Set ORCH_STORE to another"),
    ("file/store", "file is not a folder. Set ORCH_STORE to another"),
    ("file/a/b/c", "file is not a folder. Set ORCH_STORE to another"),
    ("file/\x1b[31m", "file is not a folder. Set ORCH_STORE to another"),
    ("/dev/null", "/dev/null is not a folder. Set ORCH_STORE to another"),
    ("/dev/null/x", "/dev/null is not a folder. Set ORCH_STORE to another"),
    ("/proc/store", "cannot write to the store /proc/store: "),
    ("/sys/kernel/store", "cannot write to the store /sys/kernel/store: "),
    ("/proc/self/fd/store", "cannot write to the store /proc/self/fd/store: "),
    ("loop", ": Too many levels of symbolic links"),
    ("loop/store", ": Too many levels of symbolic links"),
    ("pipe", "pipe is not a folder. Set ORCH_STORE to another"),
    ("dead", "dead is not a folder. Set ORCH_STORE to another"),
    ("nested", "here/nested: Is a directory"),
    ("x" * 300, ": File name too long"),
    ("/".join(["x" * 200] * 30), ": File name too long"),
]
TO_READ = [
    ("file", "here/file: Not a directory"),
    ("file/x", "here/file/x: Not a directory"),
    ("empty", "there is no store at "),
    ("gone", "there is no store at "),
    ("loop", "here/loop: Too many levels of symbolic links"),
    ("/proc", "there is no store at /proc. Create one with 'orch submit'"),
    ("/dev/null", "cannot use the store /dev/null: Not a directory"),
    ("nested", "here/nested: Is a directory"),
    ("x" * 300, ": File name too long"),
]

NO_FORMAT = "has a format that this version of orch cannot read"
NO_JSON = "it is not valid JSON"
FORMATS = [
    ("", NO_JSON),
    ("{", NO_JSON),
    ('{"format": 1', NO_JSON),
    ("\0" * 20, NO_JSON),
    ("rubbish", NO_JSON),
    ("[]", NO_FORMAT),
    ("{}", NO_FORMAT),
    ("null", NO_FORMAT),
    ('{"format": 2}', NO_FORMAT),
    ('{"format": "1"}', NO_FORMAT),
    ('{"format": null}', NO_FORMAT),
    ('{"format": [1]}', NO_FORMAT),
    ('{"version": 1}', NO_FORMAT),
]


@pytest.fixture
def places(terminal: Terminal) -> Terminal:
    """A terminal with a few things in its folder that are no store."""
    here = terminal.folder
    (here / "file").write_bytes(b"x")
    (here / "empty").mkdir()
    (here / "loop").symlink_to("loop")
    (here / "dead").symlink_to("gone/away")
    os.mkfifo(here / "pipe")
    (here / "nested" / "store.json").mkdir(parents=True)
    return terminal


def store_at(place: str) -> Path:
    """The store's folder, as commands find it in the environment."""
    return settings.read({"ORCH_STORE": place}).store


@pytest.mark.parametrize(("place", "words"), TO_WRITE, ids=[ascii(row[0])[:30] for row in TO_WRITE])
def test_a_place_that_cannot_become_a_store_is_refused(
    place: str, words: str, places: Terminal
) -> None:
    """With the reason and what to set; nothing is left behind."""
    before = listing(places.folder, places.temporary)

    line = refusal(StoreUnusable, preflight.require_writable, store_at(place))

    assert line.startswith(
        ("error: the store ", "error: cannot write to the store ", "error: cannot use the store ")
    )
    assert words in line
    assert listing(places.folder, places.temporary) == before


@pytest.mark.skipif(os.getuid() == 0, reason="the superuser may write everywhere")
def test_a_store_that_may_not_be_written_is_refused(places: Terminal) -> None:
    """The line says what to set."""
    (places.folder / "empty").chmod(0o500)

    line = refusal(StoreUnusable, preflight.require_writable, places.folder / "empty")

    assert "Set ORCH_STORE" in line


@pytest.mark.parametrize(("place", "words"), TO_READ, ids=[ascii(row[0])[:30] for row in TO_READ])
def test_a_place_that_is_no_store_is_not_read_as_one(
    place: str, words: str, places: Terminal
) -> None:
    """The place is not made."""
    before = listing(places.folder, places.temporary)

    line = refusal(StoreUnusable, Store(store_at(place)).open)

    assert words in line
    assert listing(places.folder, places.temporary) == before


@pytest.mark.parametrize(("text", "words"), FORMATS, ids=[ascii(row[0]) for row in FORMATS])
def test_a_store_of_another_format_is_left_alone(text: str, words: str, terminal: Terminal) -> None:
    """Neither to be read nor to be written; nothing is put into the folder."""
    root = terminal.folder / "store"
    root.mkdir()
    (root / "store.json").write_text(text)
    before = listing(terminal.folder, terminal.temporary)

    to_read = refusal(StoreUnusable, Store(root).open)
    to_write = refusal(StoreUnusable, preflight.require_writable, root)

    assert words in to_read
    assert to_read.startswith(("error: the store ", "error: cannot use the store "))
    assert to_write == to_read
    assert listing(terminal.folder, terminal.temporary) == before


@pytest.mark.parametrize(
    ("place", "words"),
    [("file/store", "the store "), ("nested", "the store "), (" ", "ORCH_STORE is empty")],
)
@pytest.mark.parametrize("command", WRITERS.values(), ids=WRITERS)
def test_a_command_that_writes_refuses_what_cannot_become_a_store(
    command: tuple[str, ...], place: str, words: str, places: Terminal
) -> None:
    """One line, and nothing started: the broker is not even looked for. A worker says that a later
    start may succeed, once a shared folder is mounted.
    """
    code = 75 if command == ("worker",) and place.strip() else 2
    places.refuses(command, words, code, ORCH_STORE=place, ORCH_BROKER_URL=UNREACHABLE)


@pytest.mark.skipif(os.getuid() == 0, reason="the superuser may write everywhere")
@pytest.mark.parametrize("command", WRITERS.values(), ids=WRITERS)
def test_a_command_that_writes_refuses_a_store_that_may_not_be_written(
    command: tuple[str, ...], places: Terminal
) -> None:
    """The line says what to set."""
    (places.folder / "empty").chmod(0o500)

    code = 75 if command == ("worker",) else 2
    refused = {"ORCH_STORE": "empty", "ORCH_BROKER_URL": UNREACHABLE}

    places.refuses(command, "Set ORCH_STORE", code, **refused)


@pytest.mark.parametrize("place", ["file", "gone"])
@pytest.mark.parametrize("command", READERS, ids=" ".join)
def test_a_command_that_reads_refuses_what_is_no_store(
    command: tuple[str, ...], place: str, places: Terminal
) -> None:
    """Exit code 2, one line, and the place is not made."""
    places.refuses(command, "store ", ORCH_STORE=place)


@pytest.mark.parametrize(
    "command",
    [("status",), ("report",), ("submit", "--backbone", "scratch"), ("prune",)],
    ids=lambda command: command[0],
)
def test_a_command_refuses_a_store_of_another_format(
    command: tuple[str, ...], terminal_with_run: Terminal
) -> None:
    """Exit code 2, though there is a run in it; nothing is put into the folder."""
    (terminal_with_run.folder / "orch-store" / "store.json").write_text('{"format": 2}')

    terminal_with_run.refuses(command, NO_FORMAT, ORCH_BROKER_URL="redis://127.0.0.1:1")


def test_a_store_below_a_folder_that_is_not_there_is_no_error(terminal: Terminal) -> None:
    """It would be made; a request that fails for another reason leaves none of it behind."""
    terminal.refuses(
        WRITERS["submit"],
        "no broker answers",
        ORCH_STORE="deep/er/store",
        ORCH_BROKER_URL=UNREACHABLE,
    )

    assert not (terminal.folder / "deep").exists()
