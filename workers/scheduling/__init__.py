"""Which worker trains what: measured throughput, peers, and reassignment.

This is two of the five places that decide which task runs next. "What runs next" in
docs/architecture.md lists them in order.
"""
