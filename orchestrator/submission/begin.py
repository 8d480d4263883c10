"""Record and start a run, printing nothing."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from jobs.settings import Settings
from jobs.spec import model
from jobs.spec.model import Spec
from jobs.store.runs import Run
from jobs.store.store import Store
from orchestrator.monitoring.status import RunStatus
from orchestrator.submission import launch, record


def values_of(file: str | Path | None, keys: Mapping[str, Any]) -> dict[str, Any]:
    """The values of a specification file, and over them these keys; raises `BadSpec`."""
    values = {} if file is None else model.read_file(Path(file))
    return values | {key: str(v) if isinstance(v, Path) else v for key, v in keys.items()}


def spec_of(file: str | Path | None, keys: Mapping[str, Any]) -> Spec:
    """The specification of these values; raises `BadSpec`."""
    return model.build(values_of(file, keys))


def begin(
    spec: Spec, settings: Settings, workers: int | None, device: str | None
) -> tuple[Store, Run, Callable[[], RunStatus]]:
    """Record and enqueue the run; the last value reads its status while local workers start.

    Raises a `RequestError` before anything is written.
    """
    from orchestrator.datasets import at_submit

    store, run, _ = record.record(spec, settings, workers, device, on_checked=at_submit.of_request)
    here, _, _ = launch.begin(settings, store, run, workers, device)
    return store, run, launch.watching(settings, store, run, here)
