"""Device, memory, random numbers and progress of a task."""
