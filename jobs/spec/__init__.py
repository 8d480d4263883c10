"""The specification of a comparison, its YAML file, and its error messages."""
