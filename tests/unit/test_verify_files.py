"""Damaged files of a run: found, named, removed from the ledger, created again."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from support.fakes import fill_store

from jobs import atomic, readiness
from jobs.maintenance import verify
from jobs.store.runs import Run
from jobs.store.store import Store
from jobs.task import Task
from orchestrator import cli

Half = tuple[Store, Run]


@pytest.fixture
def half(tmp_path: Path) -> Half:
    """A run of one backbone and two periods of two epochs; the second period is trained, not yet
    evaluated.
    """
    store, run = fill_store(
        tmp_path / "store",
        backbones=["scratch"],
        periods=2,
        finished=lambda task: task.kind != "evaluate" or task.epoch == 2,
    )
    for epoch in (2, 4):
        path = checkpoint(store, run, epoch)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"weights" * 100)
        atomic.write_json(
            path.with_suffix(".json"), {"sha256": atomic.file_digest(path), "bytes": 700}
        )
        task = Task("train", run.trials[0], epoch)
        outcome = json.loads(store.done_path(task).read_text()) | {
            "checkpoint": path.relative_to(store.root).as_posix()
        }
        atomic.write_json(store.done_path(task), outcome)
    return store, run


def checkpoint(store: Store, run: Run, epoch: int) -> Path:
    """The checkpoint of a period's end."""
    return store.trial_folder(run.trials[0]) / "checkpoints" / f"e{epoch:04d}-t1.pt"


def damaged(store: Store, run: Run) -> list[tuple[str, str | None]]:
    """The damaged files of a run, and the tasks that create them again."""
    return [
        (finding.path, finding.task)
        for finding in verify.verify_files(store, run)
        if finding.problem
    ]


def test_a_whole_run_has_no_findings_and_every_byte_is_counted(half: Half) -> None:
    """Records, rows, the prepared data set, the trial's description, both checkpoints."""
    told: list[tuple[int, int]] = []
    found = list(verify.verify_files(*half, lambda done, total: told.append((done, total))))

    assert [finding for finding in found if finding.problem] == []
    assert {Path(finding.path).suffix for finding in found} == {".json", ".parquet", ".npy", ".pt"}
    assert told[-1][0] == told[-1][1] == sum(finding.bytes for finding in found) > 1000
    assert [done for done, _ in told] == sorted(done for done, _ in told)


def test_damage_of_every_kind_is_found_and_named(half: Half) -> None:
    """A flipped bit, a truncated file, a missing one, a truncated record, a trial that does not
    match its name.
    """
    store, run = half
    trial = run.trials[0]
    rows = sorted((store.root / "results").rglob("*.parquet"))
    epochs = next(path for path in rows if "epochs" in str(path) and path.name.startswith("0002"))
    answers = next(path for path in rows if "predictions" in str(path))
    epochs.write_bytes(epochs.read_bytes()[:-9] + b"?" + epochs.read_bytes()[-8:])
    answers.unlink()
    images = store.data_folder(run.data) / "images.npy"
    images.write_bytes(images.read_bytes()[:-100])
    store.done_path(Task("train", trial, 4)).write_text('{"epoch": 4, "fi')
    described = store.trial_folder(trial) / "trial.json"
    described.write_text(described.read_text().replace('"momentum": 0.9', '"momentum": 0.8'))
    found = {
        finding.path: finding.problem
        for finding in verify.verify_files(store, run)
        if finding.problem
    }

    assert found == {
        epochs.relative_to(store.root).as_posix(): "does not match its checksum",
        answers.relative_to(store.root).as_posix(): "is missing",
        f"data/{run.data}/images.npy": f"has {images.stat().st_size:,} bytes instead of "
        f"{images.stat().st_size + 100:,}",
        f"ledger/done/train.{trial}.0004.json": "is not a complete record",
        f"trials/{trial}/trial.json": "does not match the hash in the trial's name",
    }


def test_what_was_taken_out_is_ready_to_be_done_again_and_nothing_else(half: Half) -> None:
    """The rows of the first training: that task is open, its evaluation and the second training
    stay done.
    """
    store, run = half
    trial = run.trials[0]
    rows = next((store.root / "results" / "epochs").rglob("0002.parquet"))
    rows.write_bytes(b"rotten")
    again = verify.remove_damaged(store, list(verify.verify_files(store, run)), run)
    states = readiness.task_states(store, run)

    assert again == [f"train.{trial}.0002"]
    assert not rows.exists()
    assert [task for task, state in states.items() if state == "open"] == [
        again[0],
        f"evaluate.{trial}.0004",
    ]
    assert readiness.ready_tasks(store, run) == [Task("train", trial, 2)]
    assert damaged(store, run) == []


@pytest.mark.parametrize("how", ["rotten", "digest"])
def test_a_checkpoint_is_made_again_only_where_its_evaluation_needs_it(
    half: Half, how: str
) -> None:
    """The first period is evaluated, the second is not: only its training is repeated."""
    store, run = half
    for epoch in (2, 4):
        path = checkpoint(store, run, epoch)
        (path if how == "rotten" else path.with_suffix(".json")).write_bytes(b"rotten")
    found = damaged(store, run)
    again = verify.remove_damaged(store, list(verify.verify_files(store, run)), run)

    assert [task for _, task in found] == [None, f"train.{run.trials[0]}.0004"]
    assert again == [f"train.{run.trials[0]}.0004"]
    assert not any(checkpoint(store, run, epoch).exists() for epoch in (2, 4))
    assert damaged(store, run) == []


def test_a_trials_description_is_written_again_from_the_runs_spec(half: Half) -> None:
    """The hash in its name proves it."""
    store, run = half
    (store.trial_folder(run.trials[0]) / "trial.json").write_text("{")
    again = verify.remove_damaged(store, list(verify.verify_files(store, run)), run)

    assert again == []
    assert store.load_trial(run.trials[0]).name == run.trials[0]


def test_a_checkpoint_that_is_removed_while_it_is_looked_at_is_no_finding(half: Half) -> None:
    """A worker prunes while it works; checksum first, then the file."""
    store, run = half
    looks = verify.verify_files(store, run)
    first = next(looks)
    for path in (checkpoint(store, run, 2).with_suffix(".json"), checkpoint(store, run, 2)):
        path.unlink()
    found = [first, *looks]

    assert [finding for finding in found if finding.problem] == []
    assert len([finding for finding in found if finding.path.endswith(".pt")]) == 1


@pytest.mark.parametrize("table", ["epochs", "evaluations", "predictions"])
def test_a_table_of_a_longer_run_is_found_by_every_run_whose_report_reads_it(
    table: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The short run's report ends there, so `orch verify` names the file, and repairing names the
    run that creates it again.
    """
    asked: dict[str, Any] = {"backbones": ["scratch"], "epochs_per_period": 2}
    store, short = fill_store(tmp_path / "store", periods=1, name="short", **asked)
    _, long = fill_store(tmp_path / "store", periods=2, name="long", **asked)
    rows = store.root / "results" / table / f"trial={short.trials[0]}" / "0004.parquet"
    rows.write_bytes(b"rotten")
    report = [
        "--store",
        str(store.root),
        "report",
        "short",
        "--format",
        "json",
        "--out",
        str(tmp_path / "out"),
    ]
    refused = cli.run(report)
    named = capsys.readouterr().err
    code, told = orch(capsys, store, "verify", "short", "--repair")
    states = readiness.task_states(store, long)
    mended = cli.run(report)

    assert (refused, code, mended) == (1, 1, 0)
    assert str(rows) in named
    assert f"damaged: {rows}" in told
    assert f"1 task(s) must be repeated: orch --store {store.root} resume long\n" in told
    assert [task for task, state in states.items() if state == "open"] == [
        f"{'train' if table == 'epochs' else 'evaluate'}.{short.trials[0]}.0004"
    ]


def test_what_nobody_keeps_a_digest_of_is_read(half: Half) -> None:
    """An attempt's row, a failure record, the inventory of a data set: named and removed."""
    store, run = half
    task = Task("evaluate", run.trials[0], 2)
    places = [
        next((store.root / "results" / "attempts").rglob("train.*.parquet")),
        store.failed_path(task),
        store.data_folder(run.data) / "source.json",
        store.data_folder(run.data) / "inventory.parquet",
    ]
    for place in places:
        place.parent.mkdir(exist_ok=True)
        place.write_bytes(b"rotten")
    found = damaged(store, run)
    again = verify.remove_damaged(store, list(verify.verify_files(store, run)), run)

    assert sorted(path for path, _ in found) == sorted(
        p.relative_to(store.root).as_posix() for p in places
    )
    assert again == [task.id]
    assert not any(place.exists() for place in places)


def orch(capsys: pytest.CaptureFixture[str], store: Store, *words: str) -> tuple[int, str]:
    """Run a command; returns its exit code and output."""
    code = cli.run(["--store", str(store.root), *words])
    return code, capsys.readouterr().out


def test_verify_names_the_damaged_file_and_what_to_type(
    half: Half, capsys: pytest.CaptureFixture[str]
) -> None:
    """Exit code 0, then 1 with the file's name, then repaired with the next command, then 0
    again.
    """
    store, run = half
    whole = orch(capsys, store, "verify", run.name)
    rows = next((store.root / "results" / "epochs").rglob("0002.parquet"))
    rows.write_bytes(b"rotten")
    found = orch(capsys, store, "verify", run.name)
    told: tuple[int, Any] = orch(capsys, store, "verify", run.name, "--json")
    repaired = orch(capsys, store, "verify", run.name, "--repair")
    after = orch(capsys, store, "verify", run.name)

    assert (whole[0], found[0], told[0], repaired[0], after[0]) == (0, 1, 1, 1, 0)
    assert "all checksums match" in whole[1]
    assert f"damaged: {rows} has 6 bytes instead of" in found[1]
    assert f"verify {run.name} --repair" in found[1]
    assert [each["task"] for each in json.loads(told[1])["damaged"]] == [
        f"train.{run.trials[0]}.0002"
    ]
    assert f"1 task(s) must be repeated: orch --store {store.root} resume {run.name}" in repaired[1]
    assert "all checksums match" in after[1]


def test_verify_refuses_what_cannot_be_replayed(
    half: Half, capsys: pytest.CaptureFixture[str]
) -> None:
    """Options of a replay without --replay; a trial of another run."""
    pytest.importorskip("torch")
    store, run = half
    codes = [
        cli.run(["--store", str(store.root), "verify", run.name, *words])
        for words in (("--kills", "2"), ("--replay", "--trial", "vgg16-s0-00000000"))
    ]
    said = capsys.readouterr().err

    assert codes == [2, 2]
    assert "need --replay" in said
    assert f"Its trials: {run.trials[0]}" in said
