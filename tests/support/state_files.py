"""Weights files for tests, written without torch."""

from __future__ import annotations

from pathlib import Path


def put_weights(path: Path) -> None:
    """Write a file where weights are looked for; nothing reads it before the first task."""
    path.write_bytes(b"weights")
