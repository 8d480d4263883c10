"""Makers of folders of class folders, whole and odd ones."""

from __future__ import annotations

import os
import socket
from collections.abc import Callable
from pathlib import Path

Make = Callable[[Path], object]


def put(*places: str | bytes) -> Make:
    """A maker of small files below the folder, each holding its own name."""

    def make(where: Path) -> None:
        for place in places:
            path = Path(os.fsdecode(os.path.join(os.fsencode(where), os.fsencode(place))))
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(os.fsencode(place))

    return make


def both(*makers: Make) -> Make:
    """One maker after another."""
    return lambda where: [make(where) for make in makers]


def link(place: str, to: str) -> Make:
    """A maker of a symbolic link."""

    def make(where: Path) -> None:
        (where / place).parent.mkdir(parents=True, exist_ok=True)
        (where / place).symlink_to(to)

    return make


def listen(where: Path) -> None:
    """A socket inside a class."""
    here = Path.cwd()
    os.chdir(where / "a")
    socket.socket(socket.AF_UNIX).bind("s.png")
    os.chdir(here)


TWO = put("a/1.png", "b/1.png")
"""Two classes of one file each."""
