"""Read-only views of a store: status, progress, heartbeats, attempts."""
