"""Data sets without a run: inspect a folder, prepare it."""
