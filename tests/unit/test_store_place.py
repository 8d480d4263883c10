"""Where a store cannot be: refused by name before anything is written."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest

from jobs import settings
from jobs.errors import BadEnvironment, StoreUnusable
from jobs.settings import Settings
from jobs.store import hard_links
from orchestrator import preflight
from orchestrator.doctor import checks


@pytest.mark.parametrize(
    "address", ["s3://bucket/store", "gs://b/x", "hdfs://host:1/x", "file:///srv/x", "S3://b"]
)
@pytest.mark.parametrize("name", ["ORCH_STORE", "ORCH_WEIGHTS_DIR"])
def test_an_address_is_no_folder(name: str, address: str) -> None:
    """It would become a folder `s3:` in the current one."""
    with pytest.raises(BadEnvironment, match=rf"^{name} is an address") as caught:
        settings.read({name: address})

    assert caught.value.exit_code == 2


@pytest.mark.parametrize("value", ["a:b", "s3:/x", "/srv/a://b", "C:\\store"])
def test_a_colon_alone_makes_no_address(value: str) -> None:
    """Such a folder can exist."""
    assert settings.read({"ORCH_STORE": value}).store.is_absolute()


def test_a_path_that_is_not_utf8_is_one_line() -> None:
    """Parquet's libraries would end in a traceback."""
    with pytest.raises(BadEnvironment, match=r"ORCH_STORE: /srv/\\udcff is not UTF-8, so"):
        settings.read({"ORCH_STORE": os.fsdecode(b"/srv/\xff")})


def test_a_file_system_without_hard_links_is_refused_by_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Every task would be done again for ever, as no result can be published; nothing is left."""

    def refuse(*_: object) -> None:
        raise OSError(errno.EPERM, "Operation not permitted")

    monkeypatch.setattr(os, "link", refuse)
    named = hard_links.file_system(tmp_path)
    with pytest.raises(StoreUnusable, match=f"without hard links \\({named}: ") as caught:
        preflight.require_writable(tmp_path / "store")
    found = checks._store(Settings(tmp_path / "store", None, None))

    assert caught.value.exit_code == 2
    assert (found.state, "without hard links" in found.found) == ("broken", True)
    assert list(tmp_path.iterdir()) == []


def test_a_link_that_nfs_repeats_is_a_hard_link(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where the first answer is lost, the request is sent again, and the answer is "exists"."""
    link = os.link

    def repeat(source: Path, target: Path) -> None:
        link(source, target)
        link(source, target)

    monkeypatch.setattr(os, "link", repeat)
    preflight.require_writable(tmp_path / "store")
