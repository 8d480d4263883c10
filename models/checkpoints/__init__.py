"""Checkpoints: their files, and copies of the training state to write."""
