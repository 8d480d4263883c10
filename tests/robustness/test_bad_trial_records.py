"""Records of trials and data sets, torn or with wrong values: named to whoever reads them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from support.records import PATHS, REMEDY, TORN, changed, copied
from support.refusals import refusal

from jobs.errors import DamagedFile
from jobs.store.runs import Run
from jobs.store.store import Store

TRIALS: list[tuple[str, Any, str]] = [
    *((key, ..., f"it lacks '{key}'") for key in ("data", "backbone", "weights", "recipe", "seed")),
    ("data", 3, "'data' is '3'"),
    ("backbone", None, "'backbone' is 'None'"),
    ("weights", 1, "'weights' is '1'"),
    ("recipe", [], "'recipe' is '[]'"),
    ("recipe", {"speed": 1}, "unknown key 'speed'"),
    ("recipe", {"momentum": 7}, "momentum: a number of at least 0 and below 1 is needed"),
    ("recipe", {"learning_rate": "fast"}, "learning_rate: a number above 0 is needed"),
    ("seed", "0", "'seed' is '0'"),
    ("seed", True, "'seed' is 'True'"),
    ("seed", 1.5, "'seed' is '1.5'"),
]
DATA_SETS: list[tuple[str, Any, str]] = [
    *((key, ..., f"it lacks '{key}'") for key in ("origin", "classes", "settings")),
    ("origin", 3, "'origin' is '3'"),
    ("classes", "ab", "'classes' is 'ab'"),
    ("classes", None, "'classes' is 'None'"),
    ("settings", [], "'settings' is '[]'"),
    ("settings", {"image_size": "big"}, "image_size: a whole number from 8"),
    ("settings", {"size": 3}, "unknown key 'size'"),
]


def named(row: tuple[str, Any, str]) -> str:
    """What a row is called: its key and value."""
    return f"{row[0]} {str(row[1])[:30]!r}"


@pytest.mark.parametrize(("contents", "words"), TORN.values(), ids=TORN)
def test_a_torn_record_of_a_trial_is_named(
    contents: bytes, words: str, one_failed: tuple[Store, Run], tmp_path: Path
) -> None:
    """With its path and what to do."""
    whole, run = one_failed
    store = copied(whole, PATHS["trial"](whole, run), contents, tmp_path / "store")

    line = refusal(DamagedFile, store.load_trial, run.trials[0])

    assert str(PATHS["trial"](store, run)) in line
    assert words in line
    assert REMEDY in line


@pytest.mark.parametrize(("key", "value", "words"), TRIALS, ids=map(named, TRIALS))
def test_a_record_of_a_trial_with_a_wrong_value_is_named(
    key: str, value: Any, words: str, one_failed: tuple[Store, Run], tmp_path: Path
) -> None:
    """Nothing is trained by half a recipe."""
    whole, run = one_failed
    path = PATHS["trial"](whole, run)
    store = copied(whole, path, changed(path, key, value), tmp_path / "store")

    line = refusal(DamagedFile, store.load_trial, run.trials[0])

    assert f"{PATHS['trial'](store, run)} is damaged: {words}" in line
    assert REMEDY in line


@pytest.mark.parametrize(("contents", "words"), TORN.values(), ids=TORN)
def test_a_torn_record_of_a_data_set_is_named(
    contents: bytes, words: str, one_failed: tuple[Store, Run], tmp_path: Path
) -> None:
    """With its path and what to do."""
    whole, run = one_failed
    store = copied(whole, PATHS["data set"](whole, run), contents, tmp_path / "store")

    line = refusal(DamagedFile, store.load_data, run.data)

    assert str(PATHS["data set"](store, run)) in line
    assert words in line
    assert REMEDY in line


@pytest.mark.parametrize(("key", "value", "words"), DATA_SETS, ids=map(named, DATA_SETS))
def test_a_record_of_a_data_set_with_a_wrong_value_is_named(
    key: str, value: Any, words: str, one_failed: tuple[Store, Run], tmp_path: Path
) -> None:
    """A worker that would prepare or read it is told which file is wrong."""
    whole, run = one_failed
    path = PATHS["data set"](whole, run)
    store = copied(whole, path, changed(path, key, value), tmp_path / "store")

    line = refusal(DamagedFile, store.load_data, run.data)

    assert f"{PATHS['data set'](store, run)} is damaged: {words}" in line
    assert REMEDY in line
