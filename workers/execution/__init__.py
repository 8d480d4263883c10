"""One task from the message to its published result."""
