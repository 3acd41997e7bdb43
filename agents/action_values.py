"""A Marian model whose last layer is d3rlpy's: preferences or values of actions instead of tied embeddings.

Shape letters: L states, V vocabulary, D width.
"""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor, nn
from transformers import AutoConfig, AutoModel, AutoModelForSeq2SeqLM, MarianConfig, MarianModel, MarianMTModel

NEVER = -1e4
"""Logit of an action that the imitator rules out; finite, so that every log-probability is."""


class ActionValueConfig(MarianConfig):  # type: ignore[no-untyped-call]
    """Marian's sizes, and what makes a distribution of action values.

    Attributes:
        q_temperature: Logits are the head's scores divided by it.
        action_flexibility: Actions less likely than this share of the likeliest one are ruled out, by a second head
            (discrete BCQ, arXiv 1910.01708); None for a single head.
    """

    model_type = "marian-action-values"
    q_temperature: float = 1.0
    action_flexibility: float | None = None


class ActionHead(nn.Module):
    """Scores of states [L,D] as logits [L,V].

    Args:
        config: Sizes and how scores become logits.
    """

    def __init__(self, config: ActionValueConfig) -> None:
        super().__init__()
        self.q_temperature, self.action_flexibility = config.q_temperature, config.action_flexibility
        self.scores = nn.Linear(config.d_model, config.vocab_size)
        self.imitator = None if config.action_flexibility is None else nn.Linear(config.d_model, config.vocab_size)

    def forward(self, hidden: Tensor) -> Tensor:
        """Logits of the policy that the heads describe."""
        logits: Tensor = self.scores(hidden) / self.q_temperature
        if self.imitator is None or self.action_flexibility is None:
            return logits
        preference = torch.log_softmax(self.imitator(hidden), dim=-1)
        best = preference.max(dim=-1, keepdim=True).values
        return logits.masked_fill(preference - best <= math.log(self.action_flexibility), NEVER)


class ActionValueMarian(MarianMTModel):  # type: ignore[no-untyped-call]
    """A ``MarianMTModel`` that ends in an :class:`ActionHead`.

    Args:
        config: Its configuration.
    """

    config_class = ActionValueConfig

    def __init__(self, config: ActionValueConfig) -> None:
        super().__init__(config)
        self.lm_head = ActionHead(config)
        self._tied_weights_keys = {
            f"model.{side}.embed_tokens.weight": "model.shared.weight" for side in ("encoder", "decoder")
        }
        self.post_init()  # type: ignore[no-untyped-call]


def with_action_head(model: Any, q_temperature: float, action_flexibility: float | None) -> ActionValueMarian:
    """A model of the same body; its scores, or with two heads its imitator, are the given model's logits.

    Where there are two heads, the scores start at 0, or at those of a model that has two heads too.

    Args:
        model: A ``MarianMTModel`` or one of this module's.
        q_temperature: See :class:`ActionValueConfig`.
        action_flexibility: See :class:`ActionValueConfig`.

    Raises:
        ValueError: If it is another architecture.
    """
    if model.config.model_type not in ("marian", ActionValueConfig.model_type):
        raise ValueError(
            f"d3rlpy's agents need a Marian model, not {model.config.model_type!r}; make the policy with "
            "Seq2SeqPolicy.from_config, or choose another agent"
        )
    settings = {key: value for key, value in model.config.to_dict().items() if key != "model_type"}
    settings |= {"q_temperature": q_temperature, "action_flexibility": action_flexibility}
    config = ActionValueConfig(**settings)
    config._attn_implementation = model.config._attn_implementation
    with torch.random.fork_rng():
        found = ActionValueMarian(config)
    found.model.load_state_dict(model.model.state_dict())
    _start_head(found.lm_head, model)
    return found.to(model.device)  # type: ignore[no-any-return]


@torch.no_grad()
def _start_head(head: ActionHead, model: Any) -> None:
    old = model.lm_head
    if isinstance(old, ActionHead) and (old.imitator is None) == (head.imitator is None):
        head.load_state_dict(old.state_dict())
        return
    preference = head.scores
    if head.imitator is not None:
        preference = head.imitator
        head.scores.weight.zero_()
        head.scores.bias.zero_()
    if isinstance(old, ActionHead):
        preference.load_state_dict((old.scores if old.imitator is None else old.imitator).state_dict())
    else:
        preference.weight.copy_(old.weight)
        preference.bias.copy_(model.final_logits_bias[0])


class ActionValueBody(MarianModel):  # type: ignore[no-untyped-call]
    """Its encoder and decoder alone, which a value network is made of."""

    config_class = ActionValueConfig


AutoConfig.register(ActionValueConfig.model_type, ActionValueConfig)
AutoModel.register(ActionValueConfig, ActionValueBody)
AutoModelForSeq2SeqLM.register(ActionValueConfig, ActionValueMarian)
