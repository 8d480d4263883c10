"""Find image files given as single paths or as folders."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterable, Iterator
from pathlib import Path

from jobs.data.image_folder import is_ignored
from jobs.errors import BadFolder


def find(named: Iterable[Path], faults: dict[Path, str] | None = None) -> list[Path]:
    """Every named file and every file in the named folders, each once.

    Files of a folder are sorted by path. Raises `BadFolder` for a missing path, an empty folder,
    and anything that is not a regular file. With `faults`, these are recorded there instead, as
    long as any image is found.
    """
    files: dict[Path, None] = {}
    last: BadFolder | None = None
    for path in named:
        try:
            files |= dict.fromkeys(_of_one(path))
        except BadFolder as error:
            if faults is None:
                raise
            faults[path] = str(error)
            last = error
    if last is not None and not files:
        raise last
    return list(files)


def _of_one(path: Path) -> list[Path]:
    """The files that one path names; raises `BadFolder`."""
    try:
        inside = sorted(_walk(path)) if path.is_dir() else [path]
        for each in inside:
            if not stat.S_ISREG(each.stat().st_mode):
                raise BadFolder(f"{each} is not a regular file (a pipe, socket or device).")
    except FileNotFoundError as error:
        raise BadFolder(f"the image {error.filename or path} does not exist.") from None
    except (OSError, ValueError) as error:
        raise BadFolder(
            f"cannot read {path}: {getattr(error, 'strerror', None) or error}."
        ) from None
    if not inside:
        raise BadFolder(f"the folder {path} holds no file. Name images, or a folder of them.")
    return inside


def _walk(folder: Path) -> Iterator[Path]:
    """Files at any depth; symbolic links to folders are not followed."""
    for where, folders, names in os.walk(folder, onerror=_raise):
        folders[:] = [name for name in folders if not is_ignored(name)]
        yield from (Path(where, name) for name in names if not is_ignored(name))


def _raise(error: OSError) -> None:
    raise error
