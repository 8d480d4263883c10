"""Commands that install a missing part of orch."""

from __future__ import annotations

import shlex
from pathlib import Path

HOME = Path(__file__).resolve().parents[1]
NOT_IN_ALL = ("tensorboard", "mlflow")
"""Extras that `all` leaves out: whole applications, which few need."""


def install_command(extra: str, home: Path = HOME) -> str:
    """The command that installs an extra in the tested versions.

    It is run in the source folder of orch, if orch runs from one.
    """
    if all((home / name).is_file() for name in ("pyproject.toml", "constraints.txt")):
        command = shlex.join(
            ["pip", "install", "-c", str(home / "constraints.txt"), "-e", f"{home}[{extra}]"]
        )
    else:
        command = (
            f"pip install -c constraints.txt '.[{extra}]' (in the folder that holds orch's "
            f"pyproject.toml)"
        )
    return command + (" (the extra 'all' does not bring it)" if extra in NOT_IN_ALL else "")
