"""Measurements of speed, and of what is seen of reward hacking, each a script of its own."""
