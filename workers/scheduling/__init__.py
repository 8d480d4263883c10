"""Which worker trains what: measured throughput, peers, and reassignment.

Two modules here, `handover` and `peers`, are steps 1 and 2 of the five that decide which task runs
next. "What runs next" in docs/architecture.md lists them in order.
"""
