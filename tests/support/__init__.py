"""What several tests share: stand-ins, a laboratory of real processes, inputs."""
