"""What the tests of bad input share: a terminal, and a small store of a finished run."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from support.refusals import Terminal, make_terminal
from support.stores import fill_small_store


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


@pytest.fixture
def terminal_with_run(finished: Path, terminal: Terminal) -> Terminal:
    """A terminal with a copy of that store as its store."""
    shutil.copytree(finished, terminal.folder / "orch-store")
    return terminal
