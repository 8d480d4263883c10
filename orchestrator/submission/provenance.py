"""Provenance of a run: versions, code revision, machine, user, command line."""

from __future__ import annotations

import platform
import socket
import subprocess
import sys
from collections.abc import Sequence
from typing import Any

from jobs.versions import version_of
from orchestrator.this_user import this_user

PACKAGES = ("orch", "torch", "torchvision", "timm", "celery", "numpy", "pillow")


def gather(command: Sequence[str] | None = None) -> dict[str, Any]:
    """The facts as JSON values; unknown ones are None. Imports none of the packages."""
    return {
        "versions": {
            "python": platform.python_version(),
            **{name: version_of(name) for name in PACKAGES},
        },
        "git": git_revision(),
        "host": socket.gethostname(),
        "system": platform.platform(),
        "user": this_user(),
        "command": ["orch", *sys.argv[1:]] if command is None else list(command),
    }


def git_revision() -> str | None:
    """Git revision of the current folder, with `+changes` if files differ; None outside git."""
    revision = _git("rev-parse", "HEAD")
    if revision is None:
        return None
    return (
        f"{revision}+changes" if _git("status", "--porcelain", "--untracked-files=no") else revision
    )


def _git(*words: str) -> str | None:
    try:
        asked = subprocess.run(
            ["git", *words], capture_output=True, text=True, timeout=5, check=True
        )
    except (OSError, subprocess.SubprocessError):
        return None
    return asked.stdout.strip()
