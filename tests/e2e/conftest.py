"""Laboratories for the end-to-end tests."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from support.harness import Lab
from support.preloaded import Kind

NUMBERS = itertools.count()


@pytest.fixture
def new_lab(tmp_path: Path, redis_url: str) -> Iterator[Callable[..., Lab]]:
    """Create a laboratory with its own store and Redis database, and workers of a kind."""
    pytest.importorskip("torch", reason="torch is not installed (extra 'worker')")
    made: list[Lab] = []

    def make(name: str = "lab", **kind: float) -> Lab:
        (tmp_path / name).mkdir()
        url = f"{redis_url}?virtual_host={next(NUMBERS) % 16}"
        lab = Lab(tmp_path / name, url, kind=Kind(**kind))
        made.append(lab)
        return lab

    yield make
    for lab in made:
        lab.close()
