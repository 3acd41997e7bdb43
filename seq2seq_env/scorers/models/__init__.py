"""Scorers that are one network or one program."""
