"""Folders without the weights that a run starts from: the line says which file to put where."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest
from support.refusals import Terminal, listing, refusal

from jobs import settings
from jobs.errors import MissingWeights
from models.networks.weights import find_weights, require_weights

pytest.importorskip("torch", reason="torch is not installed (extra 'worker')")

Make = Callable[[Path], object]

FOLDERS: dict[str, Make] = {
    "missing": lambda folder: None,
    "a file": lambda folder: folder.write_bytes(b"a file"),
    "empty": lambda folder: folder.mkdir(),
    "a folder": lambda folder: (folder / "alexnet.pth").mkdir(parents=True),
    "a dead link": lambda folder: [folder.mkdir(), (folder / "alexnet.pth").symlink_to("gone")],
    "a ring": lambda folder: [folder.mkdir(), (folder / "alexnet.pth").symlink_to("alexnet.pth")],
    "a pipe": lambda folder: [folder.mkdir(), os.mkfifo(folder / "alexnet.pth")],
    "other names": lambda folder: [
        folder.mkdir(),
        (folder / "AlexNet.pth").touch(),
        (folder / "alexnet-owt-7be5be79.pth").touch(),
    ],
    "itself": lambda folder: folder.symlink_to(folder.name),
    "a dead link for a folder": lambda folder: folder.symlink_to("gone/away"),
    "a pipe for a folder": lambda folder: os.mkfifo(folder),
}
PLACES = ["gone", "file/x", "/dev/null", "/proc", "x" * 300, "a\x1b[31mb"]
SUBMIT = ("submit", "--backbone", "resnet34", "--weights", "imagenet")


@pytest.fixture(autouse=True)
def no_download(terminal: Terminal) -> None:
    """An empty cache of torch's, and no way to download anything into it."""
    terminal.patch.setenv("TORCH_HOME", str(terminal.temporary / "torch"))
    terminal.patch.setenv("https_proxy", "http://127.0.0.1:1")


@pytest.mark.parametrize("make", FOLDERS.values(), ids=FOLDERS)
def test_a_weights_folder_without_the_file_is_named(make: Make, terminal: Terminal) -> None:
    """The line says which file to put where; nothing hangs, and nothing is written."""
    folder = terminal.folder / "weights"
    make(folder)
    before = listing(terminal.folder, terminal.temporary)

    line = refusal(MissingWeights, lambda: require_weights(["alexnet"], folder, downloads=None))

    assert "Put alexnet.pth " in line
    assert f"{folder} (ORCH_WEIGHTS_DIR)" in line
    assert listing(terminal.folder, terminal.temporary) == before


@pytest.mark.parametrize("place", PLACES, ids=lambda place: ascii(place)[:30])
def test_a_variable_that_leads_to_no_weights_is_named(place: str, terminal: Terminal) -> None:
    """A download that fails is tried first; nothing is left in the cache."""
    (terminal.folder / "file").touch()
    before = listing(terminal.folder, terminal.temporary)
    folder = settings.read({"ORCH_WEIGHTS_DIR": place}).weights_dir

    line = refusal(MissingWeights, require_weights, ["resnet34"], folder)

    assert "Put resnet34.pth" in line
    assert "(ORCH_WEIGHTS_DIR)" in line
    assert listing(terminal.folder, terminal.temporary) == before


@pytest.mark.parametrize(
    "downloads", ["http://127.0.0.1:1", "nonsense", "file:///dev", "ftp://127.0.0.1:1/x", ""]
)
def test_a_download_that_cannot_be_had_is_missing_weights(
    downloads: str, terminal: Terminal
) -> None:
    """Whatever keeps it from coming, the line says what to do; nothing is left in the cache."""
    line = refusal(
        MissingWeights,
        lambda: find_weights("alexnet", terminal.folder / "none", downloads=downloads),
    )

    assert "Put alexnet.pth" in line
    assert [path for path in terminal.temporary.rglob("*") if path.is_file()] == []
    assert os.listdir(terminal.folder) == []


def test_a_file_of_weights_with_rubbish_in_it_is_named(terminal: Terminal) -> None:
    """Training would refuse it hours later."""
    path = terminal.folder / "resnet34.pth"
    path.write_bytes(b"rubbish" * 1000)

    line = refusal(MissingWeights, require_weights, ["resnet34"], terminal.folder)

    assert f"{path} is not a file of ImageNet weights" in line
    assert "--weights none" in line


@pytest.mark.parametrize("contents", [None, b"rubbish" * 1000], ids=["missing", "rubbish"])
def test_submit_refuses_weights_that_are_not_there(
    contents: bytes | None, terminal: Terminal
) -> None:
    """Here, where this machine would do the work: exit code 2, one line, and nothing queued."""
    folder = terminal.folder / "weights"
    folder.mkdir()
    if contents is not None:
        (folder / "resnet34.pth").write_bytes(contents)
    words = "Put resnet34.pth" if contents is None else "is not a file of ImageNet weights"

    line = terminal.refuses(SUBMIT, words, ORCH_WEIGHTS_DIR=str(folder))

    assert "--weights none" in line
    assert str(folder) in line
