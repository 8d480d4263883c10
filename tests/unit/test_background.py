"""The background thread writes one checkpoint at a time and keeps none of it in memory."""

from __future__ import annotations

import gc
import threading
import weakref
from typing import Any

import pytest

torch = pytest.importorskip("torch", reason="torch is not installed (extra 'worker')")

from models.runtime.background import BackgroundThread  # noqa: E402


def test_one_is_written_at_a_time_and_the_next_waits() -> None:
    """In the order of the requests; `free` says whether one is running."""
    saver, gate, done = BackgroundThread(), threading.Event(), list[int]()

    def first() -> None:
        gate.wait(20)
        done.append(1)

    with saver:
        saver.begin(first)
        busy = not saver.free()
        threading.Timer(0.2, gate.set).start()
        saver.begin(lambda: done.append(2))
        waited = list(done)

    assert busy
    assert waited[:1] == [1]
    assert done == [1, 2]
    assert saver.free()


def test_what_was_written_is_not_kept_in_memory() -> None:
    """The copy is freed once it is written, not at the next checkpoint."""
    saver, copy = BackgroundThread(), torch.zeros(1000)
    gone = weakref.ref(copy)

    def work(kept: Any = copy) -> None:
        kept.sum()

    with saver:
        saver.begin(work)
        del work, copy
        saver.wait()
        gc.collect()

        assert gone() is None
