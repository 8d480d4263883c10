"""Verify the checksums of a store, and remove files that are no longer needed."""
