"""Training: the state of a trial, the loop over its steps, its numerics."""
