"""Data folders of every wrong kind: refused in one clear line, quickly, with nothing written."""

from __future__ import annotations

import os
import socket
from collections.abc import Callable
from pathlib import Path

import pytest
from support.attacks import Bad, Desk, listing, make_desk

from jobs.data import image_folder
from jobs.errors import BadFolder, BadSpec
from jobs.settings import Settings
from jobs.spec import model
from orchestrator import cli
from orchestrator.submission import submit

Make = Callable[[Path], object]


def put(*places: str | bytes) -> Make:
    """A maker of small files below the folder, each holding its own name."""

    def make(where: Path) -> None:
        for place in places:
            path = Path(os.fsdecode(os.path.join(os.fsencode(where), os.fsencode(place))))
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(os.fsencode(place))

    return make


def both(*makers: Make) -> Make:
    """One maker after another."""
    return lambda where: [make(where) for make in makers]


def link(place: str, to: str) -> Make:
    """A maker of a symbolic link."""

    def make(where: Path) -> None:
        (where / place).parent.mkdir(parents=True, exist_ok=True)
        (where / place).symlink_to(to)

    return make


def listen(where: Path) -> None:
    """A socket inside a class."""
    here = Path.cwd()
    os.chdir(where / "a")
    socket.socket(socket.AF_UNIX).bind("s.png")
    os.chdir(here)


TWO = put("a/1.png", "b/1.png")

FOLDERS: list[tuple[str, Make, str]] = [
    ("no folder", lambda where: where.rmdir(), "does not exist"),
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
    ("empty", lambda where: None, "empty of class folders"),
    ("files only", put("1.png", "2.png"), "empty of class folders"),
    ("hidden folders only", put(".a/1.png", ".b/1.png"), "empty of class folders"),
    ("rubbish of other systems only", put("__MACOSX/1.png", "Thumbs.db"), "empty of class folders"),
    ("one class", put("a/1.png"), "one class only ('a')"),
    ("one class and files", put("a/1.png", "2.png"), "one class only ('a')"),
    ("one class and a hidden one", put("a/1.png", ".b/1.png"), "one class only ('a')"),
    ("one class of an odd name", put("a\x1b[31m\n/1.png"), "one class only ('a\\x1b[31m"),
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
    ("a class that leads nowhere", both(TWO, link("c", "gone")), "c is a link that leads nowhere"),
    ("a class that leads to itself", both(TWO, link("c", "c")), "c is a link that leads nowhere"),
    ("a class that leads back", both(TWO, link("c", ".")), "c is a link back"),
    ("a class that leads above", both(TWO, link("c", "../..")), "c is a link back"),
    ("a class that leads to the root", both(TWO, link("c", "/")), "c is a link back"),
    ("a class that leads to another", both(TWO, link("c", "a")), "the classes a and c"),
    (
        "two links in a ring",
        both(TWO, link("c", "d"), link("d", "c")),
        "c is a link that leads nowhere",
    ),
    (
        "a file that leads nowhere",
        both(TWO, link("a/2.png", "gone")),
        "2.png is a link that leads nowhere",
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
        "not followed within a class",
    ),
    ("a link upwards in a class", both(TWO, link("a/up", "..")), "not followed within a class"),
    ("a file that is not UTF-8", both(TWO, put(b"a/\xff.png")), "not valid UTF-8"),
    ("a class that is not UTF-8", both(TWO, put(b"\xff\xfe/1.png")), "not valid UTF-8"),
    ("a folder in a class that is not UTF-8", both(TWO, put(b"a/\xe4/1.png")), "not valid UTF-8"),
]


@pytest.fixture
def desk(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Desk:
    """A desk with an empty folder `photos`."""
    made = make_desk(tmp_path, monkeypatch, capsys)
    (made.folder / "photos").mkdir()
    return made


def nothing(*_: object) -> None:
    """A broker that answers, and weights that are there."""


@pytest.mark.timeout(30)
@pytest.mark.parametrize(
    ("make", "fragment"), [row[1:] for row in FOLDERS], ids=[row[0] for row in FOLDERS]
)
def test_a_folder_that_cannot_be_compared_on_is_refused(
    make: Make, fragment: str, desk: Desk
) -> None:
    """Looking at it, preparing it and submitting it are refused alike, and nothing hangs."""
    make(desk.folder / "photos")

    desk.refuses(Bad(("data", "inspect", "photos"), fragment))
    desk.refuses(Bad(("data", "prepare", "photos"), fragment))
    desk.refuses(Bad(("data", "inspect", "photos", "--json"), fragment))
    asked = model.build({"backbones": "scratch", "data": "photos", "weights": "none"})
    with pytest.raises(BadFolder, match=r"\S"):
        submit.check_request(
            asked, Settings(desk.folder / "store", "redis://x", None), nothing, nothing
        )
    assert not (desk.folder / "store").exists()


@pytest.mark.parametrize(
    ("place", "fragment"),
    [
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
    ],
)
def test_a_place_that_is_no_folder_is_refused(place: str, fragment: str, desk: Desk) -> None:
    """The line names the place and what is wrong with it."""
    desk.refuses(Bad(("data", "inspect", place), fragment))


@pytest.mark.parametrize(
    "place", ["", "a\0b", "a\nb", " ", "\ud800", "~nobody-of-that-name/x"], ids=ascii
)
def test_a_name_that_no_folder_can_have_is_refused_before_it_is_looked_for(place: str) -> None:
    """An empty variable in a script must not mean the working folder."""
    with pytest.raises(BadSpec, match=r"^data: "):
        model.build({"backbones": "scratch", "data": place})


@pytest.mark.skipif(os.getuid() == 0, reason="the superuser may read everything")
@pytest.mark.parametrize("place", [".", "a", "a/1.png", "a/deep"])
def test_what_may_not_be_read_is_named(place: str, desk: Desk) -> None:
    """Nothing is passed over in silence for want of rights."""
    both(TWO, put("a/deep/1.png"))(desk.folder / "photos")
    (desk.folder / "photos" / place).chmod(0)

    with pytest.raises(BadFolder, match="Permission denied"):
        image_folder.read_folder(desk.folder / "photos")
    (desk.folder / "photos" / place).chmod(0o700)


def test_odd_names_that_are_text_are_taken_as_they_are(desk: Desk) -> None:
    """Newlines, dollars, markup, other scripts and long names are names; a terminal sees them
    escaped.
    """
    odd = [
        "a\nb",
        "$(id)",
        "<b onload=x>",
        "長い名前",
        "x" * 200,
        "\x1b[31mred",
        "a b",
        "-rf",
        "{{7*7}}",
    ]
    put(*(f"{name}/1 {name[:50]}.png" for name in odd))(desk.folder / "photos")

    code = cli.run(["data", "inspect", "photos"])
    said = desk.capsys.readouterr()

    assert code == 1  # the files are text
    assert "\x1b" not in said.out
    assert set(image_folder.list_folder(desk.folder / "photos").classes) == set(odd)


def test_a_class_that_is_a_link_to_a_folder_elsewhere_is_read(desk: Desk) -> None:
    """Classes gathered by links are common and lead to no harm."""
    both(
        TWO, lambda where: put("c/1.png")(where.parent / "elsewhere"), link("c", "../elsewhere/c")
    )(desk.folder / "photos")

    source = image_folder.read_folder(desk.folder / "photos")

    assert source.classes == ("a", "b", "c")


def test_a_store_inside_the_data_is_refused(desk: Desk) -> None:
    """Also where links hide that it lies there."""
    TWO(desk.folder / "photos")
    (desk.folder / "alias").symlink_to("photos")
    before = listing(desk.folder)
    asked = model.build({"backbones": "scratch", "data": "alias", "weights": "none"})

    with pytest.raises(BadFolder, match="lies inside the data folder"):
        submit.check_request(
            asked, Settings(desk.folder / "photos" / "store", "redis://x", None), nothing, nothing
        )

    assert listing(desk.folder) == before
