"""The id of a store: given once, whoever asks; none is needed to read."""

from __future__ import annotations

import json
import os
import stat
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from jobs.errors import StoreUnusable
from jobs.store import identity
from jobs.store.store import Store


def old_store(root: Path) -> Store:
    """A store as 0.1.0 makes it."""
    root.mkdir()
    (root / "store.json").write_text('{\n "format": 1\n}\n')
    return Store(root)


def test_a_new_store_has_an_id_from_the_start_and_keeps_it(tmp_path: Path) -> None:
    """And another store has another one."""
    first = Store(tmp_path / "one").open(create=True).id
    again = Store(tmp_path / "one").open(create=True).id
    other = Store(tmp_path / "two").open(create=True).id

    assert identity.FORM.fullmatch(first)
    assert first == again
    assert first != other


def test_a_store_of_0_1_0_is_read_as_it_is_and_given_an_id_at_the_first_write(
    tmp_path: Path,
) -> None:
    """Opening alone changes no byte; the mode of the file stays."""
    store = old_store(tmp_path / "old")
    (store.root / "store.json").chmod(0o664)
    before = (store.root / "store.json").read_bytes()
    read = store.open().id
    after_reading = (store.root / "store.json").read_bytes()
    given = store.open(create=True).id

    assert read == ""
    assert after_reading == before
    assert json.loads((store.root / "store.json").read_text()) == {"format": 1, "id": given}
    assert stat.S_IMODE((store.root / "store.json").stat().st_mode) == 0o664
    assert store.ensure_id() == given


def test_many_writers_at_the_same_time_give_one_id(tmp_path: Path) -> None:
    """Whoever comes first; nobody sees another one, nor half a file."""
    for number in range(20):
        store = old_store(tmp_path / f"old-{number}")
        with ThreadPoolExecutor(8) as pool:
            seen = set(pool.map(lambda _, root=store.root: Store(root).ensure_id(), range(16)))

        assert seen == {store.id}


@pytest.mark.parametrize("text", ['{"format": 1, "id": 7}', '{"format": 1, "id": "../x"}'])
def test_what_is_no_id_is_replaced_by_one(text: str, tmp_path: Path) -> None:
    """It becomes part of the names of queues."""
    store = old_store(tmp_path / "odd")
    (store.root / "store.json").write_text(text)

    assert store.id == ""
    assert identity.FORM.fullmatch(store.ensure_id())


def test_a_claim_that_holds_no_id_is_named(tmp_path: Path) -> None:
    """Torn by a power failure, it is not guessed."""
    store = old_store(tmp_path / "torn")
    (store.id_claim_path).write_text("{}")

    with pytest.raises(StoreUnusable, match=r"\.store-id\.json"):
        store.ensure_id()


@pytest.mark.skipif(os.geteuid() == 0, reason="the superuser may write everywhere")
def test_a_store_that_may_only_be_read_is_opened_without_an_id(tmp_path: Path) -> None:
    """Reports need none."""
    store = old_store(tmp_path / "read-only")
    store.root.chmod(0o500)
    opened = store.open().id
    store.root.chmod(0o700)

    assert opened == ""
