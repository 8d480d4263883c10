"""A trial stops when its patience ends, however its epochs are divided into periods."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.fakes import fill_store

from jobs import atomic
from jobs.early_stopping import stop_epoch
from jobs.errors import BadSpec
from jobs.spec import model
from jobs.store.runs import Run
from jobs.store.store import Store
from jobs.store.tables import build_table, read_files, read_rows, table_folder, write_table
from jobs.task import Task
from orchestrator.analysis import overfitting, standings
from orchestrator.analysis.standings import EpochRow
from orchestrator.monitoring import status

LOSSES = st.lists(st.sampled_from([0.5, 0.6, 0.7, 0.8]), max_size=12)


def test_patience_is_counted_from_the_best_epoch() -> None:
    """Worked by hand: the best is the third epoch; two epochs later its age is two."""
    losses = [0.9, 0.8, 0.7, 0.75, 0.71, 0.6]

    assert stop_epoch(losses, 2) == 5
    assert stop_epoch(losses, 3) is None
    assert stop_epoch(losses, 1) == 4
    assert stop_epoch(losses, None) is None
    assert stop_epoch([], 1) is None
    assert stop_epoch([0.5, 0.5], 1) == 2


@given(LOSSES, st.integers(1, 5), st.integers(0, 12))
def test_what_comes_later_does_not_change_where_it_stops(
    losses: list[float], patience: int, cut: int
) -> None:
    """Epochs checked period by period stop at the same epoch as all at once."""
    early = stop_epoch(losses[:cut], patience)

    assert early in (None, stop_epoch(losses, patience))
    assert early is not None or stop_epoch(losses, patience) not in range(1, cut + 1)


@given(LOSSES, st.integers(1, 5))
def test_the_report_advises_what_the_training_does(losses: list[float], patience: int) -> None:
    """The epoch at which the advice would have ended a training is the one at which it ends."""
    rows = [
        EpochRow("t", "b", 0, 1, n, 0.1, loss, 0.5, 0.1, 1.0, 1.0)
        for n, loss in enumerate(losses, 1)
    ]
    advice = overfitting.advise(rows, patience)

    assert (advice.stopped_at if advice else 0) == (stop_epoch(losses, patience) or len(losses))


def test_a_patience_is_a_number_of_epochs_or_none() -> None:
    """Zero, words and booleans are rejected; `none` means no early stopping."""
    built = model.build({"backbones": "all", "early_stop": 3})

    assert built.recipe().early_stop == 3
    assert model.build({"backbones": "all", "early_stop": "none"}) == model.build(
        {"backbones": "all"}
    )
    for bad in (0, "soon", True):
        with pytest.raises(BadSpec, match="early_stop"):
            model.build({"backbones": "all", "early_stop": bad})


def test_a_metric_that_rises_stops_where_it_no_longer_does() -> None:
    """The same rule, upside down; equal is not better."""
    shares = [0.1, 0.4, 0.6, 0.6, 0.5, 0.9]

    assert stop_epoch(shares, 2, higher_is_better=True) == 5
    assert stop_epoch(shares, 3, higher_is_better=True) is None
    assert stop_epoch([1 - share for share in shares], 2) == 5


def test_the_metric_of_stopping_names_the_trial_only_where_it_is_not_the_loss() -> None:
    """`log-loss` is the loss; without a use it is refused."""
    plain, loss, other = (
        model.build({"backbones": "scratch", "early_stop": 2, **more}).recipe()
        for more in ({}, {"early_stop_metric": "log-loss"}, {"early_stop_metric": "macro_f1"})
    )

    assert plain == loss
    assert "early_stop_metric" not in model.named_by(plain)
    assert model.named_by(other)["early_stop_metric"] == "macro-f1"
    with pytest.raises(BadSpec, match="no effect without early_stop or keep best"):
        model.build({"backbones": "scratch", "early_stop_metric": "accuracy"})
    with pytest.raises(BadSpec, match="early_stop_metric: unknown metric 'f2'"):
        model.build({"backbones": "scratch", "early_stop": 1, "early_stop_metric": "f2"})


RECIPE: dict[str, Any] = {"batch_size": 8, "learning_rate": 0.3, "early_stop": 1}


@pytest.fixture(scope="module")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[[], Any]]:
    """Creates laboratories with noise from which nothing can be learned, so that patience ends
    soon.
    """
    torch = pytest.importorskip("torch", reason="torch is not installed (extra 'worker')")
    import numpy as np
    from PIL import Image
    from support.learning import Laboratory

    images, rng = tmp_path_factory.mktemp("data") / "noise", np.random.default_rng(1)
    for label in "abc":
        (images / label).mkdir(parents=True)
        for number in range(12):
            Image.fromarray(rng.integers(0, 255, (32, 32, 3), dtype=np.uint8)).save(
                images / label / f"{number}.png"
            )

    def make() -> Any:
        laboratory = Laboratory.of(tmp_path_factory.mktemp("store"), images, image_size=32)
        laboratory.prepare()
        return laboratory

    yield make
    torch.set_num_threads(1)


def timeless(laboratory: Any, trial: str) -> list[dict[str, Any]]:
    """The trial's rows of epochs without their times."""
    rows = read_rows(laboratory.store.root, "epochs", [trial]).sort_by("epoch").to_pylist()
    return [
        {k: v for k, v in row.items() if k not in ("seconds", "images_per_second", "period")}
        for row in rows
    ]


def test_periods_and_kills_do_not_change_where_it_stops(prepared: Callable[[], Any]) -> None:
    """3 x 4 epochs, 1 x 12, and one stopped repeatedly end at the same epoch with the same weights
    and rows.
    """
    from support.learning import stop_after

    from jobs.errors import Stopped

    whole, cut, struck = prepared(), prepared(), prepared()
    trials = [
        each.trial("squeezenet", marks, **RECIPE)
        for each, marks in ((whole, [12]), (cut, [4, 8, 12]), (struck, [12]))
    ]
    straight = whole.train(trials[0], 12)
    parts = [cut.train(trials[1], epoch) for epoch in (4, 8, 12)]
    stops, again = 0, None
    while again is None:
        try:
            again = struck.train(trials[2], 12, should_stop=stop_after(3))
        except Stopped:
            stops += 1

    assert stops > 1
    assert straight["stopped_early"]
    assert 2 <= straight["epoch"] < 12
    assert parts[-1]["epoch"] == again["epoch"] == straight["epoch"]
    assert parts[-1]["weights_digest"] == again["weights_digest"] == straight["weights_digest"]
    assert timeless(whole, trials[0]) == timeless(cut, trials[1]) == timeless(struck, trials[2])
    assert len(timeless(whole, trials[0])) == straight["epoch"]


def test_a_kill_does_not_change_where_another_metric_stops(prepared: Callable[[], Any]) -> None:
    """Nor which epoch it keeps, nor what it records of the validation images."""
    from support.learning import stop_after

    from jobs.errors import Stopped

    recipe = RECIPE | {"early_stop_metric": "macro-f1", "keep": "best"}
    whole, struck = prepared(), prepared()
    trials = [each.trial("squeezenet", [8], **recipe) for each in (whole, struck)]
    straight, again = whole.train(trials[0], 8), None
    while again is None:
        try:
            again = struck.train(trials[1], 8, should_stop=stop_after(4))
        except Stopped:
            continue
    rows = timeless(whole, trials[0])
    shares = [row["val_macro_f1"] for row in rows]

    assert rows == timeless(struck, trials[1])
    assert again["weights_digest"] == straight["weights_digest"]
    assert straight["epoch"] == (stop_epoch(shares, 1, higher_is_better=True) or 8)
    assert all(0 <= row["val_balanced_accuracy"] <= 1 for row in rows)
    assert all(row["val_top5"] is None for row in rows)


def test_later_marks_are_evaluated_with_the_network_as_it_stopped(
    prepared: Callable[[], Any],
) -> None:
    """Their rows have their own period, the epoch of the stop, and the same predictions."""
    laboratory = prepared()
    trial = laboratory.trial("squeezenet", [1, 8, 12], **RECIPE)
    outcomes = [laboratory.train(trial, epoch) for epoch in (1, 8, 12)]
    tested = [
        laboratory.evaluate(trial, epoch, period=period)
        for period, epoch in enumerate((1, 8, 12), 1)
    ]
    rows = read_rows(laboratory.store.root, "evaluations", [trial]).sort_by("period").to_pylist()
    stop = outcomes[-1]["epoch"]

    assert [outcome["stopped_early"] for outcome in outcomes] == [False, True, True]
    assert outcomes[2]["checkpoint"] == outcomes[1]["checkpoint"]
    assert [(row["period"], row["epoch"]) for row in rows] == [(1, 1), (2, stop), (3, stop)]
    assert tested[1]["loss"] == tested[2]["loss"]
    assert tested[2]["epoch"] == stop


@pytest.fixture
def halted(tmp_path: Path) -> tuple[Store, Run]:
    """A run of two networks and three periods of two epochs; scratch stopped early at epoch 3."""
    store, run = fill_store(
        tmp_path,
        backbones=["scratch", "resnet34"],
        classes=("a", "b"),
        pixels=False,
        recipe={"early_stop": 1},
    )
    trial = next(name for name in run.trials if name.startswith("scratch"))
    place = store.root / table_folder("epochs", trial)
    for path in sorted(place.glob("*.parquet")):
        rows = [
            row | {"val_loss": {1: 0.5, 2: 0.4, 3: 0.45}.get(row["epoch"], 0.3)}
            for row in read_files([path])
            if row["epoch"] <= 3
        ]
        write_table(path, build_table("epochs", rows))
    for table in ("evaluations", "predictions"):
        for path in sorted((store.root / table_folder(table, trial)).glob("*.parquet")):
            rows = [row | {"epoch": min(row["epoch"], 3)} for row in read_files([path])]
            write_table(path, build_table(table, rows))
    other = next(name for name in run.trials if name.startswith("resnet34"))
    for path in sorted((store.root / table_folder("epochs", other)).glob("*.parquet")):
        rows = [row | {"val_loss": 1 / row["epoch"]} for row in read_files([path])]
        write_table(path, build_table("epochs", rows))
    for epoch in (4, 6):
        done = store.done_path(Task("train", trial, epoch))
        atomic.write_json(done, atomic.read_json(done) | {"epoch": 3, "stopped_early": True})
    return store, run


def test_the_comparison_takes_the_network_as_it_stopped(halted: tuple[Store, Run]) -> None:
    """Both later periods have an evaluation, that of the stop; the other network has its own."""
    store, run = halted
    whose = {name: (name.split("-s")[0], 0) for name in run.trials}
    tables = (read_rows(store.root, table, run.trials) for table in ("epochs", "evaluations"))

    found = standings.compare(run, whose, *tables)
    tested = {(s.backbone, s.period): s.results[0] for s in found.standings}

    assert list(found.stops.values()) == [3]
    assert [tested["scratch", period].epoch for period in (1, 2, 3)] == [2, 3, 3]
    assert [tested["resnet34", period].epoch for period in (1, 2, 3)] == [2, 4, 6]
    assert tested["scratch", 2].tested is not None
    assert tested["scratch", 2].tested == tested["scratch", 3].tested


def test_the_status_says_where_it_stopped(halted: tuple[Store, Run]) -> None:
    """Nothing is left to train, and the trial is done. A stop at the run's last epoch is not an
    early one.
    """
    store, run = halted
    other = next(name for name in run.trials if name.startswith("resnet34"))
    path = store.done_path(Task("train", other, 6))
    atomic.write_json(path, atomic.read_json(path) | {"stopped_early": True})
    found = {trial.backbone: trial for trial in status.run_status(store, run).trials}

    assert (
        found["scratch"].stopped_early,
        found["scratch"].epochs_done,
        found["scratch"].epochs_left,
    ) == (3, 3, 0)
    assert found["scratch"].state == "done"
    assert (found["resnet34"].stopped_early, found["resnet34"].epochs_done) == (None, 6)


def test_the_report_says_where_it_stopped(halted: tuple[Store, Run], tmp_path: Path) -> None:
    """In words, and with predictions of both networks after the last period."""
    for name in ("matplotlib", "jinja2", "scipy"):
        pytest.importorskip(name, reason=f"{name} is not installed (extra 'report')")
    from orchestrator.analysis import analysis, run_data
    from orchestrator.report.rendering.gallery import Gallery
    from orchestrator.report.report_data import ReportData
    from orchestrator.report.sections import early_stopping

    found = run_data.read_run_data(*halted)
    section = early_stopping.section(ReportData(found, analysis.analyse(found), Gallery(found)))

    assert section is not None
    assert "Scratch stopped early at epoch 3" in section.lead
    assert len(found.answers("scratch", 3)) == len(found.answers("resnet34", 3)) == 1
