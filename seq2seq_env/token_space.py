"""The actions of writing: which tokens there are, and which of them can be right."""

from __future__ import annotations

import numpy as np
from gymnasium import spaces
from gymnasium.spaces.space import MaskNDArray
from numpy.typing import NDArray

from seq2seq_env.tasks.tokenizer import Tokenizer


def allowed_tokens(tokenizer: Tokenizer) -> NDArray[np.bool_]:
    """``[V]`` bool, false where a token can never be right: padding and the start of the decoder.

    The unknown token is allowed, because a reference with an unknown character holds it and must be replayable.
    """
    allowed = np.ones(tokenizer.vocab_size, dtype=np.bool_)
    allowed[[tokenizer.pad_id, tokenizer.start_id]] = False
    return allowed


class TokenSpace(spaces.Discrete[np.int64]):
    """All tokens of the vocabulary; sampling without a mask draws an allowed one, so that it is always a legal action.

    Args:
        allowed: ``[V]`` bool.
        seed: Of the space's own random generator.
    """

    def __init__(self, allowed: NDArray[np.bool_], seed: int | None = None) -> None:
        super().__init__(len(allowed), seed=seed)
        self._allowed = np.flatnonzero(allowed)

    def sample(self, mask: MaskNDArray | None = None, probability: MaskNDArray | None = None) -> np.int64:
        """A random token: an allowed one, or as ``mask`` or ``probability`` say (see ``Discrete.sample``)."""
        if mask is None and probability is None:
            return np.int64(self._allowed[self.np_random.integers(len(self._allowed))])
        return super().sample(mask, probability)
