"""One thing that `orch doctor` has looked at."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Diagnosis:
    """`state` is ok, optional, missing or broken; `remedy` says what to do.

    What is optional or missing may not be needed; what is broken is in the way.
    """

    subject: str
    state: str
    found: str
    remedy: str = ""
