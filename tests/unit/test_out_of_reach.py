"""Images that a worker cannot see are no change of the data: who must do what is said."""

from __future__ import annotations

import socket
from pathlib import Path

import pytest
from support.users import COLLEAGUE, as_user, open_folder, require_root

from jobs.errors import DataOutOfReach
from models.data.out_of_reach import require_within_reach
from workers.execution import attempts
from workers.process import child

FILES = ("bear/0.jpg", "wolf/1.jpg")


@pytest.mark.parametrize("mounted", [False, True])
def test_a_folder_that_is_not_on_this_machine_is_named_with_the_machine(
    tmp_path: Path, mounted: bool
) -> None:
    """Also where only the empty mount point is there."""
    photos = tmp_path / "photos"
    if mounted:
        photos.mkdir()
    words = "holds none of its 2 images" if mounted else "does not exist"
    with pytest.raises(DataOutOfReach, match=f"{photos} {words} on {socket.gethostname()}"):
        require_within_reach(photos, FILES, len(FILES))


def test_a_file_that_was_removed_is_left_to_be_told_as_a_change(tmp_path: Path) -> None:
    """The others are there, so the machine sees the folder."""
    (tmp_path / "wolf").mkdir()
    (tmp_path / "wolf" / "1.jpg").touch()

    require_within_reach(tmp_path, FILES[:1], len(FILES))


@pytest.mark.parametrize(
    ("closed", "command"),
    [("my home", "chmod a+x '{home}'"), ("my home/photos/wolf/1.jpg", "chmod -R a+rX '{photos}'")],
)
def test_what_the_user_of_the_worker_may_not_read_is_told_with_the_command(
    closed: str, command: str
) -> None:
    """A home is opened for passing through only; the images for reading."""
    require_root()
    with open_folder() as folder:
        home, photos = folder / "my home", folder / "my home" / "photos"
        for name in FILES:
            (photos / name).parent.mkdir(parents=True)
            (photos / name).touch()
        (folder / closed).chmod(0o600)

        def provoke() -> str:
            try:
                require_within_reach(photos, FILES, len(FILES))
            except DataOutOfReach as error:
                return str(error)
            return "nothing was raised"

        said = as_user(COLLEAGUE, provoke)

    assert f"run as user {COLLEAGUE}, who may not read {folder / closed} (of root" in said
    assert f"Type: {command.format(home=home, photos=photos)}, or" in said


def test_another_worker_may_try_and_five_failures_are_enough() -> None:
    """A machine without the folder must not fail the run of a fleet that has it."""
    assert DataOutOfReach.retry
    assert DataOutOfReach.failure not in attempts.NOT_COUNTED
    assert child.FAILURES["DataOutOfReach"] is DataOutOfReach
