"""A real Flower on a free port, and its pages in a browser.

`python -m support.flower_page FILE.png` (with tests/ on PYTHONPATH) trains two small networks on
digits, with a failure and a killed attempt among them, and saves what Flower shows of it.
"""

from __future__ import annotations

import base64
import contextlib
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from jobs.store.runs import Run
from support.harness import ORCH, Lab, redis_binary, working_child

LOGIN = ("anna", "secret")
SMALL = ("--data", "digits", "--image-size", "32", "--weights", "none", "--batch-size", "64")


def free_port() -> int:
    """A port that nobody listens on now."""
    with socket.socket() as line:
        line.bind(("127.0.0.1", 0))
        return int(line.getsockname()[1])


def status(url: str, login: tuple[str, str] | None = None) -> int:
    """The HTTP status of a page; 0 if nobody listens."""
    request = urllib.request.Request(url)
    if login:
        word = base64.b64encode(":".join(login).encode()).decode()
        request.add_header("Authorization", f"Basic {word}")
    try:
        with urllib.request.urlopen(request, timeout=10) as answer:
            return int(answer.status)
    except urllib.error.HTTPError as error:
        return error.code
    except OSError:
        return 0


@contextlib.contextmanager
def flower(lab: Lab) -> Iterator[str]:
    """`orch flower` with a login until the block ends; its address."""
    port = free_port()
    with (lab.folder / "flower.log").open("wb") as log:
        process = subprocess.Popen(
            [*ORCH, "flower", "--port", str(port)],
            env=lab.environment | {"FLOWER_BASIC_AUTH": ":".join(LOGIN)},
            stdout=log,
            stderr=log,
        )
    try:
        lab.until(lambda: status(f"http://127.0.0.1:{port}/healthcheck") == 200, 60, "Flower")
        yield f"http://127.0.0.1:{port}"
    finally:
        process.terminate()
        process.wait(20)


@contextlib.contextmanager
def broker(folder: Path) -> Iterator[str]:
    """A Redis of its own; its address."""
    binary = redis_binary()
    assert binary is not None
    place = folder / "r.sock"
    words = [str(binary), "--port", "0", "--unixsocket", str(place), "--save", ""]
    server = subprocess.Popen(words, stdout=subprocess.DEVNULL)
    try:
        while not place.exists():
            time.sleep(0.05)
        yield f"redis+socket://{place}"
    finally:
        server.send_signal(signal.SIGKILL)
        server.wait(10)


def run_with_faults(lab: Lab, *backbones: str, periods: int = 1) -> tuple[Run, Run]:
    """A run whose first training is killed once, and one whose loss is not finite, to their end."""
    chosen = [word for name in backbones for word in ("--backbone", name)]
    plan = ("--periods", str(periods), "--epochs-per-period", "1")
    good = lab.submit(*chosen, *plan, *SMALL)
    _kill_child(lab, lab.until(lambda: _training(lab, good), 120, "a training"))
    bad = lab.submit(*chosen[:2], *plan, *SMALL, "--learning-rate", "1e30")
    lab.finished(good)
    lab.finished(bad)
    return good, bad


def tasks_table(page: Any, address: str) -> list[dict[str, str]]:
    """The rows of the tasks page as shown, each by the names of Flower's columns."""
    page.goto(f"{address}/tasks")
    page.wait_for_selector("#tasks-table tbody tr td a")
    heads = [
        head.get_attribute("data-column") for head in page.locator("#tasks-table thead th").all()
    ]
    rows = page.locator("#tasks-table tbody tr").all()
    return [
        dict(
            zip(heads, (cell.strip() for cell in row.locator("td").all_inner_texts()), strict=True)
        )
        for row in rows
    ]


def _training(lab: Lab, run: Run) -> str:
    """The id of a training that is at work now."""
    trainings = [task for task in run.tasks if task.startswith("train.")]
    return next((task for task in trainings if lab.progress(task).get("done")), "")


def _kill_child(lab: Lab, task: str) -> None:
    """Kill the process that works on a task."""
    lab.until(lambda: working_child(lab.workers[0].pid), 10, f"a process for {task}").kill()


def main(picture: Path) -> None:
    """Save a picture of the tasks page of a small run."""
    from PIL import Image
    from playwright.sync_api import sync_playwright

    folder = Path(tempfile.mkdtemp())
    try:
        with broker(folder) as url, contextlib.closing(Lab(folder / "lab", url)) as lab:
            lab.worker("--name", "lab-1")
            with flower(lab) as address, sync_playwright() as playwright:
                run_with_faults(lab, "scratch", "squeezenet", periods=2)
                browser = playwright.chromium.launch(
                    executable_path=shutil.which("chromium"), args=["--no-sandbox"]
                )
                credentials = {"username": LOGIN[0], "password": LOGIN[1]}
                page = browser.new_context(
                    viewport={"width": 1860, "height": 880}, http_credentials=credentials
                ).new_page()
                tasks_table(page, address)
                page.screenshot(path=picture)
                browser.close()
                with Image.open(picture) as taken:  # fewer colours: half the size
                    few = taken.convert("RGB").quantize(256, Image.Quantize.FASTOCTREE)
                few.save(picture, optimize=True)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
