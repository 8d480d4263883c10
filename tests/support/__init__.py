"""Shared by several tests: stand-ins, a laboratory of real processes, inputs."""
