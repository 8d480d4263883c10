"""Who this user is, and whether somebody else submitted a run."""

from __future__ import annotations

import getpass
from collections.abc import Mapping
from typing import Any

from orchestrator.formatting import plain


def this_user() -> str | None:
    """The name under which this user submits; None if the system knows none."""
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return None


def other_submitter(provenance: Mapping[str, Any]) -> str | None:
    """Who submitted a run with this provenance, if it was somebody else than this user.

    A run of colleagues is neither removed nor chosen by mistake; who wants to deceive, can.
    """
    name = provenance.get("user")
    return plain(name) if isinstance(name, str) and name and name != this_user() else None
