"""Check a specification, and record it as a run."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from jobs.settings import Settings

if TYPE_CHECKING:
    from jobs.spec.model import Spec
    from jobs.store.runs import Run
    from jobs.store.store import Store
    from orchestrator.preflight import CheckNetworks, Request


class Recorded(NamedTuple):
    """A recorded run that has not been enqueued yet; `request.known` is its earlier record."""

    store: Store
    run: Run
    request: Request


def record(
    spec: Spec,
    settings: Settings,
    workers: int | None = None,
    device: str | None = None,
    tell: Callable[[int, int], None] = lambda done, total: None,
    on_checked: Callable[[Request], Sequence[str]] = lambda request: (),
    check_networks: CheckNetworks | None = None,
) -> Recorded:
    """Check everything, then record the run; raises a `RequestError` before anything is written.

    `tell(done, total)` counts the files read; `on_checked` gets the request before it is recorded,
    and returns notes on its data.
    `check_networks` asks torch about networks and weights, which takes seconds.
    """
    from jobs.store.store import Store
    from orchestrator import preflight
    from orchestrator.submission import provenance
    from orchestrator.submission.run_creation import create_run

    request = check(spec, settings, workers, device, tell, check_networks)
    notes = on_checked(request)
    store = Store(settings.store).open(create=True)
    threads = preflight.threads_of_a_lone_trial(settings, workers, device)
    made = provenance.gather()
    run = create_run(store, request.spec, request.source, made, threads, notes)
    return Recorded(store, run, request)


def check(
    spec: Spec,
    settings: Settings,
    workers: int | None,
    device: str | None,
    tell: Callable[[int, int], None],
    check_networks: CheckNetworks | None = None,
    writes: bool = True,
) -> Request:
    """Check everything; writes nothing. Raises a `RequestError`.

    Without `writes`, the store need not be writable, nor the machine able to do the work.
    """
    from orchestrator import network_check, preflight
    from orchestrator.submission import rank

    require = preflight.require_machine if writes else preflight.require_workers
    require(settings, workers, device)
    with rank.no_random_weights() if spec.rank else contextlib.nullcontext():
        return preflight.check_request(
            spec,
            settings,
            preflight.require_broker,
            _require_weights,
            tell,
            check_networks or network_check.resolve,
            writes,
        )


def _require_weights(names: Any, weights_dir: Path | None) -> None:
    from models.networks import weights

    weights.require_weights(names, weights_dir)
