"""Celery on Redis: queues that carry task ids and nothing more."""
