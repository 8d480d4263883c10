"""The shared folder: its paths, its records, its tables, and how files are published."""
