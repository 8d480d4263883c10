"""Images: decoded once into one array, split for good, and read back in an order that can be resumed."""
