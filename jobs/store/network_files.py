"""Copies of users' own files in the store: the source of a network, and its weights.

Each is named by its checksum, which is checked whenever the copy is used.
"""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import TYPE_CHECKING

from jobs import atomic
from jobs.errors import BadSpec, StoreUnusable
from jobs.store import codec
from jobs.store.store import Store

if TYPE_CHECKING:
    from jobs.spec.networks import Network


def save_network_files(store: Store, network: Network) -> None:
    """Copy the own files of a network into the store; raises `BadSpec` if one has changed."""
    source = None if network.source is None else f"{network.source}.py"
    for name, path in ((source, network.file), (network.weights, network.weights_file)):
        if name is None or path is None or store.network_path(name).exists():
            continue
        with atomic.atomic_write(store.network_path(name)) as draft:
            shutil.copyfile(path, draft)
            if atomic.file_digest(draft) != name.partition(".")[0]:
                raise BadSpec(f"{path} has changed while it was submitted. Submit it again.")


def network_file(store: Store, name: str) -> Path:
    """The copy of an own file in the store; raises `StoreUnusable` or `DamagedFile`."""
    path = store.network_path(name)
    if not path.is_file():
        raise StoreUnusable(
            f"{path} is missing: a network's own file, copied there by 'orch submit'. Submit "
            "the run again from where the file is."
        )
    if atomic.file_digest(path) != name.partition(".")[0]:
        raise codec.damaged_file(path, "its checksum is another one", "Submit the run again.")
    return path
