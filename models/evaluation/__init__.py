"""Evaluation on test images, and predictions for new ones."""
