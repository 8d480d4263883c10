"""The environment variables that orch reads, from its own code."""

from __future__ import annotations

import re

from jobs import settings
from support.command_lines import ROOT


def known_variables() -> set[str]:
    """The environment variables that orch reads."""
    names = set(re.findall(r'"(ORCH_[A-Z_]+)"', (ROOT / "jobs" / "settings.py").read_text()))
    assert set(settings.BROKER_FILES) < names
    return names
