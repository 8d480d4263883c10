"""Checkpoints: their format, and writing them beside the training."""
