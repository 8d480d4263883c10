"""Benchmarks of trained networks: latency, memory, size, and whether the answers stay the same."""
