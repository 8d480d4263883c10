"""Specifications, tasks, the store and its tables: plain data; no torch, celery or click."""
