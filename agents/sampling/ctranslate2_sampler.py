"""The engine CTranslate2: sampling many times as fast as PyTorch on a CPU.

Shape letters: B sources, C candidates of each, N = B * C trajectories, L tokens in all.
"""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import cached_property
from threading import Lock
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray

from agents.policy.generation import as_samples
from agents.policy.inputs import check_sampling, check_sources
from agents.policy.seq2seq_policy import Seq2SeqPolicy
from agents.sampling.ctranslate2_conversion import convert, obstacle, token_names
from agents.sampling.ctranslate2_streams import Written, library, open_stream
from agents.sampling.engine_names import ComputeType
from agents.sampling.engine_sampler import EngineSampler
from buffers import Samples

# What is drawn from one random stream; a thread's work.
SOURCES_PER_STREAM = 128

# Rows decoded together.
ROWS = {"cpu": 256, "cuda": 4096}

# A policy is converted once for each temperature.
_CONVERTING = Lock()


class _Drawn(NamedTuple):
    """Tokens of B * C rows, int64 and float32 [L], and each row's number of them, int64 [N]."""

    tokens: NDArray[np.int64]
    log_prob: NDArray[np.float32]
    lengths: NDArray[np.int64]


class CTranslate2Sampler(EngineSampler):
    """A :class:`buffers.Sampler` that draws from a policy's distribution by CTranslate2.

    It draws from what :meth:`Seq2SeqPolicy.sample` draws from (temperature, logit mask and constraint are built into
    the converted network), with other random numbers. A token's log-probability is the one that it was drawn with. All
    candidates of a source share one pass over it.

    *Reproducible.* CTranslate2 seeds a thread's random numbers once, so each run of ``SOURCES_PER_STREAM`` sources gets
    a translator, and with it a thread, of its own, computes on one core and in batches of one size. What is sampled
    depends on the weights, the sources in their order, the number of candidates, the temperature and the seed; not on
    the number of threads, their order, or what else is sampled meanwhile. Unlike the policy's own sampling it does
    depend on which sources are sampled together: Grow's shards are.

    A policy that is trained after the sampler was made needs a new one.

    Args:
        policy: What to sample.
        compute_type: "float32" samples the policy itself; others a policy a little off it, faster, whose
            log-probabilities they give.

    Raises:
        ImportError: If the extra ``ct2`` is not installed.
        ValueError: If CTranslate2 has no conversion of the model, or does not compute so on this device.
    """

    def __init__(self, policy: Seq2SeqPolicy, compute_type: ComputeType = "float32") -> None:
        if reason := obstacle(policy.model):
            raise ValueError(f"CTranslate2 cannot sample this policy: {reason}; use the engine transformers")
        known = library().get_supported_compute_types(policy.device.type)
        if compute_type not in known:
            raise ValueError(
                f"CTranslate2 computes no {compute_type!r} on {policy.device}; choose one of {', '.join(sorted(known))}"
            )
        super().__init__(policy)
        self.compute_type = compute_type
        self._models: dict[float, dict[str, bytes]] = {}

    @property
    def engine(self) -> str:
        """What the bytes depend on beside the policy."""
        return f"ctranslate2 {library().__version__} {self.compute_type}"

    def sample(self, sources: Sequence[Sequence[int]], num_candidates: int, temperature: float, seed: int) -> Samples:
        """Draw ``num_candidates`` translations of every source; see :meth:`Seq2SeqPolicy.sample`.

        Raises:
            TypeError: If a source is a text.
            ValueError: If a number is out of range, a source is empty or too long.
            RuntimeError: If the policy has been trained since the sampler was made.
            FloatingPointError: If the policy's logits are not finite.
        """
        self.check_unchanged()
        check_sampling(num_candidates, temperature, seed)
        policy = self.policy
        check_sources(sources, policy.tokenizer, policy.max_source_length)
        model = self._model(temperature)
        parts = [sources[start : start + SOURCES_PER_STREAM] for start in range(0, len(sources), SOURCES_PER_STREAM)]
        # 2**32 - 1 stands for "no seed".
        seeds = [
            int(np.random.SeedSequence((seed, number)).generate_state(1)[0] % (2**32 - 1))
            for number in range(len(parts))
        ]
        with ThreadPoolExecutor(max(1, torch.get_num_threads())) as pool:
            drawn = list(pool.map(lambda part, seed: self._draw(model, part, num_candidates, seed), parts, seeds))
        tokens = np.concatenate([part.tokens for part in drawn] or [np.empty(0, dtype=np.int64)]).astype(np.int32)
        lengths = np.concatenate([part.lengths for part in drawn] or [np.empty(0, dtype=np.int64)])
        log_prob = np.concatenate([part.log_prob for part in drawn] or [np.empty(0, dtype=np.float32)])
        if not np.isfinite(log_prob).all():
            raise FloatingPointError("the policy's logits are not finite; load an earlier checkpoint")
        return as_samples(policy.tokenizer, tokens, log_prob, lengths.reshape(-1, num_candidates))

    def _model(self, temperature: float) -> dict[str, bytes]:
        with _CONVERTING:
            if temperature not in self._models:
                policy = self.policy
                self._models[temperature] = convert(
                    policy.model, policy.allowed_tokens(), temperature, self.compute_type, policy.start[0]
                )
            return self._models[temperature]

    @cached_property
    def _names(self) -> list[str]:
        return token_names(self.policy.model)

    def _draw(self, model: dict[str, bytes], encoded: Sequence[Sequence[int]], candidates: int, seed: int) -> _Drawn:
        """One random stream."""
        stream = open_stream(self.policy, self._names, model, self.compute_type, seed, encoded[0])
        order = sorted(range(len(encoded)), key=lambda i: len(encoded[i]))
        step = max(1, ROWS.get(self.policy.device.type, ROWS["cpu"]) // candidates)
        parts = []
        for start in range(0, len(order), step):
            batch = np.array(order[start : start + step])
            rows, tokens, log_prob = stream.write([encoded[i] for i in batch], candidates)
            parts.append(Written(batch[rows // candidates] * candidates + rows % candidates, tokens, log_prob))
        rows, tokens, log_prob = (np.concatenate(columns) for columns in zip(*parts, strict=True))
        by_row = np.argsort(rows, kind="stable")  # a row's tokens come in their order
        return _Drawn(tokens[by_row], log_prob[by_row], np.bincount(rows, minlength=len(encoded) * candidates))
