"""Export a run's numbers with the writers of other programs."""
