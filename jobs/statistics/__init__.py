"""Tests of differences between networks, which reports and decisions share."""
