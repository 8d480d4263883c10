"""Registries that need no torch: backbones, corruptions, optimisers, schedules, built-in data."""
