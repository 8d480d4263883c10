"""`orch doctor`: what this machine has, what it lacks, and what is broken."""
