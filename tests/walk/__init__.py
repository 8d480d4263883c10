"""deploy/README.md, followed to the letter on three hosts in network namespaces (see `walk`)."""
