"""The id of a store: keeps stores that share a broker apart.

A store of 0.1.0 has none. It is given one by the first command or worker that writes to it.
"""

from __future__ import annotations

import os
import re
import uuid

from jobs import atomic
from jobs.store.paths import StorePaths

FORM = re.compile(r"[0-9a-f]{12}")


def new_id() -> str:
    """A random id."""
    return uuid.uuid4().hex[:12]


def read_id(paths: StorePaths) -> str:
    """The id of the store, or an empty text if it has none yet; writes nothing.

    Raises `OSError` or `DamagedFile` where store.json cannot be read.
    """
    return _valid(atomic.read_json(paths.marker_path))


def ensure_id(paths: StorePaths) -> str:
    """The id of the store, which is given one if it has none.

    Only one is ever given, whoever asks at the same time and on whatever machine. Raises `OSError`
    or `StorageFull` where store.json cannot be written.
    """
    marker = paths.marker_path
    if store_id := read_id(paths):
        return store_id
    atomic.create_json(paths.id_claim_path, {"format": 1, "id": new_id()})
    claimed = _valid(atomic.read_json(paths.id_claim_path))
    described = atomic.read_json(marker)
    if not claimed or not isinstance(described, dict):
        return ""
    with atomic.atomic_write(marker) as draft:
        draft.write_bytes(atomic.as_json(described | {"id": claimed}))
        os.chmod(draft, marker.stat().st_mode)
    return claimed


def _valid(content: object) -> str:
    store_id = content.get("id") if isinstance(content, dict) else None
    return store_id if isinstance(store_id, str) and FORM.fullmatch(store_id) else ""
