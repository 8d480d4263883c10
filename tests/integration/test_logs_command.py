"""`orch logs`: the output of attempts and workers, by the names that people have at hand."""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path

import pytest
from click.shell_completion import ShellComplete
from support.fake_worker import behave, fake_worker, saved_run

from jobs.store.runs import Run
from jobs.store.store import Store
from jobs.task import Task
from orchestrator import cli, state_folder
from orchestrator.monitoring.logs import Tail
from workers.execution import attempts, execute
from workers.worker import Worker

Orch = Callable[..., tuple[int, str, str]]


@pytest.fixture
def run(tmp_path: Path) -> Run:
    """A run of one backbone with two periods."""
    return saved_run(Store(tmp_path / "store").open(create=True))


@pytest.fixture
def worker(run: Run, tmp_path: Path, redis_url: str) -> Worker:
    """A worker that has failed at the data set, then prepared it."""
    made = fake_worker(Store(tmp_path / "store").open(create=True), redis_url)
    made.announce = lambda event_type, fields: None
    behave(made, "die")
    execute.execute(made, run.tasks[0], f"{run.tasks[0]}-0a1b2c3d")
    attempts.reset_failures(made.store, Task.parse(run.tasks[0]))  # else it waits
    execute.execute(made, run.tasks[0])
    return made


@pytest.fixture
def orch(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Orch:
    """Type a command; its exit code, stdout and stderr."""

    def typed(*words: str) -> tuple[int, str, str]:
        capsys.readouterr()
        code = cli.run([*words, "--store", str(tmp_path / "store")])
        return code, *capsys.readouterr()

    return typed


def test_all_attempts_are_shown_each_under_a_heading(worker: Worker, run: Run, orch: Orch) -> None:
    """By the task's id, by its id in Flower, and by the run: worker, outcome and reason."""
    task = run.tasks[0]
    told = [orch("logs", name) for name in (task, f"{task}-0a1b2c3d", run.name)]
    lines = told[0][1].splitlines()
    heads = [line for line in lines if line.startswith("== ")]

    assert [code for code, _, _ in told] == [0, 0, 0]
    assert told[0] == told[1] == told[2]
    assert heads[0].startswith(f"== {task}, attempt 1: failed (worker-lost) on w1 (cpu), 2")
    assert heads[1].startswith(f"== {task}, attempt 2: done on w1 (cpu), 2")
    assert (
        lines[1]
        == "  the child was killed by SIGKILL (by a user, or by the kernel when out of memory)."
    )
    assert lines[2].endswith(f"{task} on cpu, 1 thread(s)")
    assert lines[-1].endswith("train: 1 of 2")


def test_the_last_lines_of_each_log_are_shown(worker: Worker, run: Run, orch: Orch) -> None:
    """Without what would move the cursor of a terminal."""
    log = worker.store.attempts_folder(Task.parse(run.tasks[0])) / "0002.log"
    log.write_text("one\ntwo\t2\n\x1b[31mthree\nfour without an end")
    _, two, _ = orch("logs", run.tasks[0], "--lines", "2")
    _, none, _ = orch("logs", run.tasks[0], "--lines", "0")

    assert two.splitlines()[-3:] == ["two\t2", "\\x1b[31mthree", "four without an end"]
    assert "three" not in none


def test_a_name_that_nothing_has_is_refused_with_the_nearest(
    worker: Worker, run: Run, orch: Orch
) -> None:
    """Exit code 2; what has not begun yet is no error."""
    code, _, error = orch("logs", run.tasks[0].replace("prepare", "prepar"))
    waiting = orch("logs", run.tasks[1])

    assert code == 2
    assert f"Did you mean '{run.tasks[0]}'?" in error
    assert waiting == (0, f"no attempt at {run.tasks[1]} has been made yet\n", "")


def test_a_workers_log_is_the_one_of_this_machine(worker: Worker, orch: Orch) -> None:
    """That of a worker elsewhere says where it is."""
    from workers import heartbeat

    with state_folder.locked(worker.store.root) as folder:
        (folder / "box-1.log").write_text("first\nlast\n")
    heartbeat.write(worker)
    here, elsewhere = orch("logs", "box-1", "--lines", "1"), orch("logs", "w1")

    assert here == (0, "last\n", "")
    assert elsewhere[0] == 2
    assert "It runs on host: type 'orch logs w1' there" in elsewhere[2]


def test_following_ends_with_the_task(worker: Worker, run: Run, orch: Orch) -> None:
    """Attempts that begin meanwhile are shown to their end; a cancelled task is at its end."""
    training = run.tasks[1]
    behave(worker, "slow")
    beside = [
        threading.Thread(target=execute.execute, args=(worker, training)),
        threading.Timer(1.0, worker.store.cancel, [run.name]),
    ]
    for each in beside:
        each.start()
    code, text, _ = orch("logs", training, "-f")
    for each in beside:
        each.join()

    assert code == 0
    assert f"{training}, attempt 1: running on w1" in text
    assert f"{training}, attempt 1: stopped (stopped) on w1" in text


def test_names_are_completed(worker: Worker, run: Run, tmp_path: Path) -> None:
    """Runs and the tasks that were begun; an unusable store completes nothing."""

    def completed(begun: str, store: str) -> list[str]:
        shell = ShellComplete(cli.cli, {}, "orch", "_ORCH_COMPLETE")
        return [each.value for each in shell.get_completions(["--store", store, "logs"], begun)]

    assert completed("prep", str(tmp_path / "store")) == [run.tasks[0]]
    assert completed(run.name[:4], str(tmp_path / "store")) == [run.name]
    assert completed("", str(tmp_path / "nothing")) == []


def test_a_tail_goes_on_where_it_was_and_begins_again_in_a_shorter_file(tmp_path: Path) -> None:
    """A line that has not ended waits for its end."""
    place, tail = tmp_path / "log", Tail(tmp_path / "log")
    read = [tail.more()]
    for text in ("a\nb", "\nc\n"):
        with place.open("a") as file:
            file.write(text)
        read.append(tail.more())
    place.write_text("d\n")
    read.append(tail.more())

    assert read == [[], ["a"], ["b", "c"], ["d"]]
