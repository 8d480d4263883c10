"""Child processes: started from a fork server, watched, and ended with their parent."""
