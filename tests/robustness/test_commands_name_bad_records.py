"""Commands that read a damaged record: exit code 1, its path and what to do; nothing is changed."""

from __future__ import annotations

from typing import Any

import pytest
from support.records import PATHS, REMEDY, TORN, changed
from support.refusals import Terminal

from jobs.store.store import Store

LOOKING = (("status", "study"), ("status", "study", "--json"), ("cancel", "study"))
REPORT = ("report", "study")
WRONG: dict[str, tuple[str, Any]] = {
    "run": ("tasks", [1]),
    "trial": ("seed", "0"),
    "trained": ("accuracy", "high"),
    "evaluated": ("accuracy", "high"),
    "failed": ("attempt", "1"),
}
ROWS = [
    *(("run", command) for command in (*LOOKING, REPORT)),
    ("trial", REPORT),
    *(("trained", command) for command in (*LOOKING, REPORT)),
    *(("evaluated", command) for command in LOOKING),
    *(("failed", command) for command in (*LOOKING, REPORT)),
]


@pytest.mark.parametrize("torn", [True, False], ids=["torn", "a wrong value"])
@pytest.mark.parametrize(
    ("name", "command"), ROWS, ids=[f"{name} {' '.join(command)}" for name, command in ROWS]
)
def test_a_command_names_a_damaged_record(
    name: str, command: tuple[str, ...], torn: bool, terminal_with_failure: Terminal
) -> None:
    """Every record that the command relies on."""
    store = Store(terminal_with_failure.folder / "orch-store")
    path = PATHS[name](store, store.load_run("study"))
    path.write_bytes(TORN["cut"][0] if torn else changed(path, *WRONG[name]))

    line = terminal_with_failure.refuses(command, f"{path} is damaged", code=1)

    assert REMEDY in line
