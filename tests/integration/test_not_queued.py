"""A broker that answers and takes no messages: no run is left behind, or it says so."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from support import json_page
from support.harness import redis_binary
from support.quick_scene import Scene

from jobs.errors import BrokerUnreachable
from orchestrator import cli
from orchestrator.doctor import checks
from workers.messaging import broker, messages

pytestmark = pytest.mark.skipif(redis_binary() is None, reason="no redis-server here")
SMALL = ("--backbone", "scratch", "--periods", "1", "--weights", "none", "--data", "digits")


@pytest.fixture
def scene(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Scene]:
    """A Redis of its own, which the commands use."""
    made = Scene(tmp_path)
    monkeypatch.setenv("ORCH_BROKER_URL", made.url)
    monkeypatch.setenv("ORCH_STORE", str(made.store.root))
    monkeypatch.setattr(checks, "_loading", list)  # takes seconds, and is tested elsewhere
    yield made
    made.close()


def orch(capsys: pytest.CaptureFixture[str], *words: str) -> tuple[int, str]:
    """Type a command; its exit code and all it printed."""
    code = cli.run(list(words))
    said = capsys.readouterr()
    return code, said.out + said.err


def refuse(scene: Scene, how: str) -> None:
    """Let Redis answer and refuse to be written to."""
    if how == "full":
        scene.client.config_set("maxmemory", "1")
    elif how == "replica":
        scene.client.execute_command("REPLICAOF 127.0.0.1 1")
    else:
        scene.client.execute_command("ACL SETUSER default -lpush")


@pytest.mark.parametrize(
    ("how", "words"),
    [
        ("full", "used memory > 'maxmemory'"),
        ("replica", "read only replica"),
        ("acl", "no permissions to run the 'lpush' command"),
    ],
)
def test_a_submission_that_cannot_be_queued_leaves_no_run_behind(
    how: str, words: str, scene: Scene, capsys: pytest.CaptureFixture[str]
) -> None:
    """Redis answers a ping all the same; its own words are shown, by the doctor too."""
    refuse(scene, how)
    code, said = orch(capsys, "submit", *SMALL)
    sick, diagnosis = orch(capsys, "doctor", "--json")
    findings = {each["subject"]: each for each in json.loads(diagnosis)["findings"]}

    json_page.assert_documented("orch doctor", json.loads(diagnosis))
    assert (code, sick) == (2, 1)
    assert words in said
    assert not (scene.store.root / "runs").exists()
    assert findings["broker"]["state"] == "broken"
    assert words in findings["broker"]["found"]


def test_a_run_that_was_recorded_and_not_queued_is_told_with_exit_code_1(
    scene: Scene, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Between the check and the message the broker may fail; the run can be resumed."""

    def fail(*_: object, **__: object) -> int:
        raise BrokerUnreachable("the broker answers: MISCONF Errors writing to the AOF file.")

    monkeypatch.setattr(messages, "enqueue", fail)
    code, said = orch(capsys, "submit", *SMALL)
    monkeypatch.undo()
    monkeypatch.setenv("ORCH_BROKER_URL", scene.url)
    (run,) = scene.store.run_names()
    resumed, _ = orch(capsys, "--store", str(scene.store.root), "resume", run)
    waiting = broker.queue_length(scene.url, store=scene.store.id)

    assert code == 1
    assert f"run {run} is recorded, not queued" in said
    assert "MISCONF" in said
    assert f"resume {run}" in said
    assert (resumed, waiting) == (0, 1)


def test_the_doctor_writes_to_the_broker_and_leaves_nothing_there(
    scene: Scene, capsys: pytest.CaptureFixture[str]
) -> None:
    """It says how many messages wait, and which other stores use the broker."""
    orch(capsys, "submit", *SMALL)
    before = set(scene.client.keys("*"))
    _, other = orch(capsys, "--store", str(scene.folder / "elsewhere"), "doctor", "--json")
    _, ours = orch(capsys, "doctor", "--json")
    found = [
        each["found"]
        for said in (other, ours)
        for each in json.loads(said)["findings"]
        if each["subject"] == "broker"
    ]

    assert set(scene.client.keys("*")) == before
    assert str(scene.store.root) in found[0]
    assert "1 message(s) wait" in found[1]
    assert "other store" not in found[1]
