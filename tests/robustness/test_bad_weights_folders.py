"""Folders without the weights that a run starts from: the line says which file to put where."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest
from support.refusals import Terminal, listing, refusal

from jobs import settings
from jobs.errors import BadWeights, MissingWeights
from models.networks.check import NetworkRequest, check
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


def test_a_file_of_weights_with_rubbish_in_it_is_named_by_the_first_task(
    terminal: Terminal,
) -> None:
    """Before anything is trained; submitting names of the catalog loads no torch."""
    path = terminal.folder / "resnet34.pth"
    path.write_bytes(b"rubbish" * 1000)
    asked = NetworkRequest("resnet34", {}, pretrained=True)

    line = refusal(BadWeights, check, asked, 3, terminal.folder)

    assert f"{path} is not a weights file that torch can read" in line


def test_submit_refuses_weights_that_are_not_there(terminal: Terminal) -> None:
    """Here, where this machine would do the work: exit code 2, one line, and nothing queued."""
    folder = terminal.folder / "weights"
    folder.mkdir()

    line = terminal.refuses(SUBMIT, "Put resnet34.pth", ORCH_WEIGHTS_DIR=str(folder))

    assert "--weights none" in line
    assert str(folder) in line
