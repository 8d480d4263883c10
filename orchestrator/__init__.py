"""The controller: command line, submission, status, analysis, reports.

`submit`, `rank` and `open_store` are what a Python program uses (docs/api.md). They are imported
when they are first used, so that the command line starts at once.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from orchestrator.api import StoreHandle, open_store, rank, submit
    from orchestrator.exported import Exported
    from orchestrator.run_handle import RunHandle

__all__ = ["Exported", "RunHandle", "StoreHandle", "open_store", "rank", "submit"]


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module 'orchestrator' has no attribute {name!r}")
    from orchestrator import own_packages

    with own_packages.explaining():
        from orchestrator import api, exported, run_handle

    modules = {"Exported": exported, "RunHandle": run_handle}
    return getattr(modules.get(name, api), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
