"""Verify the checksums of a store and remove what is no longer needed."""
