"""Interrupted equals uninterrupted: kills, stops and other divisions into periods do not change
results.
"""

from __future__ import annotations

import json
import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from support.harness import Lab, children_of, digests, rows

from jobs.store import tables
from workers.lease_expiry import TTL_S
from workers.reconciler import RECONCILE_S

pytestmark = pytest.mark.whole

SMALL = ("--image-size", "32", "--weights", "none", "--batch-size", "8")
ONE_TRIAL = (*SMALL, "--backbone", "squeezenet", "--periods", "1", "--epochs-per-period", "12")


def test_a_worker_asked_to_leave_and_one_killed_in_the_middle_change_nothing(
    new_lab: Callable[..., Lab], animal_folder: Path
) -> None:
    """SIGTERM: the child stops after its step, the worker exits with 0, another continues at once.

    SIGKILL to that one: its child ends too, a third finishes, and all results are the same.
    """
    asked = (*ONE_TRIAL, "--data", str(animal_folder))
    calm, struck = new_lab("calm"), new_lab("struck", pause_s=0.5)
    calm.worker()
    calm_run, run = calm.submit(*asked), struck.submit(*asked)
    training = run.tasks[1]
    leaver, start_s = first_step(struck, training)
    others = {name: struck.worker("--name", name) for name in ("second", "third")}
    struck.until(lambda: all("takes tasks" in struck.log(n) for n in (1, 2)), what="both others")
    leaver.send_signal(signal.SIGTERM)
    code = leaver.wait(30)
    handover_s = struck.seconds_until(lambda: attempt(struck, training) == 2, 20)
    second = json.loads((struck.store.root / f"attempts/{training}/0002.json").read_text())
    victim = others.pop(second["worker"])
    orphans = children_of(victim)
    victim.send_signal(signal.SIGKILL)
    struck.until(lambda: not any(alive(pid) for pid in orphans), 10, "the end of the orphans")
    recovery_s = struck.seconds_until(lambda: attempt(struck, training) == 3, 60)
    states = struck.finished(run)
    calm.finished(calm_run)

    assert [code, *(other.poll() for other in others.values())] == [0, None]
    assert handover_s < RECONCILE_S + start_s
    assert recovery_s < TTL_S + RECONCILE_S + start_s
    assert set(states.values()) == {"done"}
    assert digests(struck, run) == digests(calm, calm_run)
    for table in ("epochs", "evaluations", "predictions"):
        assert rows(struck, run, table) == rows(calm, calm_run, table)
    attempts = [r for r in rows(struck, run, "attempts") if r["task"] == training]
    assert [r["state"] for r in attempts] == ["stopped", "lost", "done"]
    assert attempts[1]["failure"] == "worker-lost"


@pytest.mark.long
def test_three_periods_of_two_epochs_are_one_of_six_bit_for_bit(
    new_lab: Callable[..., Lab], animal_folder: Path
) -> None:
    """Weights and all rows except times and period numbers, with reductions of the learning rate on
    the way.
    """
    spec = animal_folder.parent / "drop.yaml"
    spec.write_text("backbones: [scratch, squeezenet]\nplateau_patience: 0\nlearning_rate: 0.05\n")
    asked = (str(spec), *SMALL, "--data", str(animal_folder))
    thrice, once = new_lab("thrice"), new_lab("once")
    for lab in (thrice, once):
        lab.worker()
    three = thrice.submit(*asked, "--periods", "3", "--epochs-per-period", "2")
    one = once.submit(*asked, "--periods", "1", "--epochs-per-period", "6")
    assert set(thrice.finished(three).values()) == set(once.finished(one).values()) == {"done"}
    epochs = rows(thrice, three, "epochs", without=("period",))

    assert three.trials == one.trials
    assert len(digests(once, one)) == 2
    assert digests(thrice, three) == digests(once, one)
    assert epochs == rows(once, one, "epochs", without=("period",))
    assert len({row["learning_rate"] for row in epochs}) > 1
    last = [r for r in rows(thrice, three, "predictions", without=("period",)) if r["epoch"] == 6]
    assert last == rows(once, one, "predictions", without=("period",))


def test_a_worker_that_is_slow_to_load_takes_no_task_before_it_can_begin_one(
    new_lab: Callable[..., Lab], animal_folder: Path
) -> None:
    """Loading torch from a slow disk may take long. A lease that nobody renews meanwhile would move
    between workers.
    """
    lab = new_lab(loading_s=1.5 * TTL_S)
    workers = [lab.worker(), lab.worker()]
    run = lab.submit(
        *SMALL, "--backbone", "squeezenet", "--periods", "1", "--data", str(animal_folder)
    )
    states = lab.finished(run)
    done = tables.read_rows(lab.store.root, "attempts", [tables.DATA_SETS, *run.trials]).to_pylist()

    assert [worker.poll() for worker in workers] == [None, None]
    assert set(states.values()) == {"done"}
    assert [(each["attempt"], each["state"]) for each in done] == [(1, "done")] * 3


def test_a_worker_that_cannot_load_torch_takes_no_task(
    new_lab: Callable[..., Lab], animal_folder: Path, tmp_path: Path
) -> None:
    """Otherwise a broken machine, always idle, would use up the attempts of every task."""
    lab = new_lab()
    (tmp_path / "torch.py").write_text(
        "raise ImportError('libcudart.so.12: cannot open shared object file')\n"
    )
    run = lab.submit(
        *SMALL,
        "--backbone",
        "squeezenet",
        "--periods",
        "1",
        "--data",
        str(animal_folder),
        "--no-workers",
    )
    lab.extra["PYTHONPATH"] = str(tmp_path)
    code = lab.worker().wait(60)

    assert code == 2
    assert "ImportError: libcudart.so.12: cannot open shared object file" in lab.last_words()
    assert not list(lab.store.root.glob(f"attempts/{run.tasks[0]}/*"))
    assert not list(lab.store.root.glob("workers/*"))


def first_step(lab: Lab, training: str) -> tuple[subprocess.Popen[bytes], float]:
    """A worker that has started a training, and the seconds from its start to the first step. The
    time allowed for recovery depends on it, because a busy machine slows both.
    """
    began = time.monotonic()
    worker = lab.worker()
    lab.until(lambda: lab.progress(training).get("phase") == "train", what="the first step")
    return worker, time.monotonic() - began


def attempt(lab: Lab, training: str) -> int:
    """The number of the attempt that reported progress last."""
    return int(lab.progress(training).get("attempt", 0))


def alive(pid: int) -> bool:
    """Whether a process runs (a zombie does not)."""
    try:
        return open(f"/proc/{pid}/stat").read().rsplit(")", 1)[1].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False
