"""A run's numbers for other programs, written by those programs' own writers."""
