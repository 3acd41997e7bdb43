"""Translation at the level of messages, for trainers of chat models: a prompt, a whole translation, a reward.

:mod:`seq2seq_env.adapters.verifiers` and :mod:`seq2seq_env.adapters.openenv` import the library that they are for; the
names below need none.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
