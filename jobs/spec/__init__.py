"""What a user asks to compare: the specification, its YAML file, and its error messages."""
