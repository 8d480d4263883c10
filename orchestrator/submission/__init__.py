"""From a checked specification to a recorded and launched run."""
