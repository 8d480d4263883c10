"""Files that land whole or not at all, and their digests."""

from __future__ import annotations

import contextlib
import errno
import hashlib
import json
import os
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from jobs.errors import DamagedFile, StorageFull

FULL = {errno.ENOSPC, errno.EDQUOT, errno.EROFS}


@contextlib.contextmanager
def storage_errors(path: Path) -> Iterator[None]:
    """Turn "no space" and "read-only" into `StorageFull`, naming the path, whatever the writer made of it."""
    try:
        yield
    except Exception as error:
        cause = _of_full_storage(error)
        if cause is None:
            raise
        remedy = "Make it writable" if cause.errno == errno.EROFS else "Free some room there"
        raise StorageFull(
            f"cannot write {path}: {cause.strerror}. {remedy}; workers then go on."
        ) from error


def _of_full_storage(error: BaseException | None) -> OSError | None:
    """The "no space" or "read-only" that an error began with, if one did."""
    while error is not None:
        if isinstance(error, StorageFull):
            return None
        if isinstance(error, OSError) and error.errno in FULL:
            return error
        error = error.__cause__ or error.__context__
    return None


@contextlib.contextmanager
def atomic_write(path: Path, durable: bool = True) -> Iterator[Path]:
    """A temporary path beside `path`; when the block ends well it is synced and renamed, else removed.

    What need not outlive a power cut is not `durable`: it still lands whole for every process, but is not synced.
    """
    draft = path.with_name(f".{path.name}.{uuid.uuid4().hex[:12]}.draft")
    with storage_errors(path):
        _make_folder(path.parent)
        try:
            yield draft
            if durable:
                sync(draft)
            os.replace(draft, path)
            if durable:
                sync(path.parent)
        except BaseException:
            draft.unlink(missing_ok=True)
            raise


def _make_folder(folder: Path) -> None:
    if not os.path.isdir(folder):  # looked at first: nearly always it is there
        folder.mkdir(parents=True, exist_ok=True)


def sync(path: Path) -> None:
    """Force a file or a folder's entries to disk."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def write_json(path: Path, value: Any, durable: bool = True) -> None:
    """Write `value` as JSON, whole or not at all (`durable` as of `landing`)."""
    with atomic_write(path, durable) as draft:
        draft.write_bytes(_as_json(value))


def create_json(path: Path, value: Any) -> bool:
    """Write `value` as JSON, synced and whole, only if `path` does not exist; False if it does.

    Atomic on NFS too (link).
    """
    draft = path.with_name(f".{path.name}.{uuid.uuid4().hex[:12]}.draft")
    with storage_errors(path):
        _make_folder(path.parent)
        try:
            draft.write_bytes(_as_json(value))
            sync(draft)
            os.link(draft, path)
        except FileExistsError:
            return False
        finally:
            draft.unlink(missing_ok=True)
        sync(path.parent)
    return True


def claim_json(path: Path, value: Any) -> bool:
    """Write `value` as JSON only if `path` does not exist; False if it does. Only one of many gets True.

    It is not synced, and who reads it meanwhile may find it torn: for what is better lost than waited for.
    """
    with storage_errors(path):
        _make_folder(path.parent)
        try:
            handle = os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o666)
        except FileExistsError:
            return False
        with open(handle, "wb") as file:
            file.write(_as_json(value))
    return True


def rewrite_json(path: Path, value: Any) -> None:
    """Write `value` as JSON over what a file holds, in place; raises `FileNotFoundError` where there is none.

    As of `claim_json`, it is not synced, and who reads it meanwhile may find it torn.
    """
    with storage_errors(path), path.open("r+b") as file:
        file.write(_as_json(value))
        file.truncate()


def _as_json(value: Any) -> bytes:
    return (json.dumps(value, indent=1, sort_keys=True) + "\n").encode()


def read_json(path: Path) -> Any | None:
    """The value in a JSON file, or None when there is no such file; raises `DamagedFile` when it is not whole."""
    try:
        with path.open("rb", buffering=0) as handle:
            return json.loads(handle.read().decode("utf-8"))
    except FileNotFoundError:
        return None
    except (ValueError, RecursionError) as error:
        raise DamagedFile(
            f"{path} is damaged, it is not whole JSON ({' '.join(str(error).split())[:80]}). "
            "Put it back from a copy, or remove it and submit the run again."
        ) from error


def file_state(path: Path) -> tuple[int, ...]:
    """What changes whenever a file is put down anew: inode, size and times. Raises `FileNotFoundError`."""
    found = os.stat(path)
    return found.st_ino, found.st_size, found.st_mtime_ns, found.st_ctime_ns


def file_digest(path: Path) -> str:
    """SHA-256 of a file's bytes, as hexadecimal."""
    with path.open("rb") as handle:
        return hashlib.file_digest(handle, "sha256").hexdigest()


def json_digest(value: Any) -> str:
    """SHA-256 of a JSON value in its canonical form, as hexadecimal."""
    return hashlib.sha256(
        json.dumps(value, sort_keys=True, separators=(",", ":")).encode()
    ).hexdigest()


def list_names(folder: Path) -> list[str]:
    """Names in a folder, sorted, drafts left out; empty when the folder is not there."""
    try:
        return sorted(name for name in os.listdir(folder) if not name.startswith("."))
    except FileNotFoundError:
        return []
