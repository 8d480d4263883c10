"""The progress of a run as the store shows it, and what `orch watch` shows."""

from __future__ import annotations

import io
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from support.fakes import fill_store

from jobs import atomic
from jobs.settings import Settings
from jobs.store.runs import Run
from jobs.store.store import Store
from jobs.task import Task
from orchestrator import cli
from orchestrator.monitoring import heartbeats, progress, status
from orchestrator.terminal import dashboard, follow, messages
from workers.process import identity

NOW = time.time()


def seeded(found: status.RunStatus) -> status.RunStatus:
    """The same run with the longest name there is, and two seeds."""
    first, second = found.trials
    long = replace(first, backbone="squeezenet-finetuned", seed=1, epochs=30, epochs_done=20)
    return replace(found, run="photographs-3x10-1f3a9c", trials=(long, second))


@pytest.fixture
def half(tmp_path: Path) -> tuple[Store, Run]:
    """A run of two backbones and two periods of two epochs; only the first period is trained and
    evaluated.
    """
    return fill_store(
        tmp_path,
        backbones=["scratch", "resnet34"],
        periods=2,
        pixels=False,
        finished=lambda task: task.epoch <= 2,
    )


def say(store: Store, task: Task, age_s: float = 1.0, **message: Any) -> None:
    """A worker's last progress on a task, and a heartbeat of the same age."""
    who = {
        "task": task.id,
        "worker": "alpha-1",
        "host": "alpha",
        "device": "cpu",
        "attempt": 1,
        "at": NOW - age_s,
    }
    atomic.write_json(store.progress_path(task), {**message, **who})
    sign(store, task.id, age_s)


def sign(store: Store, task: str | None, age_s: float = 1.0) -> None:
    """A worker's heartbeat."""
    atomic.write_json(
        store.root / "workers" / "alpha-1.json",
        {
            "name": "alpha-1",
            "host": "alpha",
            "pid": 1,
            "device": "cpu",
            "task": task,
            "at": NOW - age_s,
        },
    )


def training(run: Run) -> Task:
    """The second period of the run's first trial."""
    return Task("train", run.trials[0], 4)


def test_a_run_nobody_works_on_waits(half: tuple[Store, Run]) -> None:
    """Epochs, period and accuracy come from what is published."""
    found = status.run_status(*half, now=NOW)
    trial = found.trials[0]

    assert (found.state, found.workers) == ("waiting", ())
    assert found.tasks == {"done": 5, "open": 4}
    assert (trial.state, trial.epochs_done, trial.epochs, trial.period, trial.periods) == (
        "waiting",
        2,
        4,
        2,
        2,
    )
    assert trial.accuracy_epoch == 2
    assert 0 < (trial.accuracy or 0) < 1


def test_a_task_that_was_just_spoken_of_is_running(half: tuple[Store, Run]) -> None:
    """Its epoch includes the earlier ones."""
    store, run = half
    say(
        store,
        training(run),
        phase="train",
        epoch=4,
        epochs=4,
        done=10,
        total=40,
        loss=0.5,
        images_per_second=99.0,
    )

    found = status.run_status(store, run, now=NOW)
    trial = found.trials[0]

    assert (found.state, trial.state, trial.epochs_done) == ("running", "running", 3)
    assert [(p.phase, p.loss, p.worker) for p in trial.progress] == [("train", 0.5, "alpha-1")]
    assert found.trials[1].state == "waiting"


def test_old_words_of_a_dead_worker_do_not_count(half: tuple[Store, Run]) -> None:
    """Neither its progress nor its heartbeat."""
    store, run = half
    say(store, training(run), age_s=120, phase="train", epoch=4)

    found = status.run_status(store, run, now=NOW)

    assert (found.state, found.workers, found.trials[0].progress) == ("waiting", (), ())


def test_a_living_worker_that_turned_to_something_else_does_not_count(
    half: tuple[Store, Run],
) -> None:
    """Its last progress may be seconds old."""
    store, run = half
    say(store, training(run), phase="train", epoch=4)
    sign(store, None)

    found = status.run_status(store, run, now=NOW)

    assert found.trials[0].progress == ()
    assert len(found.workers) == 1


def test_a_task_that_a_worker_signs_for_runs_before_its_first_word(half: tuple[Store, Run]) -> None:
    """Loading may take a while."""
    store, run = half
    sign(store, training(run).id)

    found = status.run_status(store, run, now=NOW)

    assert [(p.phase, p.worker) for p in found.trials[0].progress] == [(None, "alpha-1")]


def test_a_worker_that_was_killed_here_is_not_alive_any_more(half: tuple[Store, Run]) -> None:
    """Its process is checked, not only its recent heartbeat; another process with the same number
    does not count.
    """
    store, run = half
    child = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    marked = identity.process_identity(child.pid)
    say(store, training(run), phase="train", epoch=4)
    path = store.root / "workers" / "alpha-1.json"
    atomic.write_json(path, {**atomic.read_json(path), "process": marked})  # type: ignore[dict-item]
    alive = status.run_status(store, run, now=NOW)
    child.kill()
    child.wait()
    killed = status.run_status(store, run, now=NOW)

    assert marked is not None
    assert (len(alive.workers), alive.state) == (1, "running")
    assert (killed.workers, killed.state, killed.trials[0].progress) == ((), "waiting", ())
    assert identity.has_ended(f"{identity.process_identity()}0")
    assert not identity.has_ended(str(identity.process_identity()))


@pytest.mark.parametrize("process", [None, "another-boot pid:[1] 1 1", "rubbish", ""])
def test_a_worker_of_another_machine_is_judged_by_its_sign(
    half: tuple[Store, Run], process: str | None
) -> None:
    """Its processes cannot be seen from here, nor those of another container."""
    store, run = half
    sign(store, training(run).id)
    path = store.root / "workers" / "alpha-1.json"
    atomic.write_json(path, {**atomic.read_json(path), "process": process})  # type: ignore[dict-item]

    assert len(status.run_status(store, run, now=NOW).workers) == 1


@pytest.mark.parametrize(
    ("kept", "shown"),
    [
        (["e0003-a1"], 3),
        (["e0003-a1", "e0003-s000120-a1", "e0006-b1"], 3),
        (["e0004-s000007-a1"], 4),
        ([], 2),
    ],
)
def test_a_cancelled_trial_shows_the_epochs_that_its_checkpoints_keep(
    half: tuple[Store, Run], kept: list[str], shown: int
) -> None:
    """Not only those of its last target epoch; epochs of a longer run beyond this one's end do not
    count.
    """
    store, run = half
    task = training(run)
    for name in kept:
        atomic.write_json(store.trial_folder(task.subject) / "checkpoints" / f"{name}.json", {})
    store.attempts_folder(task).mkdir(parents=True)
    store.cancel(run.name)

    found = status.run_status(store, run, now=NOW)

    assert [trial.epochs_done for trial in found.trials] == [shown, 2]


def test_a_torn_sign_of_life_is_passed_over(half: tuple[Store, Run]) -> None:
    """Reading never fails because of what another process is writing."""
    store, _ = half
    (store.root / "workers").mkdir()
    (store.root / "workers" / "torn.json").write_text('{"name": "to')

    assert heartbeats.read_heartbeats(store.root) == []


def test_a_run_is_over_when_the_rest_is_blocked_by_a_failure(tmp_path: Path) -> None:
    """It failed; the failure has its class, message and log."""
    store, run = fill_store(
        tmp_path,
        backbones=["scratch"],
        periods=2,
        pixels=False,
        finished=lambda task: task.epoch <= 2,
    )
    failing = training(run)
    atomic.write_json(
        store.failed_path(failing),
        {"failure": "out-of-memory", "message": "too little.", "attempt": 3},
    )

    found = status.run_status(store, run, now=NOW)

    assert (found.state, found.over, found.exit_code) == ("failed", True, 1)
    assert [(f.failure, f.message) for f in found.failures] == [("out-of-memory", "too little.")]
    assert found.failures[0].log == str(store.attempts_folder(failing) / "0003.log")


def test_a_run_is_done_when_all_of_it_is_published(tmp_path: Path) -> None:
    """Every trial done, exit code 0."""
    found = status.run_status(*fill_store(tmp_path, backbones=["scratch"], pixels=False))

    assert (found.state, found.exit_code) == ("done", 0)
    assert [(trial.state, trial.epochs_done) for trial in found.trials] == [("done", 6)]


def test_a_cancelled_run_is_over_but_not_well(half: tuple[Store, Run]) -> None:
    """Waiting for it ends with exit code 1."""
    store, run = half
    store.cancel(run.name)

    found = status.run_status(store, run)

    assert (found.state, found.over, found.exit_code) == ("cancelled", True, 1)


def test_the_time_left_is_shared_by_the_workers(half: tuple[Store, Run]) -> None:
    """Two trials of 10 and 30 s an epoch with two epochs left each: 80 s alone, 60 s by two (the
    longer one).
    """
    store, run = half
    found = status.run_status(store, run, now=NOW)
    big, small = (
        replace(trial, seconds=pace * 2) for trial, pace in zip(found.trials, (30, 10), strict=True)
    )
    worker = heartbeats.Heartbeat("a", "alpha", 1, "cpu", None, 1.0)

    alone = status.seconds_left(replace(found, trials=(big, small), workers=(worker,)), {})
    two = status.seconds_left(replace(found, trials=(big, small), workers=(worker, worker)), {})

    assert (alone, two) == (80, 60)


def test_a_trial_that_was_not_timed_is_estimated_by_its_cost(half: tuple[Store, Run]) -> None:
    """resnet34 at three times the cost of Scratch takes three times as long."""
    found = status.run_status(*half, now=NOW)
    big, small = found.trials
    timed = replace(found, trials=(replace(big, seconds=0.0), replace(small, seconds=20.0)))

    left = status.seconds_left(timed, {"resnet34": 3.0, "scratch": 1.0})

    assert left == 2 * 10 + 2 * 30


def test_a_trial_that_stopped_early_needs_no_more_time(half: tuple[Store, Run]) -> None:
    """Although its later periods are not evaluated yet."""
    found = status.run_status(*half, now=NOW)
    big, small = found.trials
    stopped = replace(big, seconds=60.0, stopped_early=2)

    left = status.seconds_left(replace(found, trials=(stopped, replace(small, seconds=20.0))), {})

    assert left == 2 * 10


def touches(look: Callable[[], object]) -> int:
    """How often files and folders are asked for: opened, listed, looked for."""
    counted = 0

    def count(frame: object, event: str, called: Any) -> None:
        nonlocal counted
        counted += event == "c_call" and called.__name__ in (
            "open",
            "stat",
            "lstat",
            "listdir",
            "scandir",
            "readlink",
        )

    sys.setprofile(count)
    try:
        look()
    finally:
        sys.setprofile(None)
    return counted


def test_looking_asks_for_few_files_a_trial_and_a_line_for_none(tmp_path: Path) -> None:
    """However many trials there are: one result per period of a trial that is running or done, and
    one of its evaluations.
    """
    counts: dict[str, list[int]] = {"look": [], "line": [], "waiting": []}
    for seeds in (2, 6):
        store, run = fill_store(
            tmp_path / f"{seeds}", backbones=["scratch"], seeds=seeds, periods=3, pixels=False
        )
        outline, scene = store.outline(run.name), progress.read_view(store, NOW)
        counts["look"].append(touches(lambda: status.run_status(store, outline, NOW)))  # noqa: B023
        counts["line"].append(touches(lambda: status.overview(store, outline, scene)))  # noqa: B023
        waiting, later = fill_store(
            tmp_path / f"none-{seeds}",
            backbones=["scratch"],
            seeds=seeds,
            periods=3,
            pixels=False,
            finished=lambda task: task.kind == "prepare",
        )
        counts["waiting"].append(touches(lambda: status.run_status(waiting, later, NOW)))  # noqa: B023

    assert counts["look"][0] > 0
    assert counts["look"][1] - counts["look"][0] <= 4 * (3 + 1)
    assert counts["line"][1] == counts["line"][0] <= 2
    assert counts["waiting"][1] == counts["waiting"][0]


def test_many_runs_are_listed_from_one_look_at_the_ledger(tmp_path: Path) -> None:
    """The lines equal the status of each run."""
    store, _ = fill_store(
        tmp_path,
        backbones=["scratch"],
        pixels=False,
        name="first",
        finished=lambda task: task.kind == "prepare",
    )
    fill_store(tmp_path, backbones=["resnet34"], pixels=False, name="second")
    scene = progress.read_view(store, NOW)

    lines = [status.overview(store, store.outline(name), scene) for name in ("first", "second")]
    looks = [status.run_status(store, store.outline(name), NOW) for name in ("first", "second")]

    assert [each.state for each in lines] == ["waiting", "done"]
    assert [(each.state, each.tasks) for each in lines] == [
        (each.state, each.tasks) for each in looks
    ]


def test_however_many_runs_are_told_whole_each_folder_of_all_is_listed_once(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A store of many runs has tens of thousands of attempts and records."""
    for name in ("first", "second", "third"):
        fill_store(tmp_path, backbones=["scratch"], pixels=False, name=name)
    listed, names = list[str](), atomic.list_names

    def counted(folder: Path) -> list[str]:
        listed.append(folder.relative_to(tmp_path).as_posix())
        return names(folder)

    monkeypatch.setattr(atomic, "list_names", counted)
    code = cli.run(["--store", str(tmp_path), "status", "--json"])

    assert code == 0
    assert capsys.readouterr().out.count('"trials": [') == 3
    assert [
        listed.count(folder) for folder in ("attempts", "ledger/done", "ledger/failed", "progress")
    ] == [1] * 4


@pytest.mark.parametrize("asked", [[], ["study"]], ids=["all", "one"])
def test_status_says_what_to_start_when_tasks_wait_and_nobody_is_there(
    asked: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Workers here, or on a GPU machine."""
    fill_store(
        tmp_path, backbones=["scratch"], pixels=False, name="study", finished=lambda task: False
    )

    code = cli.run(["--store", str(tmp_path), "status", *asked])
    shown = capsys.readouterr().out

    assert code == 0
    assert "up; on a GPU machine with: orch worker" in shown


@pytest.mark.parametrize("many", [3, 4])
def test_many_workers_are_listed_one_a_line(
    many: int, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Up to three are on one line; more are listed with their tasks."""
    fill_store(
        tmp_path, backbones=["scratch"], pixels=False, name="study", finished=lambda task: False
    )
    for number in range(many):
        atomic.write_json(
            tmp_path / "workers" / f"alpha-{number}.json",
            {
                "name": f"alpha-{number}",
                "host": "alpha",
                "pid": 1,
                "device": "cpu",
                "at": time.time(),
                "task": None if number else "train.scratch-s0-1f3a9c2e.0010",
            },
        )

    cli.run(["--store", str(tmp_path), "status"])
    lines = [
        line for line in capsys.readouterr().out.splitlines() if "alpha" in line or "alive" in line
    ]

    assert (
        lines
        == {
            3: ["workers alive: alpha-0 (cpu), alpha-1 (cpu), alpha-2 (cpu)"],
            4: [
                "workers alive: 4, 3 of them idle",
                "  alpha-0 (cpu)  train.scratch-s0-1f3a9c2e.0010",
                "  alpha-1 (cpu)  idle",
                "  alpha-2 (cpu)  idle",
                "  alpha-3 (cpu)  idle",
            ],
        }[many]
    )


class Stage:
    """A run that changes at each look, and the lines that a log shows of it."""

    def __init__(self, store: Store, run: Run, *changes: Any) -> None:
        self.store, self.run, self.changes, self.clock = store, run, list(changes), 0.0
        self.teller = follow.ChangeReporter(
            Settings(store.root, None, None), clock=lambda: self.clock
        )

    def lines(self) -> list[str]:
        """The lines after the next change, one second later."""
        self.clock += 1
        if self.changes:
            self.changes.pop(0)()
        return self.teller.changes(status.run_status(self.store, self.run, now=NOW))


def test_a_log_tells_starts_results_and_progress_now_and_then(half: tuple[Store, Run]) -> None:
    """An unchanged run prints nothing; an epoch prints at most every five seconds."""
    store, run = half
    task = training(run)
    stage = Stage(
        store,
        run,
        lambda: None,
        *(
            lambda done=done: say(
                store, task, phase="train", epoch=4, done=done, total=40, loss=1 / done
            )
            for done in range(1, 9)
        ),
    )

    first, *later = [stage.lines() for _ in range(9)]
    silent = stage.lines()

    assert sum("test accuracy" in line for line in first) == 2
    assert later[0] == [
        f"{task.subject}: train started on alpha-1 (cpu)",
        f"{task.subject}: period 2/2 epoch 4 train 2%, loss 1.000",
    ]
    assert [len(lines) for lines in later[1:]] == [0, 0, 0, 0, 1, 0, 0]
    assert silent == []


def test_a_log_tells_when_tasks_wait_and_nobody_is_there(half: tuple[Store, Run]) -> None:
    """Not at once, and then not every second."""
    stage = Stage(*half)

    told = [line for _ in range(40) for line in stage.lines() if "no worker is alive" in line]

    assert len(told) == 1
    assert "orch --store" in told[0]


def test_following_ends_with_the_run_and_says_what_to_type(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A run that is done ends at once."""
    store, run = fill_store(tmp_path, backbones=["scratch"], pixels=False)

    end = follow.follow(Settings(tmp_path, None, None), store, run)

    last = capsys.readouterr().out.splitlines()[-1]

    assert end.exit_code == 0
    assert f"report {run.name}" in last
    assert "after it was submitted" not in last


def test_the_display_shows_each_trial_and_fits_the_terminal(half: tuple[Store, Run]) -> None:
    """Backbones, phase, speed and loss; trials that do not fit are counted."""
    from rich.console import Console

    store, run = half
    say(
        store,
        training(run),
        phase="train",
        epoch=4,
        done=10,
        total=40,
        loss=0.5,
        images_per_second=99.0,
        eta_s=65,
    )
    found = status.run_status(store, run, now=NOW)
    many = replace(found, trials=found.trials * 20)

    def drawn(shown: status.RunStatus, height: int, width: int = 140) -> str:
        console = Console(file=io.StringIO(), width=width, height=height)
        console.print(dashboard.draw_dashboard(shown, None, height, width))
        return console.file.getvalue()  # type: ignore[attr-defined, no-any-return]

    assert all(
        word in drawn(found, 40)
        for word in ("resnet34", "scratch", "99", "0.500", "1m 05s", "alpha-1", "5/9")
    )
    assert len(drawn(many, 20).splitlines()) <= 20
    assert "and 28 more" in drawn(many, 20)
    assert all(
        word in drawn(seeded(found), 40, 80)
        for word in ("squeezenet-finetuned s1", "train 25%", "99", "0.500", "1m 05s")
    )
    assert "…" not in drawn(seeded(found), 40, 80)
    assert all(
        word in drawn(seeded(found), 40, 60)
        for word in ("squeezenet-finetuned s1", "train 25%", "1m 05s")
    )
    assert "…" not in drawn(seeded(found), 40, 60)


def test_a_run_whose_images_are_bad_is_to_be_submitted_again(tmp_path: Path) -> None:
    """Retrying cannot help: a changed folder is another data set."""
    store, run = fill_store(
        tmp_path, backbones=["scratch"], pixels=False, finished=lambda task: False
    )
    task = Task.parse(run.tasks[0])
    atomic.write_json(
        store.failed_path(task),
        {
            "failure": "bad-image",
            "message": "2 file(s) are not whole images.",
            "attempt": 1,
            "log": "log",
        },
    )
    lines = messages.ending(
        Settings(store.root, None, None), status.run_status(store, run), waited=False
    )

    assert "submit it again" in lines[0]
    assert "retry" not in lines[0]
