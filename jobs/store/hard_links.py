"""Whether a folder's file system has hard links, which a store needs."""

from __future__ import annotations

import os
from pathlib import Path

from jobs import atomic
from jobs.errors import StoreUnusable


def require_hard_links(store: Path, probe: Path) -> None:
    """Raise `StoreUnusable` where files have no hard links; `probe` is a file in the store's place.

    Results are published with `link`, which creates a name once, over NFS too. `rename` would
    replace what another worker has published.
    """
    try:
        atomic.link_once(probe, probe.with_name("link"))  # NFS may repeat it
    except OSError as error:
        raise StoreUnusable(
            f"the store {store} is on a file system without hard links ({file_system(probe)}: "
            f"{error.strerror}), so no result could be published. Set ORCH_STORE to a folder on "
            "ext4, XFS, NFS or another that has them."
        ) from None


def file_system(path: Path) -> str:
    """The type of the file system of a path, such as `vfat`; `unknown` if the system hides it."""
    import psutil

    place = os.path.realpath(path)
    mounted = [
        (len(each.mountpoint), each.fstype)
        for each in psutil.disk_partitions(all=True)
        if Path(place).is_relative_to(each.mountpoint)
    ]
    return max(mounted, default=(0, ""))[1] or "unknown"
