"""A store on a network disk whose server is gone for a while: nothing hangs, nothing is lost."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import pytest
from support import preloaded
from support.harness import ORCH, Lab
from support.network_disks import Disk, Fuse, Kind, Nfs, NotHere

from jobs.store import stall_watch
from workers.lease_expiry import TTL_S

pytestmark = [pytest.mark.whole, pytest.mark.long]

SILENT_S = stall_watch.LIMIT_S + 2 * stall_watch.EVERY_S - 4
"""Longer than a lease lasts, and until the worker has noticed."""
STUDY = (
    *("--backbone", "squeezenet", "--periods", "2", "--epochs-per-period", "2"),
    *("--image-size", "32", "--weights", "none", "--batch-size", "16", "--precision", "fp32"),
    "--no-workers",
)


@pytest.fixture(params=[Nfs(), Fuse()], ids=lambda kind: str(kind.name))
def disk(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Disk]:
    """A mounted disk; skips by name where it cannot be mounted."""
    kind: Kind = request.param
    try:
        made = Disk(kind, tmp_path / "disk")
    except NotHere as reason:
        pytest.skip(str(reason))
    yield made
    made.close()


def test_a_server_that_is_gone_for_a_while_is_told_and_costs_an_attempt(
    disk: Disk, new_lab: Callable[..., Lab]
) -> None:
    """The worker stops its child, which may have lost its lease; then it trains to the end."""
    lab = new_lab()
    (lab.folder / "store").symlink_to(disk.root)
    gate = lab.folder / "gate"
    gate.write_text("1")
    run = lab.submit(*STUDY)
    lab.worker(kind=preloaded.Kind(gate=str(gate)))
    training = f"train.{run.trials[0]}.0002"
    lab.until(lambda: lab.progress(training), 60, "the training")

    disk.stop_answering()
    began = time.monotonic()
    asked = {word: ask(lab, word) for word in ("status", "workers")}
    said = {word: each.communicate(timeout=60)[1] for word, each in asked.items()}
    told_s = time.monotonic() - began
    lab.until(partial(heard, lab, "has not answered"), SILENT_S + 20, "the worker's word")
    time.sleep(max(0.0, TTL_S + 2 - (time.monotonic() - began)))
    disk.answer()
    gate.write_text("99")
    states = lab.finished(run, 90)

    assert {word: each.returncode for word, each in asked.items()} == {"status": 1, "workers": 1}
    assert all("does not answer (NFS server down?)" in text for text in said.values())
    assert told_s < stall_watch.LIMIT_S + 10
    assert heard(lab, "the store answers again")
    assert set(states.values()) == {"done"}
    assert "all checksums match" in lab.orch("verify", run.name)


def ask(lab: Lab, word: str) -> subprocess.Popen[str]:
    """A command that looks at the store."""
    pipe = subprocess.PIPE
    return subprocess.Popen([*ORCH, word], env=lab.environment, stdout=pipe, stderr=pipe, text=True)


def heard(lab: Lab, words: str) -> bool:
    """Whether the worker has said this."""
    return words in lab.log(0)
