"""What samplers of a policy by another engine share: its tokens, its log-probabilities, and that it stays as it is."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from agents.policy.seq2seq_policy import Seq2SeqPolicy


class EngineSampler:
    """A policy as it was when the sampler was made.

    Args:
        policy: What to sample.
    """

    def __init__(self, policy: Seq2SeqPolicy) -> None:
        self.policy, self.fingerprint = policy, policy.fingerprint

    def encode(self, sources: Sequence[str]) -> list[list[int]]:
        """The policy's own; see :meth:`Seq2SeqPolicy.encode`."""
        return self.policy.encode(sources)

    def log_probs(
        self, sources: Sequence[Sequence[int]], targets: Sequence[Sequence[int]], temperature: float = 1.0
    ) -> list[NDArray[np.float32]]:
        """The policy's own; see :meth:`Seq2SeqPolicy.log_probs`.

        Raises:
            RuntimeError: If the policy has been trained since the sampler was made.
        """
        self.check_unchanged()
        return self.policy.log_probs(sources, targets, temperature)

    def check_unchanged(self) -> None:
        """Refuse a policy that is another one by now.

        Raises:
            RuntimeError: If it has been trained since the sampler was made.
        """
        if self.policy.fingerprint != self.fingerprint:
            raise RuntimeError("the policy has been trained since this sampler was made; make a new one of it")
