"""Registries that need no torch: backbones and corruptions."""
