"""The child side of a task: redirect output, run the entry point, report the end."""

from __future__ import annotations

import contextlib
import errno
import importlib
import json
import multiprocessing
import os
import signal
import threading
import traceback
from multiprocessing.connection import Connection, wait
from pathlib import Path
from typing import Any

from jobs import errors, install_hints, permissions
from jobs.full_disk import NO_WRITES
from workers.process import parent_death
from workers.process.progress_log import ProgressLog

Message = dict[str, Any]
ORPHANED = 75
"""Exit code of a child that ended itself because its worker was silent."""


def child_main(
    pipe: Connection, pulse: Connection, away_s: float, entry: str, request: Message, log: str
) -> None:
    """The child: redirect output to the log, run the entry point, send the last message."""
    parent_death.die_with_parent()
    _end_with_parent(pulse, away_s)
    stop = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: stop.set())
    for meant_for_the_worker in (signal.SIGINT, signal.SIGUSR1):
        signal.signal(meant_for_the_worker, signal.SIG_IGN)
    talk, progress = threading.Lock(), ProgressLog()

    def tell(message: Message) -> None:
        with talk:
            progress.note(message)
            pipe.send_bytes(json.dumps(message).encode())

    try:
        tell({"listens": True})
        _write_to(log)
        progress.write(f"{request['task']} on {request['device']}, {request['threads']} thread(s)")
        module, _, function = entry.partition(":")
        main = getattr(importlib.import_module(module), function)
        result = main(request, tell, stop.is_set)
        progress.end_phase()
        tell({"result": result})
    except BaseException as error:
        progress.end_phase()
        if isinstance(error, errors.Stopped):
            progress.write(str(error))
        else:
            with contextlib.suppress(OSError):  # the log may be on a full disk
                traceback.print_exc()
        kind, text = _classify(error)
        if kind == errors.OutOfMemory.__name__ and not request.get("alone", True):
            kind, text = (
                errors.Crowded.__name__,
                f"{text} Other tasks were running on the device; the task is retried exclusively.",
            )
        tell({"error": kind, "message": text})


def _classify(error: BaseException) -> tuple[str, str]:
    """Name of the error class and message of an error in the child."""
    if isinstance(error, errors.OrchError):
        return type(error).__name__, str(error)
    if isinstance(error, MemoryError):
        return "OutOfMemory", f"the machine ran out of memory: {str(error) or 'no details'}."
    if isinstance(error, OSError) and error.errno in NO_WRITES:
        return "StorageFull", f"cannot write {error.filename or 'to the store'}: {error.strerror}."
    if isinstance(error, PermissionError):
        return "AccessDenied", str(permissions.denied(_named(error)))
    if isinstance(error, OSError) and error.errno == errno.ENOMEM:
        return "OutOfMemory", f"the machine ran out of memory: {str(error) or 'no details'}."
    if isinstance(error, ModuleNotFoundError):
        return (
            "MissingExtra",
            f"{error}. Install the packages with: {install_hints.install_command('worker')}",
        )
    return "OrchError", f"{type(error).__name__}: {error}"


def _named(error: OSError) -> Path:
    return Path(os.fsdecode(error.filename or "."))


def _write_to(log: str) -> None:
    """Redirect output to the log, a new file of this attempt; raises `AccessDenied`."""
    try:
        handle = permissions.open_own(Path(log), os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    except permissions.PlantedFile as error:
        raise errors.AccessDenied(f"{log} cannot be written: {error.strerror}.") from None
    os.dup2(handle, 1)
    os.dup2(handle, 2)
    os.close(handle)


def _end_with_parent(pulse: Connection, away_s: float) -> None:
    """End this process when the worker ends, or is silent so long that its lease may be lost.

    Neither an orphan nor the child of a frozen worker may continue training. Where the kernel does
    not end orphans (see `workers.process.parent_death`), this does, as soon as the GIL is free.
    """
    parent = multiprocessing.parent_process()

    def watch() -> None:
        sentinels = [] if parent is None else [parent.sentinel]
        while True:
            felt = wait([*sentinels, pulse], away_s)
            if not felt:
                os._exit(ORPHANED)
            try:
                if pulse not in felt:
                    raise EOFError
                pulse.recv_bytes()
            except (EOFError, OSError):
                os.kill(os.getpid(), signal.SIGKILL)

    threading.Thread(target=watch, daemon=True).start()
