"""The file that holds the broker's password, and nothing else."""

from __future__ import annotations

from pathlib import Path

from jobs.errors import BadBrokerAddress

MAX_BYTES = 4096
VARIABLE = "ORCH_BROKER_PASSWORD_FILE"


def read(path: Path) -> str:
    """The password: the file's only line. Raises `BadBrokerAddress`, which never shows it."""
    try:
        with path.open("rb") as file:
            contents = file.read(MAX_BYTES + 1)
        lines = contents.decode().splitlines()
    except OSError as error:
        raise _refused(
            path, f"cannot be read: {error.strerror}. Check the path and who may read it"
        ) from None
    except UnicodeDecodeError:
        raise _refused(path, "is not text") from None
    if len(contents) > MAX_BYTES or len(lines) > 1:
        raise _refused(path, "holds more than one line. Write the password alone into it")
    if not lines or not lines[0].strip():
        raise _refused(path, "is empty. Write the password into it")
    return lines[0]


def read_or_empty(path: Path | None) -> str:
    """The password, or nothing where there is none to be read."""
    try:
        return "" if path is None else read(path)
    except BadBrokerAddress:
        return ""


def is_open_to_all(path: Path) -> bool:
    """Whether every user of this machine may read it."""
    return bool(path.stat().st_mode & 0o004)


def _refused(path: Path, problem: str) -> BadBrokerAddress:
    shown = "".join(each if each.isprintable() else "?" for each in str(path))[:200]
    return BadBrokerAddress(f"{VARIABLE}: {shown} {problem.rstrip('.')}.")
