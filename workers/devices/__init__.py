"""Devices of this machine: discovery, memory, and admission of tasks."""
