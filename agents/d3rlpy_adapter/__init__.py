"""d3rlpy's discrete algorithms as agents."""
