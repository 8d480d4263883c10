"""Count a network that `make catalog` has not counted, in a short-lived process with torch."""

from __future__ import annotations

import functools
import json
import logging
import subprocess
import sys
from importlib.util import find_spec
from typing import TYPE_CHECKING

from jobs import install_hints
from jobs.catalog.counts import Counts

if TYPE_CHECKING:
    from jobs.catalog.backbones import Backbone

log = logging.getLogger(__name__)
COUNTER = "models.networks.counting"
"""Named, not imported: `jobs` imports no other package."""
MAX_SECONDS = 180.0


@functools.cache
def count(entry: Backbone) -> Counts | None:
    """The counts of an entry; None where torch is missing or the network cannot be counted."""
    if find_spec("torch") is None or find_spec("torchvision") is None:
        return None
    try:
        done = subprocess.run(
            [sys.executable, "-m", COUNTER, "--entry", json.dumps(entry._asdict())],
            capture_output=True,
            text=True,
            timeout=MAX_SECONDS,
            cwd=install_hints.HOME,  # the current folder may hold another `models`
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        reason = str(error)
    else:
        if done.returncode == 0:
            return Counts.from_dict(json.loads(done.stdout.splitlines()[-1]))
        reason = (done.stderr.strip().splitlines() or [f"exit code {done.returncode}"])[-1]
    log.warning("the parameters of %s are unknown: %s", entry.name, reason[:300])
    return None
