"""Wrong requests for a run that is there: refused, and its store stays as it was, to the byte."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

import pytest
from support.refusals import Terminal, listing, refusal

from jobs.errors import RequestError
from jobs.store.store import Store
from orchestrator.report import write

REPORTS: list[tuple[str, Sequence[int], Sequence[str], str]] = [
    *(
        (out, (), ("html",), "cannot write the report")
        for out in ("file", "file/x", "/dev/null/x", "/proc/x", "loop", "pipe", "x" * 300)
    ),
    ("out", (0,), ("html",), "--period 0: the run study has periods 1 to 1"),
    ("out", (2,), ("html",), "--period 2: the run study has periods 1 to 1"),
    ("out", (), ("doc",), "--format doc: unknown format. Give one or more of html, md, json"),
]

REQUESTS = [
    (("report", "study", "--out", ""), "--out is empty"),
    (("report", "study", "--out", " "), "--out is empty"),
    (("report", "study", "--out", "file"), "cannot write the report"),
    (("report", "study", "--out", "~nobody-of-that-name/x"), "does not exist"),
    (("report", "study", "nobody"), "has no run 'nobody'"),
    (("report", "study", "--format", "doc"), "doc"),
    (("report", "study", "--format", ""), "--format is empty"),
    (("report", "study", "--period", "2"), "--period 2"),
    (("report", "study", "--period", "x"), "--period"),
    (("verify", "study", "--replay", "--trial", "nobody"), "nobody"),
    (("verify", "study", "--replay", "--trial", "../../x"), "../../x"),
    (("verify", "nobody"), "has no run"),
    (("prune", "study", "nobody"), "has no run 'nobody'"),
    (("prune", "--keep", "none"), "--keep 'none'"),
    (("resume", "study", "--device", "tpu"), "is not a device"),
    (("resume", "nobody"), "has no run"),
    (("predict", "gone.png"), "the image gone.png does not exist"),
    (("predict", "file", "--run", "nobody"), "has no run 'nobody'"),
    (("predict", "file", "--period", "9"), "9"),
    (("predict", "file", "--device", "tpu"), "tpu"),
    (("export", "tensorboard", "nobody"), "has no run 'nobody'"),
    (("export", "mlflow", "study", "--out", ""), "--out is empty"),
]


@pytest.fixture
def places(terminal: Terminal) -> Terminal:
    """A terminal with a few things in its folder that are no folder for a report."""
    (terminal.folder / "file").write_bytes(b"x")
    (terminal.folder / "loop").symlink_to("loop")
    os.mkfifo(terminal.folder / "pipe")
    return terminal


@pytest.mark.parametrize(
    ("out", "periods", "formats", "words"),
    REPORTS,
    ids=[f"{row[0][:12]} {row[1]} {row[2]}" for row in REPORTS],
)
def test_a_report_that_cannot_be_written_is_refused(
    out: str,
    periods: Sequence[int],
    formats: Sequence[str],
    words: str,
    finished: Path,
    places: Terminal,
) -> None:
    """Before anything is drawn."""
    store = Store(finished)
    before = listing(finished, places.folder, places.temporary)

    line = refusal(
        RequestError,
        write.write_report,
        store,
        store.load_run("study"),
        places.folder / out,
        periods,
        formats,
    )

    assert words in line
    assert listing(finished, places.folder, places.temporary) == before


@pytest.mark.parametrize(("words", "expected"), REQUESTS, ids=[" ".join(r[0]) for r in REQUESTS])
def test_a_wrong_request_for_a_run_changes_nothing(
    words: tuple[str, ...], expected: str, finished: Path, places: Terminal
) -> None:
    """Exit code 2 and one line from each command."""
    before = listing(finished)

    places.refuses(words, expected, ORCH_STORE=str(finished))

    assert listing(finished) == before
