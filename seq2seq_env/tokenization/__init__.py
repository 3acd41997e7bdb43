"""Tokenizers: of a task's own, of pretrained models, and training one."""
