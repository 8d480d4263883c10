"""What runs on this machine: embedded Redis and local workers."""
