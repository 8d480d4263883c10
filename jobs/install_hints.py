"""Commands that install optional dependencies of orch."""

from __future__ import annotations

import shlex
from pathlib import Path

HOME = Path(__file__).resolve().parents[1]
NOT_IN_ALL = ("tensorboard", "mlflow", "onnx", "bench")
"""Extras that `all` leaves out: large packages that few users need."""


def install_command(extra: str, home: Path = HOME) -> str:
    """The command that installs an extra in the tested versions.

    It names the source folder `home` if orch runs from one.
    """
    if all((home / name).is_file() for name in ("pyproject.toml", "constraints.txt")):
        command = shlex.join(
            ["pip", "install", "-c", str(home / "constraints.txt"), "-e", f"{home}[{extra}]"]
        )
    else:
        command = (
            f"pip install -c constraints.txt '.[{extra}]' (in the folder of orch's pyproject.toml)"
        )
    return command + (" (not included in the extra 'all')" if extra in NOT_IN_ALL else "")
