"""Records of a store by short names, and JSON that is torn or is no object."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from jobs.store.runs import Run
from jobs.store.store import Store
from jobs.task import Task

NO_JSON = "it is not valid JSON"
NO_OBJECT = "it contains no keys and values"
TORN: dict[str, tuple[bytes, str]] = {
    "empty": (b"", NO_JSON),
    "a brace": (b"{", NO_JSON),
    "cut": (b'{"name": "x", "spec": {"da', NO_JSON),
    "zeros": (bytes(200), NO_JSON),
    "text": (b"rubbish", NO_JSON),
    "not UTF-8": (b"\xff\xfe{}", NO_JSON),
    "an image": (b"\x89PNG\r\n\x1a\n", NO_JSON),
    "deep": (b"[" * 100_000, NO_JSON),
    "two values": (b"{}{}", NO_JSON),
    "a pickle": (b"\x80\x04\x8c\x05posix\x8c\x06system\x93.", NO_JSON),
    "YAML": (b"name: x\n", NO_JSON),
    "a huge number": (b"1" * 5000, NO_JSON),
    "null": (b"null", NO_OBJECT),
    "a list": (b"[]", NO_OBJECT),
    "a text": (b'"x"', NO_OBJECT),
    "a number": (b"3", NO_OBJECT),
    "truth": (b"true", NO_OBJECT),
}
"""What no record can hold, and how it is described."""

REMEDY = "Restore it from a copy, or remove it and submit the run again."

PATHS: dict[str, Callable[[Store, Run], Path]] = {
    "run": lambda store, run: store.run_path(run.name),
    "trial": lambda store, run: store.trial_folder(run.trials[0]) / "trial.json",
    "data set": lambda store, run: store.data_folder(run.data) / "source.json",
    "trained": lambda store, run: store.done_path(Task("train", run.trials[0], 1)),
    "evaluated": lambda store, run: store.done_path(Task("evaluate", run.trials[0], 1)),
    "failed": lambda store, run: store.failed_path(Task.parse(run.tasks[-1])),
}
"""Where the records of a run are, in the store of `fill_store_with_failure`."""


def changed(path: Path, key: str, value: Any) -> bytes:
    """A record with another value under a key; `...` takes the key away."""
    found = json.loads(path.read_text())
    found.pop(key, None)
    return json.dumps(found if value is ... else found | {key: value}).encode()


def copied(whole: Store, path: Path, contents: bytes, root: Path) -> Store:
    """A new store at `root` with nothing but one record of another, which holds these bytes."""
    target = root / path.relative_to(whole.root)
    target.parent.mkdir(parents=True)
    target.write_bytes(contents)
    return Store(root)
