"""Imported by the fork server and nothing else: ties it to the worker, so that its children die with the worker too.

Children hold the pipe by which a fork server knows that it is needed; one that hangs would keep it alive.
"""

from __future__ import annotations

from workers.process import parent_death

parent_death.die_with_parent()
