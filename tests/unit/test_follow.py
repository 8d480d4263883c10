"""What a watcher sees of a run: lines in a log, and a display on a terminal."""

from __future__ import annotations

import io
import os
import signal
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import click
import psutil
import pytest
from support.fakes import fill_store
from support.half_done import NOW, half_done_run, say, training

from jobs.benchmark import Way
from jobs.settings import Settings
from jobs.store.runs import Run
from jobs.store.store import Store
from jobs.task import Task
from orchestrator import state_folder
from orchestrator.local import stack_record
from orchestrator.local.daemon import DaemonProcess
from orchestrator.local.stack_record import LocalWorker, Stack
from orchestrator.monitoring import status
from orchestrator.terminal import dashboard, follow
from orchestrator.terminal.part import PartOfRun


def seeded(found: status.RunStatus) -> status.RunStatus:
    """The same run with the longest name there is, and two seeds."""
    first, second = found.trials
    long = replace(first, backbone="squeezenet-finetuned", seed=1, epochs=30, epochs_done=20)
    return replace(found, run="photographs-3x10-1f3a9c", trials=(long, second))


@pytest.fixture
def half(tmp_path: Path) -> tuple[Store, Run]:
    """Of two periods, only the first is trained and evaluated."""
    return half_done_run(tmp_path)


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


def test_a_benchmark_is_told_with_its_runtime(half: tuple[Store, Run]) -> None:
    """Two runtimes of a network are told apart, in the log and in the display."""
    store, run = half
    way = Way("int8", 1, "alpha")
    task = Task("bench", run.trials[0], 2, way=way)
    grown = replace(run, tasks=(*run.tasks, task.id))
    store.save_run(grown)
    say(store, task, phase="measure", done=1, total=4)

    told = Stage(store, grown).lines()

    assert f"{task.subject}: bench int8 started on alpha-1 (cpu)" in told
    assert f"{task.subject}: measure int8 25%" in told


def test_ctrl_c_says_how_to_go_on(
    half: tuple[Store, Run], capsys: pytest.CaptureFixture[str]
) -> None:
    """With the words of the command that waits, else those that watch the run."""
    store, run = half

    def interrupted(seconds: float) -> None:
        raise KeyboardInterrupt

    benchmarks = PartOfRun("benchmarks", 2, 0, 0, NOW, "give it again")
    for part in (None, benchmarks):
        with pytest.raises(click.exceptions.Exit) as stop:
            follow.follow(
                Settings(store.root, None, None), store, run, sleep=interrupted, part=part
            )
        assert stop.value.exit_code == 130
    lines = capsys.readouterr().err.splitlines()

    assert f"watch {run.name}" in lines[0]
    assert lines[1].startswith("give it again")
    assert not any("down" in line for line in lines)  # there are no local workers


def follow_with(store: Store, run: Run, number: Callable[[], signal.Signals]) -> None:
    """Follow the run; each look is interrupted by the next signal."""
    follow.follow(
        Settings(store.root, None, None),
        store,
        run,
        sleep=lambda _: signal.raise_signal(number()),
    )


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_a_signal_that_ends_a_waiting_command_is_told_like_ctrl_c(
    half: tuple[Store, Run],
    capsys: pytest.CaptureFixture[str],
    number: signal.Signals,
) -> None:
    """It says that the run goes on, how to follow it, and how to stop workers where there are some.

    SIGTERM is caught from the start of a command on, SIGHUP while it waits.
    """
    store, run = half
    if number == signal.SIGHUP:
        process = DaemonProcess(os.getpid(), psutil.Process().create_time())
        with state_folder.locked(store.root) as folder:
            stack_record.write(folder, Stack(None, (LocalWorker("here-1", "cpu", "", process),)))
    usual = signal.signal(number, signal.SIG_DFL)

    try:
        with pytest.raises(click.exceptions.Exit) as stop:
            follow_with(*half, lambda: number)
        after = signal.getsignal(number)
    finally:
        signal.signal(number, usual)
    told = capsys.readouterr().err

    assert stop.value.exit_code == 128 + number
    assert "the run continues" in told
    assert f"watch {run.name}" in told
    assert ("down" in told) == (number == signal.SIGHUP)
    assert after == signal.SIG_DFL


def test_a_hangup_that_is_ignored_ends_no_waiting_command(half: tuple[Store, Run]) -> None:
    """As under nohup."""
    usual = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    numbers = iter([signal.SIGHUP, signal.SIGHUP, signal.SIGTERM])

    try:
        with pytest.raises(click.exceptions.Exit) as stop:
            follow_with(*half, lambda: next(numbers))
    finally:
        signal.signal(signal.SIGHUP, usual)

    assert stop.value.exit_code == 128 + signal.SIGTERM
    assert not list(numbers)


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
