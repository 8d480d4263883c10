"""What to type for a part of orch that is not installed."""

from __future__ import annotations

import shlex
from pathlib import Path

HOME = Path(__file__).resolve().parents[1]
NOT_IN_ALL = ("tensorboard", "mlflow")
"""Extras that `all` leaves out: whole applications, which few need."""


def install_command(extra: str, home: Path = HOME) -> str:
    """The command that installs an extra in the tested versions, from the folder that orch runs from if it is one."""
    if all((home / name).is_file() for name in ("pyproject.toml", "constraints.txt")):
        command = shlex.join(
            ["pip", "install", "-c", str(home / "constraints.txt"), "-e", f"{home}[{extra}]"]
        )
    else:
        command = f"pip install -c constraints.txt '.[{extra}]' (in the folder that holds orch's pyproject.toml)"
    return command + (" (the extra 'all' does not bring it)" if extra in NOT_IN_ALL else "")
