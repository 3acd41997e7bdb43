"""The one training loop, its configuration, and what it chooses for a machine."""
