"""Flower in a real browser: names, states, failures and workers of a real run."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from support.flower_page import LOGIN, broker, flower, run_with_faults, status, tasks_table
from support.harness import Lab, redis_binary

pytestmark = [
    pytest.mark.whole,
    pytest.mark.browser,
    pytest.mark.skipif(redis_binary() is None, reason="no redis-server here"),
]

NO_ATTEMPT = {"PENDING", "IGNORED"}
"""States of messages that began nothing: a loaded machine may send one twice."""


def under_way(rows: list[dict[str, str]]) -> list[dict[str, str]]:
    """The rows of what has not ended yet."""
    return [row for row in rows if row["state"] in ("RECEIVED", "STARTED")]


@pytest.fixture
def lab(tmp_path: Path) -> Iterator[Lab]:
    """A broker and one worker."""
    with broker(tmp_path) as url, contextlib.closing(Lab(tmp_path / "lab", url)) as made:
        made.worker("--name", "w1")
        yield made


def test_flower_shows_names_states_and_failures_behind_its_login(lab: Lab, chromium: Any) -> None:
    """What failed, was killed, or succeeded says so, on the tasks page and the workers page."""
    pytest.importorskip("flower", reason="Flower is not installed (extra 'flower')")
    with flower(lab) as address:
        run_with_faults(lab, "scratch")
        places = [f"{address}{path}" for path in ("/", "/tasks", "/metrics", "/api/tasks")]
        stranger = [status(place) for place in places]
        known = [status(place, LOGIN) for place in places]
        page = chromium.new_context(
            http_credentials={"username": LOGIN[0], "password": LOGIN[1]}
        ).new_page()
        lab.until(lambda: not under_way(tasks_table(page, address)), 60, "the last events")
        rows = [row for row in tasks_table(page, address) if row["state"] not in NO_ATTEMPT]
        page.goto(f"{address}/workers")
        page.wait_for_function("document.querySelector('#workers-failed').textContent == '1'")
        workers = page.locator("#workers-table tbody tr").all_inner_texts()

    assert stranger == [401, 401, 401, 401]
    assert known == [200, 200, 200, 200]
    trained = [row for row in rows if row["name"] == "train scratch period 1"]
    assert sorted(row["state"] for row in trained) == ["FAILURE", "RETRY", "SUCCESS"]
    told = {row["state"]: row for row in trained}
    assert "loss not finite" in told["FAILURE"]["result"]
    assert "killed by SIGKILL" in told["RETRY"]["result"]
    assert told["SUCCESS"]["result"].startswith("epoch 1 reached, loss ")
    assert all(row["uuid"].startswith("train.scratch-s0-") for row in trained)
    assert {row["worker"].partition("@")[0] for row in trained} == {"w1"}
    assert [row["state"] for row in rows if row["name"].startswith("evaluate")] == ["SUCCESS"]
    assert len(workers) == 1
    assert "w1@" in workers[0]
