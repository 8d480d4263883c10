"""Data folders of every wrong kind: refused in one clear line, quickly, with nothing written."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from support.folders import TWO, Make, both, link, listen, put
from support.refusals import Terminal, listing, refusal

from jobs.data import image_folder
from jobs.errors import BadFolder
from jobs.settings import Settings
from jobs.spec import model
from orchestrator import preflight

FOLDERS: list[tuple[str, Make, str]] = [
    ("not a folder", lambda where: where.rmdir(), "does not exist"),
    ("a file", lambda where: [where.rmdir(), where.write_bytes(b"x")], "is not a folder"),
    ("a pipe", lambda where: [where.rmdir(), os.mkfifo(where)], "is not a folder"),
    (
        "a link to nothing",
        lambda where: [where.rmdir(), where.symlink_to("nowhere")],
        "does not exist",
    ),
    (
        "a link to itself",
        lambda where: [where.rmdir(), where.symlink_to("photos")],
        "symbolic links",
    ),
    (
        "a link to a file",
        lambda where: [where.rmdir(), where.symlink_to("/etc/hostname")],
        "is not a folder",
    ),
    (
        "a link to a device",
        lambda where: [where.rmdir(), where.symlink_to("/dev/zero")],
        "is not a folder",
    ),
    ("empty", lambda where: None, "has no class folders"),
    ("files only", put("1.png", "2.png"), "has no class folders"),
    ("hidden folders only", put(".a/1.png", ".b/1.png"), "has no class folders"),
    ("rubbish of other systems only", put("__MACOSX/1.png", "Thumbs.db"), "has no class folders"),
    ("one class", put("a/1.png"), "only one class ('a')"),
    ("one class and files", put("a/1.png", "2.png"), "only one class ('a')"),
    ("one class and a hidden one", put("a/1.png", ".b/1.png"), "only one class ('a')"),
    ("one class of an odd name", put("a\x1b[31m\n/1.png"), "only one class ('a\\x1b[31m"),
    (
        "an empty class",
        both(TWO, lambda where: (where / "c").mkdir()),
        "no file in class folder(s) c",
    ),
    (
        "empty classes",
        lambda where: [(where / name).mkdir() for name in "abc"],
        "no file in class folder(s) a, b, c",
    ),
    (
        "a class of empty folders",
        both(TWO, lambda where: (where / "c/d/e").mkdir(parents=True)),
        "no file in",
    ),
    ("a class of hidden files", both(TWO, put("c/.1.png")), "no file in class folder(s) c"),
    (
        "a class of rubbish",
        both(TWO, put("c/Thumbs.db", "c/desktop.ini")),
        "no file in class folder(s) c",
    ),
    ("a class that leads nowhere", both(TWO, link("c", "gone")), "c is a broken link"),
    ("a class that leads to itself", both(TWO, link("c", "c")), "c is a broken link"),
    ("a class that leads back", both(TWO, link("c", ".")), "c is a link to a folder that"),
    ("a class that leads above", both(TWO, link("c", "../..")), "c is a link to a folder that"),
    (
        "a class that leads to the root",
        both(TWO, link("c", "/")),
        "c is a link to a folder that contains it",
    ),
    ("a class that leads to another", both(TWO, link("c", "a")), "the classes a and c"),
    (
        "two links in a ring",
        both(TWO, link("c", "d"), link("d", "c")),
        "c is a broken link",
    ),
    (
        "a file that leads nowhere",
        both(TWO, link("a/2.png", "gone")),
        "2.png is a broken link",
    ),
    ("a file that leads to itself", both(TWO, link("a/2.png", "2.png")), "2.png"),
    (
        "a file that leads to a device",
        both(TWO, link("a/2.png", "/dev/zero")),
        "a pipe, socket or device",
    ),
    (
        "a file that never ends",
        both(TWO, link("a/2.png", "/dev/urandom")),
        "a pipe, socket or device",
    ),
    ("a terminal", both(TWO, link("a/2.png", "/dev/tty")), "a pipe, socket or device"),
    (
        "a pipe in a class",
        both(TWO, lambda where: os.mkfifo(where / "a/2.png")),
        "a pipe, socket or device",
    ),
    (
        "a pipe deep in a class",
        both(TWO, put("a/x/1.png"), lambda where: os.mkfifo(where / "a/x/p")),
        "a pipe, socket",
    ),
    (
        "a link to a pipe",
        both(TWO, lambda where: os.mkfifo(where / "p"), link("a/2", "../p")),
        "a pipe, socket",
    ),
    ("a socket in a class", both(TWO, listen), "a pipe, socket or device"),
    (
        "a link to a folder in a class",
        both(TWO, link("a/more", "../b")),
        "are not followed",
    ),
    ("a link upwards in a class", both(TWO, link("a/up", "..")), "are not followed"),
    ("a file that is not UTF-8", both(TWO, put(b"a/\xff.png")), "not valid UTF-8"),
    ("a class that is not UTF-8", both(TWO, put(b"\xff\xfe/1.png")), "not valid UTF-8"),
    ("a folder in a class that is not UTF-8", both(TWO, put(b"a/\xe4/1.png")), "not valid UTF-8"),
]


PLACES = [
    ("x" * 300, "File name too long"),
    ("/".join(["x" * 200] * 30), "File name too long"),
    ("photos/none", "not exist"),
    ("/proc/self/mem", "is not a folder"),
    ("/dev/null", "is not a folder"),
    ("/dev/null/x", "Not a directory"),
    ("digit", "does not exist"),
    ("~/nothing-of-that-name", "does not exist"),
    ("\udcff", "does not exist"),
    ("a\x1b]0;owned\x07", "does not exist"),
]


@pytest.fixture
def photos(terminal: Terminal) -> Path:
    """An empty folder in the working folder."""
    (terminal.folder / "photos").mkdir()
    return terminal.folder / "photos"


def check_request(photos: str, store: Path) -> None:
    """What `orch submit` checks, with a broker that answers and weights that are there."""
    preflight.check_request(
        model.build({"backbones": "scratch", "data": photos, "weights": "none"}),
        Settings(store, "redis://x", None),
        lambda broker_url: None,
        lambda names, weights_dir: None,
    )


@pytest.mark.timeout(30)
@pytest.mark.parametrize(
    ("make", "words"), [row[1:] for row in FOLDERS], ids=[row[0] for row in FOLDERS]
)
def test_a_folder_that_cannot_be_compared_on_is_refused(
    make: Make, words: str, photos: Path, terminal: Terminal
) -> None:
    """Nothing hangs, and nothing is written."""
    make(photos)
    before = listing(terminal.folder, terminal.temporary)

    line = refusal(BadFolder, image_folder.read_folder, Path("photos"))
    submitted = refusal(BadFolder, check_request, "photos", terminal.folder / "store")

    assert words in line
    assert words in submitted
    assert listing(terminal.folder, terminal.temporary) == before


@pytest.mark.parametrize(("place", "words"), PLACES, ids=[ascii(row[0])[:30] for row in PLACES])
def test_a_place_that_is_no_folder_is_refused(place: str, words: str, photos: Path) -> None:
    """The line names the place and what is wrong with it."""
    line = refusal(BadFolder, image_folder.read_folder, Path(place))

    assert words in line


@pytest.mark.parametrize(
    "command",
    [
        ("data", "inspect", "photos"),
        ("data", "inspect", "photos", "--json"),
        ("data", "prepare", "photos"),
        ("submit", "--backbone", "scratch", "--data", "photos", "--no-workers"),
    ],
    ids=" ".join,
)
@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda where: where.rmdir(), "does not exist"),
        (put("a\x1b[31m\n/1.png"), "only one class ('a\\x1b[31m"),
        (both(TWO, lambda where: os.mkfifo(where / "a/2.png")), "a pipe, socket or device"),
    ],
    ids=["not a folder", "one class of an odd name", "a pipe in a class"],
)
def test_a_command_refuses_a_bad_folder(
    make: Make, words: str, command: tuple[str, ...], photos: Path, terminal: Terminal
) -> None:
    """Exit code 2, one line, and nothing written."""
    make(photos)

    terminal.refuses(command, words)


@pytest.mark.skipif(os.getuid() == 0, reason="the superuser may read everything")
@pytest.mark.parametrize("place", [".", "a", "a/1.png", "a/deep"])
def test_what_may_not_be_read_is_named(place: str, photos: Path) -> None:
    """Nothing is passed over in silence for want of rights."""
    both(TWO, put("a/deep/1.png"))(photos)
    (photos / place).chmod(0)

    line = refusal(BadFolder, image_folder.read_folder, photos)
    (photos / place).chmod(0o700)

    assert "Permission denied" in line


def test_odd_names_that_are_text_are_taken_as_they_are(photos: Path, terminal: Terminal) -> None:
    """Newlines, dollars, markup, other scripts and long names are names; a terminal sees them
    escaped.
    """
    odd = [
        *("a\nb", "$(id)", "<b onload=x>", "長い名前", "x" * 200),
        *("\x1b[31mred", "a b", "-rf", "{{7*7}}"),
    ]
    put(*(f"{name}/1 {name[:50]}.png" for name in odd))(photos)

    code, stdout, _ = terminal.run("data", "inspect", "photos")

    assert code == 1  # the files are text
    assert "\x1b" not in stdout
    assert set(image_folder.list_folder(photos).classes) == set(odd)


def test_a_class_that_is_a_link_to_a_folder_elsewhere_is_read(photos: Path) -> None:
    """Classes gathered by links are common and lead to no harm."""
    put("c/1.png")(photos.parent / "elsewhere")
    both(TWO, link("c", "../elsewhere/c"))(photos)

    source = image_folder.read_folder(photos)

    assert source.classes == ("a", "b", "c")


def test_a_store_inside_the_data_is_refused(photos: Path, terminal: Terminal) -> None:
    """Also where links hide that it lies there."""
    TWO(photos)
    (terminal.folder / "alias").symlink_to("photos")
    before = listing(terminal.folder)

    line = refusal(BadFolder, check_request, "alias", photos / "store")

    assert "inside the data folder" in line
    assert listing(terminal.folder) == before
