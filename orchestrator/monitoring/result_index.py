"""The published results that this user's earlier commands have read, so that each is opened once.

It is in the user's state folder, so that users who may only read the store have one, and nobody
else writes it. A result is used while its file has the inode, size and times that it was read with;
one that was removed and made anew is read anew.
"""

from __future__ import annotations

import contextlib
import os

import msgspec

from jobs import atomic
from jobs.errors import OrchError
from jobs.store.records import TaskResult
from jobs.store.store import Store
from jobs.task import Task
from orchestrator import state_folder

FILE = "results-{run}.json"
MIN_NEW = 16
"""Results that a run must have gained before its index is written again."""
MIN_NEW_SHARE = 0.1

Entry = tuple[tuple[int, int, int, int], TaskResult]
"""Inode, size and times of a file (`jobs.atomic.file_state`), and the result in it."""
Index = tuple[tuple[str, ...], dict[str, Entry]]
"""What a result held when the index was written, and the results by task id."""


class ResultIndex:
    """The results of one run as the status shows them: without the list of their files."""

    def __init__(self, store: Store, run: str) -> None:
        self.store, self.run = store, run
        self.known, self.used = _read(store, run), dict[str, Entry]()

    def done(self, task: Task) -> TaskResult | None:
        """The published result of a task, or None; raises what `Store.done` raises."""
        try:
            path = f"{self.store.root}/ledger/done/{task.id}.json"
            status = os.stat(path)  # building a Path would be slower than the check
        except OSError:
            return self.store.done(task)
        state = status.st_ino, status.st_size, status.st_mtime_ns, status.st_ctime_ns
        entry = self.known.get(task.id)
        if entry is None or entry[0] != state:
            if (result := self.store.done(task)) is None:
                return None
            entry = (state, msgspec.structs.replace(result, files=None))
        self.used[task.id] = entry
        return entry[1]

    def keep(self) -> None:
        """Write the index, if enough is new; where that is impossible, do nothing.

        Indexes of runs that the store no longer has are removed.
        """
        new = sum(entry is not self.known.get(name) for name, entry in self.used.items())
        if new < max(MIN_NEW, MIN_NEW_SHARE * len(self.used)):
            return
        with contextlib.suppress(OSError, OrchError):
            folder = state_folder.created(self.store.root)
            index: Index = (TaskResult.__struct_fields__, self.used)
            path = folder / FILE.format(run=self.run)
            atomic.write_json(path, msgspec.to_builtins(index), durable=False)
            kept = {FILE.format(run=each) for each in self.store.run_names()}
            for other in set(folder.glob(FILE.format(run="*"))):
                if other.name not in kept:
                    other.unlink(missing_ok=True)


def _read(store: Store, run: str) -> dict[str, Entry]:
    """What the index of a run knows; an unusable one, or somebody else's, knows nothing."""
    path = state_folder.state_folder(store.root) / FILE.format(run=run)
    with contextlib.suppress(OSError, ValueError, msgspec.MsgspecError), path.open("rb") as file:
        if os.fstat(file.fileno()).st_uid == os.getuid():
            fields, known = msgspec.json.decode(file.read(), type=Index)
            return known if fields == TaskResult.__struct_fields__ else {}
    return {}
