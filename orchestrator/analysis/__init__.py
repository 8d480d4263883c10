"""Analysis of a run: plain numbers, no rendering."""
