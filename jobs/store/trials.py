"""Read the records of trials."""

from __future__ import annotations

import functools
from pathlib import Path

from msgspec import structs

from jobs.store import codec
from jobs.store.records import TrialRecord
from jobs.task import Trial


@functools.lru_cache(maxsize=256)
def read_trial(path: Path, state: tuple[int, ...]) -> Trial:
    """The trial in a file, read again only if its state (`atomic.file_state`) has changed.

    Raises `FileNotFoundError`, `DamagedFile` and `UnknownEntry`.
    """
    record = codec.read(path, TrialRecord)
    if record is None:
        raise FileNotFoundError(path)
    try:
        return Trial.from_dict(structs.asdict(record))
    except (TypeError, ValueError) as error:
        from jobs.spec import unknown_entries, value_errors
        from jobs.spec.model import Recipe

        if strange := unknown_entries.told(record.recipe):
            raise codec.unknown_entry(path, f"the trial {path.parent.name}", strange) from None
        raise codec.damaged_file(path, value_errors.first_problem(error, Recipe)) from None
