"""Requests of `orch data` that cannot be carried out: one clear line, and nothing published."""

from __future__ import annotations

from pathlib import Path

import pytest
from support.refusals import Terminal

pytest.importorskip("torch", reason="torch is not installed (extra 'worker')")

REQUESTS: list[tuple[tuple[str, ...], str]] = [
    (("prepare", "photos", "--image-size", "7"), "image_size: a whole number from 8 to 2,048"),
    (("prepare", "photos", "--image-size", "4096"), "image_size: a whole number from 8 to 2,048"),
    (("prepare", "photos", "--image-size", "big"), "image_size: a whole number from 8"),
    (("prepare", "photos", "--image-size", ""), "image_size: a whole number from 8"),
    (("prepare", ""), "not a folder name"),
    (("prepare",), "Missing argument"),
    (("prepare", "photos", "photos"), "unexpected extra argument"),
    (("prepare", "photos", "--skip-brokn"), "--skip-broken"),
    (("inspect",), "Missing argument"),
    ((), "a command is missing"),
]


@pytest.mark.parametrize(("words", "expected"), REQUESTS, ids=[" ".join(r[0]) for r in REQUESTS])
def test_a_wrong_request_for_data_is_refused(
    words: tuple[str, ...], expected: str, two_classes: Path, terminal: Terminal
) -> None:
    """Exit code 2, one line, and nothing written."""
    terminal.refuses(("data", *words), expected)


@pytest.mark.parametrize(
    ("store", "expected"),
    [("photos/store", "inside the data folder"), ("photos/a/1.png", "is not a folder")],
)
def test_a_data_set_is_not_prepared_into_its_own_folder(
    store: str, expected: str, two_classes: Path, terminal: Terminal
) -> None:
    """It would be read as a class."""
    terminal.refuses(("data", "prepare", "photos"), expected, ORCH_STORE=store)


def test_a_broken_image_fails_the_preparation_and_publishes_nothing(
    two_classes: Path, terminal: Terminal
) -> None:
    """The command ends with 1, for the request was right and the work failed; no result is in the
    ledger.
    """
    (two_classes / "a" / "broken \x1b[31m.jpg").write_bytes(b"text")

    code, _, stderr = terminal.run("data", "prepare", "photos", "--image-size", "16")
    store = terminal.folder / "orch-store"

    assert code == 1
    assert stderr.splitlines()[-1].startswith("error: 1 file(s) in ")
    assert "a/broken \\x1b[31m.jpg (not an image)" in stderr.splitlines()[-1]
    assert "Traceback" not in stderr
    assert not (store / "ledger").exists()
    assert not list(store.rglob("*.npy"))


def test_too_few_images_to_split_are_refused(two_classes: Path, terminal: Terminal) -> None:
    """Two classes of one image leave nothing to test on."""
    for label in "ab":
        for number in (1, 2):
            (two_classes / label / f"{number}.png").unlink()

    code, _, stderr = terminal.run("data", "prepare", "photos")

    assert code == 1
    assert "too few images to split" in stderr
