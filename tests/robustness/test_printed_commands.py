"""Commands that orch prints can be pasted into a shell, whatever the folders are called."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest
from support.fakes import fill_store
from support.refusals import Terminal

from jobs import permissions
from jobs.store.store import Store

NAME = 'ann\'s $HOME  `x` & "co"'

NEEDED = {"predict": ("torch",), "export": ("torch", "tensorboard")}


def stores_in(text: str) -> set[str]:
    """The stores that the printed commands name; fails where a shell would not read one."""
    found = set()
    for line in text.splitlines():
        for start in (match.start() for match in re.finditer(r"\borch --store ", line)):
            found.add(shlex.split(line[start:])[2])
    return found


@pytest.fixture
def store(terminal: Terminal) -> Store:
    """A store of a difficult name with a run that has just begun."""
    return fill_store(
        terminal.folder / NAME, backbones=["scratch"], pixels=False, finished=lambda task: False
    )[0]


@pytest.mark.parametrize(
    "words",
    [
        ("status",),
        ("status", "RUN"),
        ("doctor",),
        ("report",),
        ("predict", "x.png"),
        ("export", "tensorboard"),
        ("cancel", "RUN"),
    ],
    ids=" ".join,
)
def test_printed_commands_name_a_store_of_any_name(
    words: tuple[str, ...], store: Store, terminal: Terminal
) -> None:
    """The store was given by an option, so each command must name it."""
    for package in NEEDED.get(words[0], ()):
        pytest.importorskip(package, reason=f"{package} is not installed")
    run = store.run_names()[0]
    (terminal.folder / "x.png").touch()

    said = terminal.run("--store", str(store.root), *(run if w == "RUN" else w for w in words))

    assert stores_in(said[1] + said[2]) == {str(store.root)}, said


def test_a_folder_that_was_meant_can_be_pasted(terminal: Terminal) -> None:
    """So can one that was given as a specification."""
    for label in ("cat", "dog"):
        (terminal.folder / NAME / "all" / label).mkdir(parents=True)
        (terminal.folder / NAME / "all" / label / "1.png").touch()

    meant = terminal.run("data", "inspect", NAME)[2].partition("Give ")[2]
    given = terminal.run("submit", NAME)[2].partition("--data ")[2]

    assert shlex.split(meant.partition(" if the class")[0]) == [f"{terminal.folder / NAME}/all"]
    assert shlex.split(given.rstrip().removesuffix(".")) == [NAME]


def test_the_command_that_gives_access_can_be_pasted(tmp_path: Path) -> None:
    """The owner of the nearest folder that can be seen pastes it."""
    folder = tmp_path / NAME
    folder.mkdir()

    said = str(permissions.denied(folder / "x"))

    assert shlex.split(said.partition("Type: ")[2])[-1] == str(folder)
