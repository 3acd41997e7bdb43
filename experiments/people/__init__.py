"""People: translations of a run's policies rated blind, and what their ratings say."""
