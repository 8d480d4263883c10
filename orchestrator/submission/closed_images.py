"""Warn if workers run as a user who may not read the images: they are prepared by a worker."""

from __future__ import annotations

import contextlib
import os
import pwd
import shlex
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

from jobs import permissions
from jobs.catalog.built_in_data import BUILT_IN_DATA
from orchestrator.monitoring import heartbeats

if TYPE_CHECKING:
    from jobs.store.store import Store
    from jobs.task import Task


def warnings(store: Store, sent: Iterable[Task]) -> list[str]:
    """A line for each folder that a live worker's user may not enter, by its mode on this machine.

    The owner of a heartbeat's file is the worker's user.
    """
    folders = {
        origin
        for task in sent
        if task.kind == "prepare"
        and (origin := store.described(task.subject).origin) not in BUILT_IN_DATA
    }
    if not folders:
        return []
    users = {beat.uid for beat in heartbeats.read_heartbeats(store.root) if beat.fresh}
    return [
        f"workers run as {permissions.user_name(uid)}, who may not enter {closed} (mode "
        f"{closed.stat().st_mode & 0o7777:04o}), where the images are. Type: chmod a+x "
        f"{shlex.quote(str(closed))}"
        for folder in sorted(folders)
        for uid in sorted(users - {-1, 0, os.geteuid()})
        if (closed := closed_to(uid, Path(folder)))
    ]


def closed_to(uid: int, folder: Path) -> Path | None:
    """The first folder on the way that a user may not enter; None for a user unknown here."""
    with contextlib.suppress(KeyError, OSError):
        user = pwd.getpwuid(uid)
        groups = os.getgrouplist(user.pw_name, user.pw_gid)
        for each in (*reversed(folder.parents), folder):
            status = each.stat()
            shift = 6 if status.st_uid == uid else 3 if status.st_gid in groups else 0
            if not status.st_mode >> shift & 1:
                return each
    return None
