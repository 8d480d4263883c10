"""Which worker trains what: measured throughput, peers, and reassignment (`workers.next_task`)."""
