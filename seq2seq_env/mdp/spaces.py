"""Action spaces: one token, or one for each of many episodes."""

from __future__ import annotations

from copy import deepcopy
from typing import Any

import numpy as np
from gymnasium import spaces
from gymnasium.spaces.space import MaskNDArray
from gymnasium.vector.utils import batch_space
from numpy.typing import NDArray


class TokenSpace(spaces.Discrete[np.int64]):
    """All tokens of the vocabulary; sampling without a mask draws an allowed one, so that it is always a legal action.

    Args:
        allowed: ``[V]`` bool.
        seed: Of the space's own random generator.
    """

    def __init__(self, allowed: NDArray[np.bool_], seed: int | None = None) -> None:
        super().__init__(len(allowed), seed=seed)
        self.allowed: NDArray[np.int64] = np.flatnonzero(allowed)

    def sample(self, mask: MaskNDArray | None = None, probability: MaskNDArray | None = None) -> np.int64:
        """A random token: an allowed one, or as ``mask`` or ``probability`` say (see ``Discrete.sample``)."""
        if mask is None and probability is None:
            return np.int64(self.allowed[self.np_random.integers(len(self.allowed))])
        return super().sample(mask, probability)


class TokensSpace(spaces.MultiDiscrete):
    """A token for each of N episodes; sampling without a mask draws allowed ones.

    Args:
        single: The space of one token.
        n: Number of episodes.
        seed: Of the space's own random generator.
    """

    def __init__(self, single: TokenSpace, n: int, seed: int | np.random.Generator | None = None) -> None:
        super().__init__(np.full(n, single.n), seed=seed)
        self.allowed = single.allowed

    def sample(self, mask: Any = None, probability: Any = None) -> NDArray[np.int64]:
        """Random tokens int64 [N]: allowed ones, or as ``mask`` says.

        Args:
            mask: [N,V], 1 where a token is allowed, such as ``infos["action_mask"]``; or a tuple of N rows.
            probability: As ``MultiDiscrete.sample`` takes it.
        """
        if isinstance(mask, np.ndarray):
            mask = tuple(mask.astype(np.int8, copy=False))
        if mask is None and probability is None:
            return self.allowed[self.np_random.integers(len(self.allowed), size=len(self.nvec))]
        return np.asarray(super().sample(mask, probability), dtype=np.int64)


@batch_space.register(TokenSpace)
def _batched(space: TokenSpace, n: int = 1) -> TokensSpace:
    return TokensSpace(space, n, seed=deepcopy(space.np_random))
