"""Access to a store that several people share: who may not read what, and the shared mode.

`"shared"` in store.json works as git's `core.sharedRepository`: with `group` the group may write
every new file whatever a person's umask, with `all` everybody may read it too, and an octal number
is the mode of files. Without it the umask decides.
"""

from __future__ import annotations

import contextlib
import errno
import grp
import os
import pwd
import shlex
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from jobs.errors import AccessDenied

GROUP, ALL = 0o660, 0o664
NAMED_MODES = {"group": GROUP, "true": GROUP, "all": ALL, "world": ALL, "everybody": ALL}
OWN_MODES = ("umask", "false", "none")
LEAST = 0o600


@contextlib.contextmanager
def access_errors(path: Path) -> Iterator[None]:
    """Convert "permission denied" in the block to `AccessDenied`: owner, path and remedy."""
    try:
        yield
    except AccessDenied:
        raise
    except PermissionError as error:
        raise denied(Path(os.fsdecode(error.filename or path)), path) from error


class PlantedFile(FileNotFoundError):
    """A link or another user's file where a file of this user was expected."""


def open_own(path: Path, flags: int) -> int:
    """Open a file of this user, never one that a colleague planted: a link, or another's file.

    Returns the descriptor. Raises `PlantedFile`.
    """
    try:
        handle = os.open(path, flags | os.O_NOFOLLOW, 0o666)
    except OSError as error:
        if error.errno != errno.ELOOP:
            raise
        raise PlantedFile(errno.ENOENT, "a link is in its place", str(path)) from None
    status = os.fstat(handle)
    if not stat.S_ISREG(status.st_mode) or status.st_uid != os.geteuid() or status.st_nlink > 1:
        os.close(handle)
        owner = user_name(status.st_uid)
        raise PlantedFile(errno.ENOENT, f"a file of {owner} is in its place", str(path))
    return handle


def refuse_planted_link(folder: Path) -> None:
    """Raise `AccessDenied` if a folder of the store is a link that a colleague made.

    Links of this user, of root and of the owner of the folder around it are followed.
    """
    try:
        status = folder.lstat()
        if not stat.S_ISLNK(status.st_mode):
            return
        trusted = {0, os.geteuid(), folder.parent.stat().st_uid}
    except OSError:
        return
    if status.st_uid not in trusted:
        raise AccessDenied(
            f"{folder} is a link that {user_name(status.st_uid)} made; orch does not follow it. "
            "Remove it."
        )


def denied(path: Path, wanted: Path | None = None) -> AccessDenied:
    """The error for a path that this user may not use, or its nearest folder that can be seen."""
    return AccessDenied(f"{wanted or path}: permission denied. {remedy(path, wanted)}")


def remedy(path: Path, wanted: Path | None = None) -> str:
    """Whose the path is, or its nearest folder that can be seen, and who types what."""
    place = _nearest(path if path.is_absolute() else wanted or path)
    status = place.lstat()
    owner, ours = user_name(status.st_uid), status.st_uid == os.geteuid()
    command = f"chmod -R {'u' if ours else 'g'}+rwX {shlex.quote(str(place))}"
    asked = f"Type: {command}" if ours else f"Ask {owner} to type: {command}"
    if not ours and not _in_group(status.st_gid):
        group = group_name(status.st_gid)
        if _open_to_group(status):
            asked = (
                f"Its group, {group}, may use it. Join: sudo usermod -aG {group} "
                f"{user_name(os.geteuid())}, then log in again"
            )
        else:
            asked += f" (its group, {group}, is none of yours: chgrp -R as well)"
    mode = stat.S_IMODE(status.st_mode)
    return f"{place} belongs to {owner} (mode {mode:04o}). {asked}"


def _open_to_group(status: os.stat_result) -> bool:
    """Whether the group may read and write a file, and enter a folder."""
    wanted = stat.S_IRGRP | stat.S_IWGRP
    wanted |= stat.S_IXGRP if stat.S_ISDIR(status.st_mode) else 0
    return status.st_mode & wanted == wanted


def _nearest(path: Path) -> Path:
    """The path itself, else its nearest folder that this user can see."""
    for each in (path, *path.parents):
        with contextlib.suppress(OSError):
            each.lstat()
            # Its own mode does not matter where the folder around it refuses a new or other name.
            if each != path or (os.access(each, os.F_OK) and not _usable(each)):
                return each
    return path.parent


def _usable(path: Path) -> bool:
    wanted = os.R_OK | os.W_OK | (os.X_OK if path.is_dir() else 0)
    return os.access(path, wanted)


def _in_group(group: int) -> bool:
    return group in (os.getegid(), *os.getgroups())


def user_name(uid: int) -> str:
    """Name of a user; the number if the system does not know it."""
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return f"user {uid}"


def group_name(gid: int) -> str:
    """Name of a group; the number if the system does not know it."""
    try:
        return grp.getgrgid(gid).gr_name
    except KeyError:
        return str(gid)


def shared_mode(value: Any) -> int | None:
    """Mode of new files by the value of `shared` in store.json; None: the umask decides.

    Raises `ValueError`.
    """
    word = "umask" if value is None else str(value).lower()
    if word in OWN_MODES:
        return None
    if word in NAMED_MODES:
        return NAMED_MODES[word]
    mode = int(word, 8) if word.isdecimal() else -1
    if mode & ~0o666 or mode & LEAST != LEAST:
        raise ValueError(
            f"'shared' is {value!r}; it takes group, all, umask, or a mode such as 0660"
        )
    return mode


def apply_shared_mode(mode: int | None) -> None:
    """Let new files of this process and its children have this mode, whatever the umask."""
    if mode is not None:
        execute = (mode & 0o444) >> 2
        before = os.umask(0o077)
        os.umask(before & ~(mode | execute))


def is_shared_folder(folder: Path) -> bool:
    """Whether a folder, or the nearest that exists, was made for a group: setgid and writable."""
    there = next((each for each in (folder, *folder.parents) if each.is_dir()), None)
    bits = stat.S_ISGID | stat.S_IWGRP
    return there is not None and there.stat().st_mode & bits == bits
