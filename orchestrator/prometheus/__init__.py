"""The state of a store as Prometheus metrics: read within a time limit, printed or served."""
