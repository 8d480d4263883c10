"""Images: decoded once into one array, split, and read back in a resumable order."""
