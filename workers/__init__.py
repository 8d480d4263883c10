"""Task execution: queues, leases, devices and child processes; no torch."""
