"""The policy: its network, log-probabilities, generation, checkpoints and adapters."""
