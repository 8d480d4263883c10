"""What commands share: options, live display, progress bars, error lines."""
