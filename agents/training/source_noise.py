"""Noise on the sources of a training: tokens dropped, blanked and shuffled, which noisy self-training needs.

Shape letters: B batch, S source length.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import torch
from torch import Tensor, nn

from agents.training.training_config import TrainingConfig
from buffers import Batches, Slice, TokenBatch
from seq2seq_env.tokenization.prompt_tokenizer import PromptTokenizer

if TYPE_CHECKING:
    from agents.training.learner import Learner
    from seq2seq_env.tokenization.tokenizer import Tokenizer


class Noised(NamedTuple):
    """What :func:`noised` returns."""

    source: Tensor
    """int64 [B,S]."""
    mask: Tensor
    """bool [B,S]."""


def noised(
    source: Tensor, mask: Tensor, config: TrainingConfig, tokenizer: Tokenizer, rng: np.random.Generator
) -> Noised:
    """Sources with some tokens left out, some blanked, and the others moved a little (Lample et al. 2018, 1711.00043).

    What the tokenizer puts around a text stays, codes of languages and end-of-sequence, and one other token at least.

    Args:
        source: int64 [B,S].
        mask: bool [B,S], true at tokens, which come first in every row.
        config: Gives ``source_drop``, ``source_blank`` and ``source_shuffle``.
        tokenizer: Of the sources; a blanked token becomes its unknown one.
        rng: Draws it all.
    """
    place, first, last = np.arange(source.shape[1]), len(tokenizer.source_prefix), len(tokenizer.source_suffix)
    inner = (first <= place) & (place < mask.numpy().sum(1, keepdims=True) - last)
    kept = inner & (rng.random(inner.shape) >= config.source_drop)
    kept |= inner & (place == first) & ~kept.any(1, keepdims=True)
    kept |= mask.numpy() & ~inner
    # Sorted by place and a number below k + 1, no token moves by more than k.
    moved = place + (rng.random(inner.shape) * (config.source_shuffle + 1) if config.source_shuffle else 0.0)
    around = np.where(place < first, place, place + len(place) + config.source_shuffle + 1)
    key = np.where(kept, np.where(inner, moved, around), np.inf)
    order = torch.from_numpy(key.argsort(axis=1, kind="stable"))
    blanked = torch.from_numpy(inner & (rng.random(inner.shape) < config.source_blank))
    written = torch.where(blanked, tokenizer.unk_id, source).gather(1, order)
    left = torch.from_numpy(place < kept.sum(1, keepdims=True))
    return Noised(torch.where(left, written, tokenizer.pad_id), left)


def check_no_noise(name: str, config: TrainingConfig) -> None:
    """Refuse noise for an agent that reads its sources as they are.

    Raises:
        ValueError: If the configuration asks for any.
    """
    if config.has_source_noise:
        raise ValueError(
            f"agent {name!r} trains without noise on its sources; leave source_drop, source_blank and source_shuffle "
            "at 0"
        )


def check_bare_sources(config: TrainingConfig, tokenizer: Tokenizer) -> None:
    """Refuse noise where a prompt or a text stands around the sources, on which it would fall, too.

    Raises:
        ValueError: If the configuration asks for any.
    """
    if not config.has_source_noise:
        return
    if isinstance(tokenizer, PromptTokenizer):
        raise ValueError(
            "noise on sources would fall on their prompt, too; leave source_drop, source_blank and source_shuffle at 0"
        )
    if tokenizer.text_prefix:
        raise ValueError(
            f"noise on sources would fall on source_prefix {tokenizer.text_prefix!r}, too; leave source_drop, "
            "source_blank and source_shuffle at 0"
        )


class NoisySources:
    """A learner whose batches have noise on their sources, other noise in each epoch.

    Rows that stay together in a batch read the same noise: a loss compares what was written for one source.

    Args:
        learner: What is trained.
        config: Gives the noise.
        tokenizer: Of the sources.

    Raises:
        ValueError: If a prompt or a text stands around the sources, on which the noise would fall, too.
    """

    def __init__(self, learner: Learner, config: TrainingConfig, tokenizer: Tokenizer) -> None:
        check_bare_sources(config, tokenizer)
        self._learner, self._config, self._tokenizer = learner, config, tokenizer
        self.loss, self.after_step = learner.loss, learner.after_step

    @property
    def identity(self) -> Mapping[str, object]:
        """The learner's."""
        return self._learner.identity

    @property
    def networks(self) -> Mapping[str, nn.Module]:
        """The learner's."""
        return self._learner.networks

    @property
    def learning_rates(self) -> Mapping[str, float]:
        """The learner's."""
        return self._learner.learning_rates

    @property
    def companions(self) -> Mapping[str, nn.Module]:
        """The learner's."""
        return self._learner.companions

    def batches(self, data: Slice, tokens_per_batch: int, seed: int) -> Batches:
        """The learner's, with noise."""
        return self._learner.batches(data, tokens_per_batch, seed).changed(partial(self._change, seed))

    def _change(self, seed: int, batch: TokenBatch) -> TokenBatch:
        # By what the batch holds, not by its number, so that any number of workers makes the same noise.
        rng = np.random.default_rng((seed, len(batch), int(batch.row.sum())))
        _, first, group = np.unique(batch.group.numpy(), return_index=True, return_inverse=True)
        source, mask = noised(batch.source[first], batch.source_mask[first], self._config, self._tokenizer, rng)
        return replace(batch, source=source[group], source_mask=mask[group])
