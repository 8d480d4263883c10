"""Learning: data, networks, the training loop, checkpoints; no celery, no redis, no click."""
