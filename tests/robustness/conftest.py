"""What the tests of bad input share: a terminal, and a small store of a finished run."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from support.refusals import Terminal, make_terminal
from support.stores import fill_small_store, fill_store_with_failure

from jobs.store.runs import Run
from jobs.store.store import Store


@pytest.fixture
def terminal(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Terminal:
    """An empty terminal."""
    return make_terminal(tmp_path, monkeypatch, capsys)


@pytest.fixture(scope="session")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A store with a small run, all of it done. All tests share it: leave it as it was."""
    return fill_small_store(tmp_path_factory.mktemp("finished") / "store")[0].root


@pytest.fixture(scope="session")
def one_failed(tmp_path_factory: pytest.TempPathFactory) -> tuple[Store, Run]:
    """A store with a small run, one task of it failed. All tests share it: leave it as it was."""
    return fill_store_with_failure(tmp_path_factory.mktemp("failed") / "store")


@pytest.fixture
def terminal_with_failure(one_failed: tuple[Store, Run], terminal: Terminal) -> Terminal:
    """A terminal with a copy of that store as its store."""
    shutil.copytree(one_failed[0].root, terminal.folder / "orch-store")
    return terminal


@pytest.fixture
def terminal_with_run(finished: Path, terminal: Terminal) -> Terminal:
    """A terminal with a copy of that store as its store."""
    shutil.copytree(finished, terminal.folder / "orch-store")
    return terminal


@pytest.fixture
def two_classes(terminal: Terminal) -> Path:
    """A folder `photos` in the working folder, with two classes of three whole images."""
    image = pytest.importorskip("PIL.Image", reason="Pillow is not installed (extra 'worker')")
    folder = terminal.folder / "photos"
    for label in "ab":
        (folder / label).mkdir(parents=True)
        for number in range(3):
            colour = (number * 80, 0 if label == "a" else 255, 9)
            image.new("RGB", (20, 20), colour).save(folder / label / f"{number}.png")
    return folder
