"""One file for each command of `orch`: what it takes, what it prints. Heavy imports happen inside
the bodies.
"""
