"""Deciding and telling: the command line, submission, status, comparison, reports."""
