"""The Celery application of a store, for Celery's own programs: `celery -A orchestrator`.

`celery -A orchestrator inspect ping` asks every worker of the store in `ORCH_STORE`. Nothing is
started: the broker must run. The application is configured in `workers/messaging/broker.py`.
"""

from __future__ import annotations

import sys
from typing import Any

from jobs.errors import OrchError


def _application() -> Any:
    from jobs import settings
    from jobs.store.store import Store
    from orchestrator.local import stack
    from workers.messaging import broker

    known = settings.read()
    store = Store(known.store).open()
    return broker.app(stack.look(known).broker_url(known), store.id)


try:
    app = _application()
except OrchError as error:  # Celery would print a traceback of four of its modules
    print(f"error: {error}", file=sys.stderr)
    raise SystemExit(error.exit_code) from None
