"""A closed home is told when a run is submitted, not by its failure in the night."""

from __future__ import annotations

import json
import os
import pwd
import time
from pathlib import Path

import pytest
from support.users import open_folder, require_root

from jobs.data.data_source import DataSource
from jobs.spec.model import DataSettings
from jobs.store.store import Store
from jobs.task import Task
from orchestrator.submission import closed_images

NOBODY = pwd.getpwnam("nobody")


@pytest.mark.parametrize(
    ("mode", "group", "closed"),
    [
        (0o711, 0, False),
        (0o700, 0, True),
        (0o701, NOBODY.pw_gid, True),
        (0o710, NOBODY.pw_gid, False),
    ],
)
def test_a_closed_folder_on_the_way_is_named_with_the_command(
    mode: int, group: int, closed: bool
) -> None:
    """By the rights of the user of the live workers: a member of the group has the group's."""
    require_root()
    with open_folder() as folder:
        home, store = folder / "home", Store(folder / "store").open(create=True)
        (home / "animals").mkdir(parents=True)
        os.chown(home, 0, group)
        home.chmod(mode)
        source = DataSource(str(home / "animals"), ("cat", "dog"), ())
        store.save_data("animals-1", source, DataSettings())
        alive = store.heartbeats_folder / "w.json"
        _beat(alive)
        said = closed_images.warnings(store, [Task("prepare", "animals-1")])
        os.chown(alive, 0, 0)  # our own worker
        ours = closed_images.warnings(store, [Task("prepare", "animals-1")])

    line = f"workers run as nobody, who may not enter {home} (mode {mode:04o}), where the images "
    assert said == ([f"{line}are. Type: chmod a+x {home}"] if closed else [])
    assert ours == []


def _beat(path: Path) -> None:
    """The heartbeat of a live worker of nobody."""
    path.parent.mkdir(parents=True, exist_ok=True)
    record = {
        "name": "w",
        "host": "far",
        "pid": 1,
        "device": "cpu",
        "task": None,
        "at": time.time(),
    }
    path.write_text(json.dumps({"format": 1, **record}))
    os.chown(path, NOBODY.pw_uid, NOBODY.pw_gid)
