"""Inject faults into a running study and check its results: `make chaos N=50 SEED=1`."""
