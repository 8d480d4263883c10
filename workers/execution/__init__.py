"""Execution of one task, from the message to its published result."""
