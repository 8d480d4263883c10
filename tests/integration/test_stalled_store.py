"""A store that does not answer: each command says so in time, and a worker says it and waits.

A pipe that nobody writes stands for a mount whose server is gone: whoever opens it hangs, as there.
`tests/e2e/test_network_store.py` has real mounts.
"""

from __future__ import annotations

import errno
import os
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from jobs import atomic
from jobs.store import stall_watch
from jobs.store.stall_watch import StallWatch, StoreStalled
from jobs.store.store import Store

ORCH = (
    "from jobs.store import stall_watch; stall_watch.LIMIT_S = 1.0; "
    "from orchestrator import cli; cli.main()"
)
PROGRAM = """
import time
from jobs.store import stall_watch
stall_watch.LIMIT_S = 0.3
import orchestrator
try:
    orchestrator.open_store()
except Exception as error:
    print(type(error).__name__, flush=True)
print(orchestrator.open_store().runs())
time.sleep(1)
"""
COMMANDS = (
    "status --json",
    "watch",
    "workers",
    "submit --backbone squeezenet",
    "metrics",
    "drain gpu1",
)


@pytest.fixture
def stalled(tmp_path: Path) -> Path:
    """A store whose marker nobody can read."""
    (tmp_path / "store").mkdir()
    os.mkfifo(tmp_path / "store" / "store.json")
    return tmp_path / "store"


def started(words: str, store: Path) -> subprocess.Popen[str]:
    """A command that has begun."""
    return subprocess.Popen(
        [sys.executable, "-c", ORCH, *words.split(), "--store", str(store)],
        env={**os.environ, "XDG_STATE_HOME": str(store.parent / "state")},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def test_every_command_says_that_the_store_does_not_answer(stalled: Path) -> None:
    """In one line, with exit code 1; nothing hangs. A worker's code says that waiting may help."""
    codes = dict.fromkeys(COMMANDS, 1) | {"worker --device cpu": 75}
    running = {words: started(words, stalled) for words in codes}
    said = {words: each.communicate(timeout=60) for words, each in running.items()}
    line = f"error: the store at {stalled} does not answer (NFS server down?). "

    assert {words: each.returncode for words, each in running.items()} == codes
    assert {words: err[: len(line)] for words, (_, err) in said.items()} == dict.fromkeys(
        codes, line
    )
    assert {out for out, _ in said.values()} == {""}
    assert {err.count("\n") for _, err in said.values()} == {1}


def test_a_worker_hears_of_the_silence_once_and_of_its_end(stalled: Path) -> None:
    """It is asked again afterwards."""
    silent, back = list[float](), threading.Event()
    watch = StallWatch(stalled, silent.append, lambda seconds: back.set(), 0.2, 0.05).start()
    heard = back.wait(0.6)
    (stalled / "store.json").open("wb").close()  # whoever waited for the other end goes on
    again = back.wait(5)
    watch.end()

    assert not heard
    assert again
    assert len(silent) == 1
    assert silent[0] >= 0.2


@pytest.mark.parametrize("there", [True, False])
def test_a_store_that_answers_is_never_called_silent(tmp_path: Path, there: bool) -> None:
    """One that is missing answers, too: commands then say that it is missing."""
    if there:
        Store(tmp_path).open(create=True)
    silent, asked = list[float](), threading.Event()
    watch = StallWatch(tmp_path, silent.append, every_s=0.01, limit_s=0.04).start()
    asked.wait(0.3)
    watch.end()

    assert silent == []


def test_a_python_program_is_warned_of_the_silence_and_of_its_end(stalled: Path) -> None:
    """Its call goes on to wait, and returns once the store answers."""
    program = subprocess.Popen(
        [sys.executable, "-c", PROGRAM],
        env={**os.environ, "ORCH_STORE": str(stalled)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert program.stderr is not None
    warned = program.stderr.readline()
    waits = program.poll() is None
    (stalled / "store.json").rename(stalled / "pipe")
    Store(stalled).open(create=True)
    (stalled / "pipe").open("wb").close()  # whoever waited for the other end reads nothing
    out, err = program.communicate(timeout=30)

    assert warned.startswith(f"the store at {stalled} does not answer (NFS server down?). ")
    assert waits
    assert out == "StoreUnusable\n[]\n"
    assert err.startswith(f"the store at {stalled} answers again, after ")
    assert err.count("\n") == 1


@pytest.mark.parametrize("number", sorted(stall_watch.AWAY))
def test_a_mount_that_gives_up_is_told_the_same(
    tmp_path: Path, number: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With `soft`, NFS answers with an error after a while."""
    Store(tmp_path).open(create=True)

    def fails(path: Path) -> object:
        raise OSError(number, os.strerror(number), str(path))

    monkeypatch.setattr(atomic, "read_json", fails)

    with pytest.raises(StoreStalled, match=r"does not answer \(NFS server down\?\)"):
        Store(tmp_path).open()
    assert errno.ENOENT not in stall_watch.AWAY
