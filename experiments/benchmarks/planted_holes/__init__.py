"""Benchmark of reward hacking: policies trained against scorers with a hole, and who sees it."""
