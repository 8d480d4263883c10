"""Sources of images, listed and fingerprinted before any image is decoded."""
