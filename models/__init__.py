"""Data, networks, training, checkpoints and evaluation; no celery, redis or click."""
