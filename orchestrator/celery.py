"""The Celery application of a store, for Celery's own programs: `celery -A orchestrator`.

`celery -A orchestrator inspect ping` asks every worker of the store in `ORCH_STORE`. Nothing is
started: the broker must run.
"""

from __future__ import annotations

from typing import Any


def _application() -> Any:
    from jobs import settings
    from jobs.store.store import Store
    from orchestrator.local import stack
    from workers.messaging import broker

    known = settings.read()
    store = Store(known.store).open()
    return broker.app(stack.look(known).broker_url(known), store.id)


app = _application()
