"""What bad input must meet: one clear line, the right exit code, and nothing left behind."""

from __future__ import annotations

import contextlib
import hashlib
import io
import multiprocessing.util
import os
import stat
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest

from jobs.errors import OrchError
from orchestrator import cli

SECRET = "geheim"
UNREACHABLE = f"redis://user:{SECRET}@127.0.0.1:1/0"
VARIABLES = ("ORCH_STORE", "ORCH_BROKER_URL", "ORCH_WEIGHTS_DIR")


def refusal(kind: type[OrchError], call: Callable[..., object], *arguments: object) -> str:
    """The line that a command shows for the error that a call raises.

    Fails unless the error is of this kind, and the line is a clear one (see `clear_line`).
    """
    with pytest.raises(kind) as caught:
        call(*arguments)
    stderr = io.StringIO()
    with contextlib.redirect_stderr(stderr):
        code = cli._complain(str(caught.value), caught.value.exit_code)
    assert code == kind.exit_code
    return clear_line(stderr.getvalue())


def clear_line(stderr: str) -> str:
    """The one line on stderr; fails when it is not one, not short, or shows a password."""
    lines = stderr.splitlines()
    assert len(lines) == 1, stderr
    assert lines[0].startswith("error: ")
    assert lines[0].isprintable()
    assert len(lines[0]) < 4200
    assert "Traceback" not in stderr
    assert SECRET not in stderr
    return lines[0]


def listing(*folders: Path) -> dict[str, str]:
    """Every path below some folders with its kind, and for files the digest of their bytes; opens
    nothing else.

    A folder that torch makes among temporary files when it is first imported does not count.
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
class Terminal:
    """Where commands are typed: an empty working folder and a folder for temporary files.

    Both are watched. There is no store, and no variable of orch is set.
    """

    folder: Path
    temporary: Path
    patch: pytest.MonkeyPatch
    capsys: pytest.CaptureFixture[str]

    def run(self, *words: str) -> tuple[int, str, str]:
        """Run a command; its exit code, stdout and stderr."""
        code = cli.run(list(words))
        said = self.capsys.readouterr()
        return code, said.out, said.err

    def refuses(
        self, words: Sequence[str], expected: str, code: int = 2, **environment: str
    ) -> str:
        """Run a command that must fail; its one line.

        Fails unless the line holds the expected words, the exit code is right, and nothing was
        written or said besides.
        """
        for variable, value in environment.items():
            self.patch.setenv(variable, value)
        before = listing(self.folder, self.temporary)
        ended, stdout, stderr = self.run(*words)
        line = clear_line(stderr)
        assert ended == code, line
        assert expected in line
        assert stdout == ""
        after = listing(self.folder, self.temporary)
        assert after == before, {path for path, _ in after.items() ^ before.items()}
        return line


def make_terminal(
    tmp_path: Path, patch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Terminal:
    """An empty terminal; its folders become the working folder and the one for temporary files."""
    made = Terminal(tmp_path / "here", tmp_path / "t", patch, capsys)
    for folder in (made.folder, made.temporary):
        folder.mkdir()
    for variable in VARIABLES:
        patch.delenv(variable, raising=False)
    multiprocessing.util.get_temp_dir()  # one a process; inside the test's folder it would be lost
    patch.setattr(tempfile, "tempdir", str(made.temporary))
    patch.chdir(made.folder)
    return made
