"""A whole run on a Redis with TLS and users of least rights, on a cluster that warns its jobs."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from pathlib import Path

import pytest
from support.guarded_redis import running, set_up
from support.harness import Lab, rows

from workers.messaging import broker

pytestmark = [pytest.mark.whole, pytest.mark.long]

ASKED = (
    *("--backbone", "scratch", "--image-size", "32", "--batch-size", "8", "--weights", "none"),
    *("--periods", "2", "--epochs-per-period", "8", "--precision", "fp32", "--no-workers"),
)


def test_a_run_ends_under_users_of_least_rights_although_a_job_is_warned(
    tmp_path: Path, new_lab: Callable[..., Lab], animal_folder: Path
) -> None:
    """Controller, worker and Flower each with its own user. All processes of the first worker get
    SIGUSR1, twice, while it trains; it leaves with exit code 0, and the second continues. No
    password is in any log or file of the store.
    """
    folder = tmp_path / "redis"
    set_up(folder)
    with running(folder) as guarded:
        crew = new_lab("study")
        desk = Lab(crew.folder, "")
        for lab, user in ((desk, "controller"), (crew, "worker")):
            variables = guarded.variables(user)
            lab.broker_url = variables.pop("ORCH_BROKER_URL")
            lab.extra.update(variables)
        first = crew.worker("--name", "first")
        run = desk.submit(*ASKED, "--data", str(animal_folder))
        task = next(each for each in run.tasks if each.startswith("train."))
        crew.until(lambda: crew.progress(task).get("epoch"), what="training")
        url = f"{guarded.variables('flower')['ORCH_BROKER_URL']}?" + "&".join(
            f"{option}={folder / file}"
            for option, file in (("ssl_ca_certs", "ca.pem"), ("password_file", "flower.password"))
        )
        flower = broker.app(url, desk.store.id)
        answers = flower.control.inspect(timeout=2).conf() or {}
        for _ in range(2):
            os.killpg(first.pid, signal.SIGUSR1)
        code = first.wait(30)
        crew.worker("--name", "second")
        states = crew.finished(run)

    assert (code, set(states.values())) == (0, {"done"})
    trained = {
        (row["worker"], row["state"])
        for row in rows(crew, run, "attempts")
        if row["kind"] == "train"
    }
    assert ("first", "stopped") in trained
    assert {worker for worker, state in trained if state == "done"} >= {"second"}
    assert [name.partition("@")[0] for name in answers] == ["first"]
    assert_no_password(folder, [tmp_path / "study"], str(answers))


def assert_no_password(folder: Path, places: list[Path], said: str) -> None:
    """No file below these folders holds one of the passwords, nor does a text."""
    passwords = [path.read_text().strip() for path in folder.glob("*.password")]
    assert len(passwords) == 3
    assert not any(each in said for each in passwords)
    for path in (file for place in places for file in place.rglob("*") if file.is_file()):
        contents = path.read_bytes()
        assert not any(each.encode() in contents for each in passwords), path
