"""Carrying: the queue, leases, devices and child processes; no torch."""
