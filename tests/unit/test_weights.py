"""Where weights files are looked for, and the message when they are missing."""

from __future__ import annotations

import hashlib
import subprocess
import sys
import threading
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from support.state_files import put_weights

from jobs.errors import MissingWeights
from models.networks.weights import fetch, find_weights, require_weights, torch_cache


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty cache of torch's in place of the user's."""
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "torch"))
    return torch_cache()


class Quiet(SimpleHTTPRequestHandler):
    """Serves a folder without logging."""

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing."""


@pytest.fixture
def downloads(tmp_path: Path) -> Iterator[tuple[str, Path]]:
    """A web server and the folder it serves."""
    folder = tmp_path / "served"
    folder.mkdir()
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=str(folder)))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}", folder
    server.shutdown()
    server.server_close()


def test_the_weights_folder_comes_first_then_torchs_cache(tmp_path: Path, cache: Path) -> None:
    """The same backbone, with its file in one place, then in both."""
    cache.mkdir(parents=True)
    (cache / "resnet34-b627a593.pth").write_bytes(b"cached")
    only_cached = find_weights("resnet34", tmp_path, downloads=None)
    (tmp_path / "resnet34.pth").write_bytes(b"given")

    assert only_cached == cache / "resnet34-b627a593.pth"
    assert find_weights("resnet34", tmp_path, downloads=None) == tmp_path / "resnet34.pth"


def test_all_missing_files_are_named_at_once(tmp_path: Path) -> None:
    """One message lists every missing file once, and the folder."""
    put_weights(tmp_path / "alexnet.pth")
    names = ["scratch", "alexnet", "squeezenet", "squeezenet-finetuned", "vgg16"]
    with pytest.raises(MissingWeights) as refusal:
        require_weights(names, tmp_path, downloads=None)

    assert "Put squeezenet1_0.pth, vgg16.pth (" in str(refusal.value)
    assert f"the folder {tmp_path} (ORCH_WEIGHTS_DIR)" in str(refusal.value)
    assert "alexnet" not in str(refusal.value)


def test_backbones_without_pretrained_weights_need_none() -> None:
    """Scratch needs no file."""
    assert require_weights(["scratch"], None, downloads=None) is None  # type: ignore[func-returns-value]


def test_a_download_whose_digest_is_in_its_name_is_kept(
    downloads: tuple[str, Path], tmp_path: Path
) -> None:
    """It is written completely under its name."""
    address, folder = downloads
    name = f"tiny-{hashlib.sha256(b'weights').hexdigest()[:8]}.pth"
    (folder / name).write_bytes(b"weights")
    fetch(f"{address}/{name}", tmp_path / "new" / name)

    assert (tmp_path / "new" / name).read_bytes() == b"weights"


def test_a_download_without_the_digest_its_name_promises_is_thrown_away(
    downloads: tuple[str, Path], cache: Path
) -> None:
    """A file that does not match its name counts as missing, and nothing of it is kept."""
    address, folder = downloads
    (folder / "vgg16-397923af.pth").write_bytes(b"something else")
    with pytest.raises(MissingWeights, match=r"vgg16\.pth"):
        find_weights("vgg16", None, downloads=address)

    assert list(cache.iterdir()) == []


def test_an_address_that_does_not_answer_says_what_to_put_where(cache: Path) -> None:
    """No traceback, no long wait: the file's name and the variable."""
    with pytest.raises(
        MissingWeights, match=r"Put squeezenet1_0\.pth .* into a folder and set ORCH_WEIGHTS_DIR"
    ):
        find_weights("squeezenet", None, downloads="http://127.0.0.1:9")


def test_asking_for_weights_does_not_import_torch() -> None:
    """`orch submit` can check the files without importing torch."""
    probe = "import sys, models.networks.weights; sys.exit('torch' in sys.modules)"

    assert subprocess.run([sys.executable, "-c", probe], timeout=60).returncode == 0
