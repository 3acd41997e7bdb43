"""Trajectories on disk: shards, their format and their provenance."""
