"""Where images come from, listed and fingerprinted before any image is decoded."""
