"""Mixture of behaviour policies: a sampler whose candidates are the policies' in turn."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from itertools import chain

import numpy as np
from numpy.typing import NDArray

from buffers import Sampler, Samples


class Mixture:
    """Several policies as one behaviour: every source gets as many candidates of each.

    The first candidates of a source are the first policy's, and so on. A sample's log-probabilities are those of the
    policy that drew it. Of a given target nobody knows which policy would have: its log-probabilities are the
    mixture's, with each prefix weighing the policies by what they would have given it.

    Args:
        policies: At least one.
    """

    def __init__(self, policies: Sequence[Sampler]) -> None:
        self.policies = list(policies)

    @property
    def fingerprint(self) -> str:
        """Of all policies, in order."""
        return hashlib.sha256(" ".join(policy.fingerprint for policy in self.policies).encode()).hexdigest()

    @property
    def engine(self) -> str:
        """The policies' engines."""
        return " + ".join(policy.engine for policy in self.policies)

    def sample(self, sources: Sequence[Sequence[int]], num_candidates: int, temperature: float, seed: int) -> Samples:
        """``num_candidates`` samples of every source, an equal share of each policy's.

        Raises:
            ValueError: If the policies cannot have equal shares.
        """
        share, left = divmod(num_candidates, len(self.policies))
        if left or not share:
            raise ValueError(
                f"num_candidates is {num_candidates}; give a multiple of the {len(self.policies)} policies"
            )
        # With one seed, all policies would draw by the same random numbers.
        states = np.random.SeedSequence(seed).generate_state(len(self.policies), np.uint64) >> np.uint64(1)
        parts = [
            policy.sample(sources, share, temperature, int(state))
            for policy, state in zip(self.policies, states, strict=True)
        ]
        lengths = np.concatenate([np.diff(part.offsets) for part in parts])
        return Samples(
            source_index=np.concatenate([part.source_index for part in parts]),
            offsets=np.concatenate([np.zeros(1, dtype=np.int64), lengths.cumsum()]),
            tokens=np.concatenate([part.tokens for part in parts]),
            log_prob=np.concatenate([part.log_prob for part in parts]),
            terminated=np.concatenate([part.terminated for part in parts]),
            texts=list(chain.from_iterable(part.texts for part in parts)),
        )

    def log_probs(
        self, sources: Sequence[Sequence[int]], targets: Sequence[Sequence[int]], temperature: float = 1.0
    ) -> list[NDArray[np.float32]]:
        """Log-probability of every target token under the mixture, float32 [T] a target."""
        by_policy = [policy.log_probs(sources, targets, temperature) for policy in self.policies]
        return [_mixed(np.stack(rows)) for rows in zip(*by_policy, strict=True)]


def _mixed(log_probs: NDArray[np.float32]) -> NDArray[np.float32]:
    """float32 [T] of [K,T] by policy: ``log p(y_1..t) - log p(y_1..t-1)``, with p the mean over policies."""
    from scipy.special import logsumexp  # a command's help comes without it

    prefixes = np.cumsum(log_probs, axis=1, dtype=np.float64)
    whole = logsumexp(prefixes, axis=0) - np.log(len(log_probs))
    mixed: NDArray[np.float32] = np.minimum(np.diff(whole, prepend=0.0), 0.0).astype(np.float32)
    return mixed
