"""Another person on this machine: run a function as a user without privileges."""

from __future__ import annotations

import json
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

COLLEAGUE = 54321


def require_root() -> None:
    """Skip a test that acts as another user, or gives files to one."""
    if os.geteuid() != 0:
        pytest.skip("only root can act as another user")


def as_user(uid: int, function: Callable[[], Any], group: int | None = None) -> Any:
    """The JSON value of a function that runs as another user, in a fork; needs root.

    Modules that the function uses must be imported already.
    """
    require_root()
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(reading)
        os.setgroups([])
        os.setgid(uid if group is None else group)
        os.setuid(uid)
        try:
            said = {"value": function()}
        except BaseException as error:
            said = {"error": f"{type(error).__name__}: {error}"}
        os.write(writing, json.dumps(said).encode())
        os._exit(0)
    os.close(writing)
    with os.fdopen(reading, "rb") as pipe:
        answer = json.loads(pipe.read())
    os.waitpid(child, 0)
    if "error" in answer:
        raise AssertionError(answer["error"])
    return answer["value"]


@contextmanager
def open_folder() -> Iterator[Path]:
    """A temporary folder that every user can enter and write; pytest's are private."""
    folder = Path(tempfile.mkdtemp(prefix="orch-users-"))
    folder.chmod(0o777)
    try:
        yield folder
    finally:
        shutil.rmtree(folder)
