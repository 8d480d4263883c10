"""Commands that install optional dependencies of orch."""

from __future__ import annotations

import shlex
from pathlib import Path

HOME = Path(__file__).resolve().parents[1]
DISTRIBUTION = "orch"
NOT_IN_ALL = ("tensorboard", "mlflow", "onnx", "bench")
"""Extras that `all` leaves out: large packages that few users need."""


def install_command(extra: str, home: Path = HOME) -> str:
    """The command that installs an extra.

    If orch runs from its source folder `home`, it names that, and the tested versions. Otherwise
    orch is installed, from a wheel: pip then takes the installed one, and adds what it lacks.
    """
    if all((home / name).is_file() for name in ("pyproject.toml", "constraints.txt")):
        command = shlex.join(
            ["pip", "install", "-c", str(home / "constraints.txt"), "-e", f"{home}[{extra}]"]
        )
    else:
        command = shlex.join(["pip", "install", f"{DISTRIBUTION}[{extra}]"])
    return command + (" (not included in the extra 'all')" if extra in NOT_IN_ALL else "")
