"""Offline RL for sequence generation: policies, and the algorithms that improve them from stored trajectories.

A package of seq2seq-env.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
