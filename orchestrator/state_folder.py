"""Where the processes of this machine for a store are recorded: a private folder of the user.

It is keyed by the machine, because the host name may change while processes run, and because
several machines may share a home folder. It is not in the store, which several people may share.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import pwd
import re
import stat
from collections.abc import Iterator
from pathlib import Path

from jobs.errors import OrchError
from jobs.store.paths import StorePaths

OPEN_TO_OTHERS = 0o077
WRITABLE_BY_OTHERS = 0o022
MACHINE_ID_FILES = (Path("/etc/machine-id"), Path("/var/lib/dbus/machine-id"))


class NotPrivate(OrchError):
    """A folder of orch's own that somebody else owns or can open."""


def host() -> str:
    """The host name that workers use."""
    import socket

    return re.sub(r"[^A-Za-z0-9-]", "-", socket.gethostname()) or "host"


def machine_id() -> str:
    """A key of this machine that outlives a change of its host name, where the system has one."""
    import hashlib

    for path in MACHINE_ID_FILES:
        with contextlib.suppress(OSError, ValueError):
            if re.fullmatch(r"[0-9a-f]{32}", key := path.read_text().strip()):
                return hashlib.sha256(f"orch {key}".encode()).hexdigest()[:12]
    return host()


def state_folder(store: Path) -> Path:
    """The folder of this user, machine and store; it may not exist yet."""
    import hashlib

    mark = hashlib.sha256(os.fsencode(store.resolve())).hexdigest()[:12]
    return _root() / machine_id() / mark


def old_folders(store: Path) -> list[Path]:
    """Folders inside the store where version 0.1.0 recorded processes, if they can be opened."""
    with contextlib.suppress(OSError):
        folders = StorePaths(store).stacks_folder.iterdir()
        return sorted(each for each in folders if os.access(each, os.R_OK | os.X_OK))
    return []


def created(store: Path) -> Path:
    """The state folder, created if needed; raises `NotPrivate`."""
    folder = state_folder(store)
    for outer in (folder.parent.parent, folder.parent):
        outer.parent.mkdir(parents=True, exist_ok=True)
        _make_own(outer, WRITABLE_BY_OTHERS)
    private_folder(folder)
    return folder


@contextlib.contextmanager
def locked(store: Path) -> Iterator[Path]:
    """The state folder, created if needed, locked by one process at a time.

    Raises `NotPrivate`.
    """
    folder = created(store)
    handle = os.open(folder / "lock", os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o600)
    with open(handle, "a") as lock:
        fcntl.lockf(lock, fcntl.LOCK_EX)
        yield folder


def private_folder(folder: Path) -> None:
    """Create a folder that only its user can open, or check that it is one.

    Raises `NotPrivate`.
    """
    _make_own(folder, OPEN_TO_OTHERS)


def _make_own(folder: Path, forbidden: int) -> None:
    with contextlib.suppress(FileExistsError):
        folder.mkdir(mode=0o700)
    status = folder.lstat()
    if (
        not stat.S_ISDIR(status.st_mode)
        or status.st_uid != os.getuid()
        or stat.S_IMODE(status.st_mode) & forbidden
    ):
        raise NotPrivate(f"{folder} is not a folder that only you can open. Remove it.")


def _root() -> Path:
    """XDG's folder of state, else the home folder's, else one among temporary files."""
    given = os.environ.get("XDG_STATE_HOME", "")
    places = [Path(given)] if given.startswith("/") else []
    places += [home / ".local" / "state" for home in _homes()]
    for place in places:
        if _can_hold(place):
            return place / "orch"
    import tempfile

    return Path(tempfile.gettempdir()) / f"orch-{os.getuid()}-state"


def _homes() -> Iterator[Path]:
    """The home folder by the environment, then by the system's list of users."""
    if (home := os.environ.get("HOME", "")).startswith("/"):
        yield Path(home)
    with contextlib.suppress(KeyError):
        yield Path(pwd.getpwuid(os.getuid()).pw_dir)


def _can_hold(place: Path) -> bool:
    """Whether the folder is this user's, or could be made; sudo may keep another's HOME."""
    there = next((each for each in (place, *place.parents) if os.path.lexists(each)), None)
    if there is None or not os.access(there, os.W_OK | os.X_OK):
        return False
    status = there.stat()
    return status.st_uid == os.getuid() or bool(status.st_mode & stat.S_ISVTX)
