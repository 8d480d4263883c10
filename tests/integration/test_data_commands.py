"""`orch data inspect` and `orch data prepare`."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from support.request_desk import lay_desk

from orchestrator import cli


@pytest.fixture
def desk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working folder with good and bad data, good and bad specs, and no store."""
    return lay_desk(tmp_path / "desk", monkeypatch)


def test_a_folder_is_inspected(
    desk: Path, animal_folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Counts, formats, broken files and duplicates; duplicates in several classes are listed
    separately.
    """
    (animal_folder / "ape" / "broken.jpg").write_bytes(b"\xff\xd8\xff and nothing more")
    (animal_folder / "ape" / "twin.png").write_bytes(
        (animal_folder / "cat" / "000.png").read_bytes()
    )

    code = cli.run(["data", "inspect", str(animal_folder), "--json"])
    found = json.loads(capsys.readouterr().out)

    assert code == 1  # a file is broken
    assert found["classes"] == {"ape": 22, "bear": 20, "cat": 20}
    assert found["formats"] == {"PNG": 61}
    assert list(found["broken"]) == ["ape/broken.jpg"]
    assert found["contradictions"] == found["duplicates"] == [["ape/twin.png", "cat/000.png"]]


def test_a_data_set_is_prepared_once(
    desk: Path, animal_folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The second call finds it prepared, with the same facts."""
    pytest.importorskip("torch")
    arguments = ["data", "prepare", str(animal_folder), "--image-size", "16", "--json"]

    codes = [cli.run(arguments)]
    first = json.loads(capsys.readouterr().out)
    codes.append(cli.run(arguments))
    second = json.loads(capsys.readouterr().out)

    assert codes == [0, 0]
    assert first["images"] == 60
    assert first["already"] is False
    assert second == first | {"already": True}
