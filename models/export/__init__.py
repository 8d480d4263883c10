"""A trained network as files that need no orch."""
