"""Factories of d3rlpy's encoders, which read a source and a prefix, and of its learning rates.

Shape letters: B states, S longest source, P longest prefix, D width, K tokens before a target.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from d3rlpy.models.encoders import EncoderFactory, register_encoder_factory
from d3rlpy.optimizers.lr_schedulers import LRSchedulerFactory, register_lr_scheduler_factory
from torch import Tensor, nn
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LambdaLR, LRScheduler

from agents.policy import checkpoints
from agents.policy.hidden_states import hidden_states
from agents.training.training_config import TrainingConfig


class PrefixEncoder(nn.Module):
    """An encoder-decoder's hidden state after the last token of a prefix.

    Args:
        body: A Hugging Face encoder-decoder without a last layer.
        source_length: S; an observation's first columns.
        start: Decoder start; None is the model's own start token.
    """

    def __init__(self, body: nn.Module, source_length: int, start: Sequence[int] | None = None) -> None:
        super().__init__()
        self.body: Any = body
        self.source_length = source_length
        config: Any = body.config
        self.start = [config.decoder_start_token_id] if start is None else list(start)

    def forward(self, x: Tensor) -> Tensor:
        """Hidden states [B,D] of observations, float [B,S+P] of token ids, as :func:`buffers.to_d3rlpy` makes them.

        d3rlpy's observation after the end, zeros throughout, gives a state of no meaning, which no loss reads.

        Raises:
            FloatingPointError: If a number is not finite; d3rlpy would go on, or say it of a distribution's parameter.
        """
        config = self.body.config
        observed = x.long()
        after_end = (observed == 0).all(1, keepdim=True)
        observed = observed.masked_fill(after_end, config.pad_token_id)
        observed[:, :1] = observed[:, :1].masked_fill(after_end, config.eos_token_id)
        source, prefix = observed[:, : self.source_length], observed[:, self.source_length :]
        read, written = source != config.pad_token_id, (prefix != config.pad_token_id).sum(1)  # [B,S], [B]
        start = torch.tensor(self.start, device=x.device).expand(len(x), -1)
        longest, width = int(read.sum(1).max()), int(written.max())
        inputs = torch.cat([start, prefix[:, :width]], dim=1)
        hidden = hidden_states(self.body, source[:, :longest], read[:, :longest], inputs)  # [B,K+width,D]
        last: Tensor = hidden[torch.arange(len(x), device=x.device), written + len(self.start) - 1]
        if not bool(torch.isfinite(last).all()):
            raise FloatingPointError("a hidden state of d3rlpy's network is not finite")
        return last


@dataclasses.dataclass()
class TranslationEncoderFactory(EncoderFactory):  # type: ignore[misc]
    """Encoders that start from a policy's weights.

    Args:
        folder: That the policy was saved to.
        source_length: S of the observations.
        start: Decoder start.
    """

    folder: str
    source_length: int
    start: list[int]

    def create(self, observation_shape: Any) -> PrefixEncoder:
        """An encoder with weights of its own."""
        model, *_ = checkpoints.load(Path(self.folder))
        return PrefixEncoder(model.base_model, self.source_length, self.start)

    @staticmethod
    def get_type() -> str:
        """Its name in d3rlpy's configurations."""
        return "seq2seq_env_translation"


@dataclasses.dataclass()
class TokenScheduleFactory(LRSchedulerFactory):  # type: ignore[misc]
    """The learning rate of a :class:`TrainingConfig`, with a transition for a target token.

    Args:
        training: The configuration, as JSON can hold it.
    """

    training: dict[str, Any]

    def create(self, optim: Optimizer) -> LRScheduler:
        """The schedule of one optimiser."""
        config = TrainingConfig(**self.training)
        return LambdaLR(
            optim,
            lambda step: config.learning_rate_at((step + 1) * config.tokens_per_batch) / config.learning_rate,
        )

    @staticmethod
    def get_type() -> str:
        """Its name in d3rlpy's configurations."""
        return "seq2seq_env_tokens"


register_encoder_factory(TranslationEncoderFactory)
register_lr_scheduler_factory(TokenScheduleFactory)
