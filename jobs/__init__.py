"""What is asked, and what came back: plain data, no torch, no celery, no click."""
