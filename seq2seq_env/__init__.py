"""The Markov decision process of translation: what is translated, and what a translation is worth.

A package of seq2seq-env. Importing it registers ``Seq2SeqTranslate-v0`` and ``Seq2SeqTranslateFlat-v0`` with Gymnasium.
The names below are imported at first use, so that neither the import nor ``gymnasium.make`` waits for a deep-learning
library.
"""

import lazy_loader
from gymnasium.envs.registration import register

from seq2seq_env.installation import warn_of_overwritten_packages, warn_of_untested_versions

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)

warn_of_overwritten_packages()
warn_of_untested_versions()

register(
    id="Seq2SeqTranslate-v0",
    entry_point="seq2seq_env.env:Seq2SeqTranslateEnv",
    vector_entry_point="seq2seq_env.vector_env:Seq2SeqTranslateVectorEnv",
)
register(id="Seq2SeqTranslateFlat-v0", entry_point="seq2seq_env.wrappers:flat_translate_env")
