"""Models whose last layer is of action values: preferences or values of actions instead of tied embeddings.

Shape letters: L states, V vocabulary, D width.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from transformers import (
    AutoConfig,
    AutoModel,
    AutoModelForCausalLM,
    AutoModelForSeq2SeqLM,
    BartConfig,
    BartForConditionalGeneration,
    BartModel,
    LlamaConfig,
    LlamaForCausalLM,
    LlamaModel,
    M2M100Config,
    M2M100ForConditionalGeneration,
    M2M100Model,
    MarianConfig,
    MarianModel,
    MarianMTModel,
    MBartConfig,
    MBartForConditionalGeneration,
    MBartModel,
    Qwen2Config,
    Qwen2ForCausalLM,
    Qwen2Model,
)

from agents.policy.backends import attention_of
from seq2seq_env.models.decoder_only import is_decoder_only

NEVER = -1e4
"""Logit of an action that the imitator rules out; finite, so that every log-probability is."""


@dataclass
class ActionValues:
    """What makes a distribution of action values, beside the sizes of an architecture.

    Attributes:
        q_temperature: Logits are the head's scores divided by it.
        action_flexibility: Actions less likely than this share of the likeliest one are ruled out, by a second head
            (discrete BCQ, arXiv 1910.01708); None for a single head.
        advantage_weight: Logits are the second head's log-probabilities and the scores times it (ILQL, arXiv
            2206.11871); None for none of it.
    """

    q_temperature: float = 1.0
    action_flexibility: float | None = None
    advantage_weight: float | None = None


class ActionValueConfig(ActionValues, MarianConfig):  # type: ignore[no-untyped-call]
    """Of Marian."""

    model_type = "marian-action-values"


class ActionValueBartConfig(ActionValues, BartConfig):  # type: ignore[no-untyped-call]
    """Of BART."""

    model_type = "bart-action-values"


class ActionValueMBartConfig(ActionValues, MBartConfig):  # type: ignore[no-untyped-call]
    """Of mBART."""

    model_type = "mbart-action-values"


class ActionValueM2M100Config(ActionValues, M2M100Config):  # type: ignore[no-untyped-call]
    """Of M2M100 and NLLB."""

    model_type = "m2m_100-action-values"


class ActionValueLlamaConfig(ActionValues, LlamaConfig):  # type: ignore[no-untyped-call]
    """Of Llama."""

    model_type = "llama-action-values"


class ActionValueQwen2Config(ActionValues, Qwen2Config):  # type: ignore[no-untyped-call]
    """Of Qwen 2."""

    model_type = "qwen2-action-values"


class ActionHead(nn.Module):
    """Scores of states [L,D] as logits [L,V].

    Args:
        config: Sizes and how scores become logits.
    """

    def __init__(self, config: Any) -> None:
        super().__init__()
        self.q_temperature, self.action_flexibility = config.q_temperature, config.action_flexibility
        self.scores = nn.Linear(config.hidden_size, config.vocab_size)
        self.advantage_weight = config.advantage_weight
        has_imitator = config.action_flexibility is not None or config.advantage_weight is not None
        self.imitator = nn.Linear(config.hidden_size, config.vocab_size) if has_imitator else None

    def forward(self, hidden: Tensor) -> Tensor:
        """Logits of the policy that the heads describe."""
        logits: Tensor = self.scores(hidden) / self.q_temperature
        if self.imitator is None:
            return logits
        preference = torch.log_softmax(self.imitator(hidden), dim=-1)
        if self.advantage_weight is not None:
            shifted: Tensor = preference + self.advantage_weight * logits
            return shifted
        assert self.action_flexibility is not None
        best = preference.max(dim=-1, keepdim=True).values
        return logits.masked_fill(preference - best <= math.log(self.action_flexibility), NEVER)


class _EndsInActionHead:
    """Puts an :class:`ActionHead` in place of a model's last layer."""

    def __init__(self, config: Any) -> None:
        super().__init__(config)  # type: ignore[call-arg]
        self.lm_head = ActionHead(config)
        sides = ("encoder", "decoder") if config.is_encoder_decoder else ()  # which share one embedding
        self._tied_weights_keys = {f"model.{side}.embed_tokens.weight": "model.shared.weight" for side in sides}
        self.post_init()  # type: ignore[attr-defined]


class ActionValueMarian(_EndsInActionHead, MarianMTModel):  # type: ignore[no-untyped-call]
    """A ``MarianMTModel`` that ends in an :class:`ActionHead`."""

    config_class = ActionValueConfig


class ActionValueBart(_EndsInActionHead, BartForConditionalGeneration):  # type: ignore[no-untyped-call]
    """BART, likewise."""

    config_class = ActionValueBartConfig


class ActionValueMBart(_EndsInActionHead, MBartForConditionalGeneration):  # type: ignore[no-untyped-call]
    """MBART, likewise."""

    config_class = ActionValueMBartConfig


class ActionValueM2M100(_EndsInActionHead, M2M100ForConditionalGeneration):  # type: ignore[no-untyped-call]
    """M2M100 and NLLB, likewise."""

    config_class = ActionValueM2M100Config


class ActionValueLlama(_EndsInActionHead, LlamaForCausalLM):  # type: ignore[no-untyped-call]
    """Llama, likewise."""

    config_class = ActionValueLlamaConfig


class ActionValueQwen2(_EndsInActionHead, Qwen2ForCausalLM):  # type: ignore[no-untyped-call]
    """Qwen 2, likewise."""

    config_class = ActionValueQwen2Config


KINDS: dict[str, tuple[Any, Any]] = {
    "marian": (ActionValueConfig, ActionValueMarian),
    "bart": (ActionValueBartConfig, ActionValueBart),
    "mbart": (ActionValueMBartConfig, ActionValueMBart),
    "m2m_100": (ActionValueM2M100Config, ActionValueM2M100),
    "llama": (ActionValueLlamaConfig, ActionValueLlama),
    "qwen2": (ActionValueQwen2Config, ActionValueQwen2),
}
"""Configuration and model by the ``model_type`` that they start from."""


def with_action_head(
    model: Any, q_temperature: float, action_flexibility: float | None, advantage_weight: float | None = None
) -> Any:
    """A model of the same body; its scores, or with two heads its imitator, are the given model's logits.

    Where there are two heads, the scores start at 0, or at those of a model that has two heads too.

    Args:
        model: One of the architectures of :data:`KINDS`, or one of this module's.
        q_temperature: See :class:`ActionValues`.
        action_flexibility: See :class:`ActionValues`.
        advantage_weight: See :class:`ActionValues`.

    Raises:
        ValueError: If it is another architecture.
    """
    kind = model.config.model_type.removesuffix("-action-values")
    if kind not in KINDS:
        raise ValueError(
            f"a head of action values needs a model of {', '.join(KINDS)}, not {kind!r}; choose another policy or "
            "another agent"
        )
    config_class, model_class = KINDS[kind]
    settings = {key: value for key, value in model.config.to_dict().items() if key != "model_type"}
    settings |= {"q_temperature": q_temperature, "action_flexibility": action_flexibility}
    settings["advantage_weight"] = advantage_weight
    config = config_class(**settings, attn_implementation=attention_of(model))
    with torch.random.fork_rng():
        network = model_class(config)
    network.model.load_state_dict(model.model.state_dict())
    _start_head(network.lm_head, model)
    return network.to(model.device).train(model.training)


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
        return
    preference.weight.copy_(old.weight)
    preference.bias.zero_()
    if hasattr(model, "final_logits_bias"):
        preference.bias.copy_(model.final_logits_bias[0])


_BODIES: dict[str, Any] = {
    "marian": MarianModel,
    "bart": BartModel,
    "mbart": MBartModel,
    "m2m_100": M2M100Model,
    "llama": LlamaModel,
    "qwen2": Qwen2Model,
}

for _name, (_config, _model) in KINDS.items():
    _body = _BODIES[_name]
    AutoConfig.register(_config.model_type, _config)
    # Encoder and decoder alone, which a value network is made of.
    AutoModel.register(_config, type(f"ActionValue{_body.__name__}", (_body,), {"config_class": _config}))
    (AutoModelForCausalLM if is_decoder_only(_config()) else AutoModelForSeq2SeqLM).register(_config, _model)
