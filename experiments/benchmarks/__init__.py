"""Measurements of speed, each a script of its own."""
