"""Faults dealt to a study at work, and whether it ends as if nothing had been: `make chaos N=50
SEED=1`.
"""
