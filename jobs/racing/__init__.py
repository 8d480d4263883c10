"""Decisions between the periods of a run, from published validation answers alone."""
