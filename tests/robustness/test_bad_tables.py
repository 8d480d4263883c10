"""Tables of the store, damaged in every way: named with what mends them, never half read."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.parquet_damage import DAMAGES, Change
from support.refusals import Terminal, refusal
from support.stores import fill_small_store, replaced, table_path

from jobs.errors import DamagedFile
from jobs.maintenance import verify
from jobs.store import tables
from jobs.store.runs import Run
from jobs.store.store import Store
from orchestrator.analysis import load

TABLES = ("epochs", "evaluations", "predictions", "attempts")
REMEDY = "Remove it, so that it is created again, with: orch verify RUN --repair"

NO_FILES: dict[str, Callable[[Path], object]] = {
    "a folder": lambda path: path.mkdir(),
    "a dead link": lambda path: path.symlink_to("gone"),
    "a ring": lambda path: path.symlink_to(path.name),
}


@pytest.fixture(scope="module")
def filled(tmp_path_factory: pytest.TempPathFactory) -> tuple[Store, Run]:
    """A store of its own for these tests, which put back what they damage."""
    return fill_small_store(tmp_path_factory.mktemp("tables") / "store")


def read(store: Store, run: Run, name: str) -> object:
    """Read a table as the report does."""
    if name == "manifest":
        return tables.read_table(table_path(store, run, name), tables.MANIFEST)
    columns = load.PREDICTION_COLUMNS if name == "predictions" else None
    return tables.read_rows(store.root, name, run.trials, columns)


@pytest.mark.parametrize("name", [*TABLES, "manifest"])
@pytest.mark.parametrize(("damage", "words"), DAMAGES.values(), ids=DAMAGES)
def test_a_damaged_table_is_named(
    name: str, damage: Change, words: str, filled: tuple[Store, Run]
) -> None:
    """With its path and what mends it; `verify_files` finds the same file."""
    store, run = filled
    path = table_path(store, run, name)

    with replaced(path, damage(path.read_bytes())):
        line = refusal(DamagedFile, read, store, run, name)
        verified = list(verify.verify_files(store, run))

    assert f"{path} is damaged: " in line
    assert words in line
    assert REMEDY in line
    assert [each.path for each in verified if each.problem] == [
        path.relative_to(store.root).as_posix()
    ]


@pytest.mark.parametrize(("damage", "words"), DAMAGES.values(), ids=DAMAGES)
def test_a_damaged_inventory_is_named_to_the_worker(
    damage: Change, words: str, filled: tuple[Store, Run]
) -> None:
    """Nothing is prepared from half a list."""
    store, run = filled
    path = table_path(store, run, "inventory")

    with replaced(path, damage(path.read_bytes())):
        line = refusal(DamagedFile, store.load_data, run.data)

    assert f"{path} is damaged: " in line
    assert words in line


@pytest.mark.parametrize("name", [*TABLES, "manifest"])
@pytest.mark.parametrize("damage", ["cut to 5 in 10", "the last column missing", "gaps"])
def test_report_names_a_damaged_table(name: str, damage: str, terminal_with_run: Terminal) -> None:
    """Exit code 1, the file's path and what mends it, and no half a report."""
    store = Store(terminal_with_run.folder / "orch-store")
    path = table_path(store, store.load_run("study"), name)
    path.write_bytes(DAMAGES[damage][0](path.read_bytes()))

    line = terminal_with_run.refuses(
        ("report", "study", "--out", "out"), f"{path} is damaged: ", code=1
    )

    assert REMEDY in line
    assert not (terminal_with_run.folder / "out").exists()


@pytest.mark.parametrize("make", NO_FILES.values(), ids=NO_FILES)
def test_report_names_what_is_no_file_in_the_place_of_a_table(
    make: Callable[[Path], object], terminal_with_run: Terminal
) -> None:
    """Exit code 1 and its path, though the system's error is another one each time."""
    store = Store(terminal_with_run.folder / "orch-store")
    path = table_path(store, store.load_run("study"), "epochs")
    path.unlink()
    make(path)

    terminal_with_run.refuses(("report", "study", "--out", "out"), str(path), code=1)


@settings(max_examples=120, deadline=None)
@given(st.sampled_from(TABLES), st.data())
def test_turned_bytes_are_rows_or_damage(
    filled: tuple[Store, Run], name: str, data: st.DataObject
) -> None:
    """Whatever is turned, cut or put in, reading ends well or with `DamagedFile` that names the
    file.
    """
    store, run = filled
    source = table_path(store, run, name)
    good = source.read_bytes()
    at = data.draw(st.integers(0, len(good) - 1))
    bad = (
        good[:at]
        + data.draw(st.binary(min_size=1, max_size=3))
        + good[at + data.draw(st.integers(0, 3)) :]
    )
    root = store.root.parent / "turned"
    target = root / source.relative_to(store.root)
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_bytes(bad)

    try:
        found = tables.read_rows(root, name, run.trials)
    except DamagedFile as error:
        assert str(target) in str(error)  # noqa: PT017
        return

    assert set(found.column_names) == {*tables.SCHEMAS[name].names, "trial"}
    assert isinstance(found.to_pylist(), list)
