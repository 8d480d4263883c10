"""Colours on a terminal, and none where NO_COLOR asks for none (no-color.org)."""

from __future__ import annotations

import os
import pty
import re
import subprocess
import sys
from pathlib import Path

import pytest
from support.fakes import fill_store

COLOUR = re.compile(r"\x1b\[[0-9;]*\b(?:3[0-8]|4[0-8]|9[0-7]|10[0-7])\b[0-9;]*m")


def shown(store: Path, **variables: str) -> str:
    """What `orch watch` writes to a terminal about a finished run."""
    surroundings = {k: v for k, v in os.environ.items() if k not in ("NO_COLOR", "FORCE_COLOR")}
    mine, theirs = pty.openpty()
    command = [sys.executable, "-m", "orchestrator.cli", "--store", str(store), "watch", "study"]
    process = subprocess.Popen(
        command,
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
        env=surroundings | {"TERM": "xterm-256color", "COLUMNS": "120"} | variables,
    )
    os.close(theirs)
    written = b""
    try:
        while piece := os.read(mine, 65536):
            written += piece
    except OSError:  # how Linux tells that nobody writes to the terminal any more
        pass
    os.close(mine)
    assert process.wait(timeout=60) == 0, written.decode()
    return written.decode()


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A store with one finished run."""
    root = tmp_path_factory.mktemp("store")
    fill_store(root, backbones=["scratch"], pixels=False, name="study")
    return root


def test_a_terminal_gets_colours(store: Path) -> None:
    """Otherwise the test below would show nothing."""
    text = shown(store)

    assert "scratch" in text
    assert COLOUR.search(text)


def test_no_color_is_honoured(store: Path) -> None:
    """Any value but an empty one; bold and dim text are no colours."""
    text = shown(store, NO_COLOR="1")

    assert "scratch" in text
    assert COLOUR.search(text) is None
