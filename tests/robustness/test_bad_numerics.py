"""Records of a trial's numerics of every wrong kind: named, and nothing is chosen anew."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

torch = pytest.importorskip("torch", reason="torch is not installed (extra 'worker')")

from support.refusals import refusal  # noqa: E402

from jobs.errors import DamagedFile  # noqa: E402
from models.training import numerics  # noqa: E402

RIGHT: dict[str, Any] = {
    "precision": "fp32",
    "threads": 1,
    "device": "cpu",
    "weights_sha256": None,
}
TEXTS = {
    "": "it is not valid JSON",
    "{": "it is not valid JSON",
    "\0": "it is not valid JSON",
    "[]": "it contains no keys and values",
    "null": "it contains no keys and values",
    "3": "it contains no keys and values",
    "{}": "it lacks 'precision'",
    '{"precision": "fp32"}': "it lacks 'threads'",
}
VALUES: list[tuple[str, Any, str]] = [
    ("precision", "fp64", "its precision or number of threads is invalid"),
    ("precision", None, "'precision' is 'None'"),
    ("threads", 0, "its precision or number of threads is invalid"),
    ("threads", -1, "its precision or number of threads is invalid"),
    ("threads", "2", "'threads' is '2'"),
    ("threads", 1.5, "'threads' is '1.5'"),
    ("threads", True, "'threads' is 'True'"),
    ("device", 3, "'device' is '3'"),
    ("weights_sha256", 7, "'weights_sha256' is '7'"),
]
ROWS = [
    *TEXTS.items(),
    *((json.dumps(RIGHT | {key: value}), words) for key, value, words in VALUES),
]


@pytest.mark.parametrize(
    ("text", "words"), ROWS, ids=[*map(repr, TEXTS), *(f"{row[0]}: {row[1]}" for row in VALUES)]
)
def test_numerics_of_every_wrong_kind_are_named(text: str, words: str, tmp_path: Path) -> None:
    """What a trial keeps to is not guessed, and torch's threads stay as they were."""
    (tmp_path / "numerics.json").write_text(text)
    threads = torch.get_num_threads()

    line = refusal(DamagedFile, numerics.kept, tmp_path / "numerics.json")

    assert str(tmp_path / "numerics.json") in line
    assert words in line
    assert torch.get_num_threads() == threads
