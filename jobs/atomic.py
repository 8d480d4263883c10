"""Atomic file writes and checksums."""

from __future__ import annotations

import contextlib
import json
import os
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from jobs import full_disk, permissions
from jobs.errors import DamagedFile


@contextlib.contextmanager
def atomic_write(path: Path, durable: bool = True) -> Iterator[Path]:
    """Yield a temporary path; rename it to `path` if the block succeeds, otherwise remove it.

    A `durable` write fsyncs the file before the rename and the folder after it. Otherwise the write
    is still atomic for every process, but the file may be lost on power failure.
    """
    draft = path.with_name(f".{path.name}.{uuid.uuid4().hex[:12]}.draft")
    with full_disk.storage_errors(path):
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
    if not os.path.isdir(folder):  # it nearly always exists, so check first
        folder.mkdir(parents=True, exist_ok=True)


def sync(path: Path) -> None:
    """Fsync a file or a folder."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def write_json(path: Path, value: Any, durable: bool = True) -> None:
    """Write `value` as JSON atomically (`durable` as in `atomic_write`)."""
    if not durable and _replaced(path, as_json(value)):
        return
    with atomic_write(path, durable) as draft:
        draft.write_bytes(as_json(value))


def _replaced(path: Path, contents: bytes) -> bool:
    """Replace a file with two operations on the folder, which nearly always exists; else False."""
    draft = path.with_name(f".{path.name}.{uuid.uuid4().hex[:12]}.draft")
    with full_disk.storage_errors(path):
        try:
            draft.write_bytes(contents)
            os.replace(draft, path)
        except FileNotFoundError:
            return False
        except BaseException:
            draft.unlink(missing_ok=True)
            raise
    return True


def create_json(path: Path, value: Any) -> bool:
    """Write `value` as fsynced JSON only if `path` does not exist; returns False if it does.

    A hard link makes this atomic on NFS too.
    """
    draft = path.with_name(f".{path.name}.{uuid.uuid4().hex[:12]}.draft")
    with full_disk.storage_errors(path):
        _make_folder(path.parent)
        try:
            draft.write_bytes(as_json(value))
            sync(draft)
            if not link_once(draft, path):
                return False
        finally:
            draft.unlink(missing_ok=True)
        sync(path.parent)
    return True


def link_once(source: Path, target: Path) -> bool:
    """Hard-link `source` to `target`; False if `target` exists and is another file.

    A request that is sent again over NFS is answered with "exists" although it has succeeded, so
    the file that is there decides.
    """
    try:
        os.link(source, target)
    except FileExistsError:
        own, there = _opened_state(source), _opened_state(target)
        return own is not None and own == there
    return True


def _opened_state(path: Path) -> tuple[int, int] | None:
    """Device and inode of a file, asked for anew; None for a link or where it cannot be opened."""
    with contextlib.suppress(OSError):
        handle = os.open(path, os.O_RDONLY | os.O_NOFOLLOW)
        try:
            status = os.fstat(handle)
            return status.st_dev, status.st_ino
        finally:
            os.close(handle)
    return None


def claim_json(path: Path, value: Any) -> bool:
    """Write `value` as JSON only if `path` does not exist; exactly one of many callers gets True.

    Not fsynced, and a reader may see a partial file. Use it only for records that may be lost on
    power failure.
    """
    with full_disk.storage_errors(path):
        _make_folder(path.parent)
        try:
            handle = os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o666)
        except FileExistsError:
            return False
        with open(handle, "wb") as file:
            file.write(as_json(value))
    return True


def rewrite_json(path: Path, value: Any) -> None:
    """Overwrite an existing JSON file of this user in place.

    Raises `FileNotFoundError` if there is none, or if a link or another's file took its place. As
    with `claim_json`, the file is not fsynced and a reader may see a partial file.
    """
    with full_disk.storage_errors(path), open(permissions.open_own(path, os.O_RDWR), "r+b") as file:
        file.write(as_json(value))
        file.truncate()


def as_json(value: Any) -> bytes:
    """A value as the bytes of a JSON file."""
    return (json.dumps(value, indent=1, sort_keys=True) + "\n").encode()


def read_json(path: Path) -> Any | None:
    """The value in a JSON file, or None without a file.

    Raises `DamagedFile` for invalid JSON, and `AccessDenied`.
    """
    contents = read_bytes(path)
    return None if contents is None else parse_json(path, contents)


def read_bytes(path: Path) -> bytes | None:
    """The contents of a small file, or None without a file; raises `AccessDenied`."""
    try:
        with permissions.access_errors(path), path.open("rb", buffering=0) as handle:
            return handle.read()
    except FileNotFoundError:
        return None


def parse_json(path: Path, contents: bytes) -> Any:
    """The value that these contents of a file hold; raises `DamagedFile`, naming the file."""
    try:
        return json.loads(contents.decode("utf-8"))
    except (ValueError, RecursionError) as error:
        raise DamagedFile(
            f"{path} is damaged: it is not valid JSON ({' '.join(str(error).split())[:80]}). "
            "Restore it from a copy, or remove it and submit the run again."
        ) from error


def file_state(path: Path) -> tuple[int, ...]:
    """Inode, size and times, which identify one version of a file.

    Raises `FileNotFoundError` and `AccessDenied`.
    """
    with permissions.access_errors(path):
        status = os.stat(path)
    return status.st_ino, status.st_size, status.st_mtime_ns, status.st_ctime_ns


def file_digest(path: Path) -> str:
    """SHA-256 of a file's bytes, as hexadecimal."""
    import hashlib

    with path.open("rb") as handle:
        return hashlib.file_digest(handle, "sha256").hexdigest()


def json_digest(value: Any) -> str:
    """SHA-256 of a JSON value in its canonical form, as hexadecimal."""
    import hashlib

    return hashlib.sha256(
        json.dumps(value, sort_keys=True, separators=(",", ":")).encode()
    ).hexdigest()


def list_names(folder: Path) -> list[str]:
    """Names in a folder, sorted, without temporary files; empty if the folder does not exist."""
    try:
        with permissions.access_errors(folder):
            return sorted(name for name in os.listdir(folder) if not name.startswith("."))
    except FileNotFoundError:
        return []
