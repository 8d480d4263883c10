"""Checks for invalid input: one clear line, the right exit code, and nothing left behind."""

from __future__ import annotations

import hashlib
import os
import stat
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from orchestrator import cli

SECRET = "geheim"
UNREACHABLE = f"redis://user:{SECRET}@127.0.0.1:1/0"
VARIABLES = ("ORCH_STORE", "ORCH_BROKER_URL", "ORCH_WEIGHTS_DIR")


@dataclass(frozen=True)
class Bad:
    """A row of a table of invalid inputs: the command, the expected error and the exit code."""

    arguments: tuple[str, ...]
    fragment: str
    code: int = 2
    environment: Mapping[str, str] = field(default_factory=dict)


def listing(*folders: Path) -> dict[str, str]:
    """Every path below some folders with its kind, and for files the checksum of their bytes; opens
    nothing else. A folder that torch creates among temporary files when first imported does not
    count.
    """
    found = {}
    for folder in folders:
        for where, inner, names in os.walk(folder):
            inner[:] = [name for name in inner if not name.startswith("torchinductor_")]
            for name in [*inner, *names]:
                path = Path(where, name)
                mode = path.lstat().st_mode
                plain = stat.S_ISREG(mode)
                contents = (
                    hashlib.sha256(path.read_bytes()).hexdigest()
                    if plain
                    else str(stat.S_IFMT(mode))
                )
                found[os.fsdecode(path)] = contents
    return found


@dataclass
class Desk:
    """A working folder and a temporary folder, both watched; no store, no variable set."""

    folder: Path
    temporary: Path
    patch: pytest.MonkeyPatch
    capsys: pytest.CaptureFixture[str]

    def refuses(self, row: Bad) -> str:
        """Run the row's words; returns the one line that orch printed. Fails if orch wrote or
        printed anything else.
        """
        for key, value in row.environment.items():
            self.patch.setenv(key, value)
        before = listing(self.folder, self.temporary)
        code = cli.run(list(row.arguments))
        said = self.capsys.readouterr()
        lines = said.err.splitlines()
        assert code == row.code, said.err
        assert len(lines) == 1, said.err
        assert lines[0].startswith("error: ")
        assert row.fragment in lines[0]
        assert lines[0].isprintable()
        assert len(lines[0]) < 4200
        assert "Traceback" not in said.err
        assert SECRET not in said.err + said.out
        assert said.out == ""
        after = listing(self.folder, self.temporary)
        assert after == before, {path for path, _ in after.items() ^ before.items()}
        return lines[0]


def make_desk(
    tmp_path: Path, patch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Desk:
    """An empty desk as the working folder; temporary files go to a folder beside it."""
    desk = Desk(tmp_path / "desk", tmp_path / "t", patch, capsys)
    for folder in (desk.folder, desk.temporary):
        folder.mkdir()
    for variable in VARIABLES:
        patch.delenv(variable, raising=False)
    patch.setattr(tempfile, "tempdir", str(desk.temporary))
    patch.chdir(desk.folder)
    return desk
