"""What runs on this machine: embedded Redis, local workers, diagnosis."""
