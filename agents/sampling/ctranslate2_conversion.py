"""A policy as a CTranslate2 model in memory, its temperature and logit mask built into the last layer.

With ``logits / T`` and the logit mask inside the network, CTranslate2's own softmax is the policy's distribution,
and the log-probability that it gives of a drawn token is the behaviour policy's.
"""

from __future__ import annotations

import copy
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

import torch

from agents.policy.teacher_forcing import AllowedTokens
from seq2seq_env.models.decoder_only import is_decoder_only

if TYPE_CHECKING:
    from transformers import PreTrainedModel

ARCHITECTURES = ("bart", "gpt2", "llama", "m2m_100", "marian", "mbart", "mistral", "mt5", "qwen2", "t5")
"""``model_type`` of what converts; GPT-2, Llama, Mistral and Qwen 2 are decoder-only."""

ROTARY = ("default", "llama3")
"""Kinds of rotary positions that convert."""

# What transformers 5 no longer stores of an architecture, and CTranslate2's loaders ask for.
LAYOUTS = {
    "bart": {"normalize_before": False, "normalize_embedding": True},
    "mbart": {"normalize_before": True, "normalize_embedding": True},
}

# Added to logits of tokens that are never written: its exponential is 0 in every arithmetic, and float32 holds it.
_NEVER = -1e9

# By this name CTranslate2's loader of Marian models knows the padding that it leaves out of the vocabulary.
_PADDING = "<pad>"


def obstacle(model: PreTrainedModel) -> str | None:
    """Why a model does not convert, as the end of a sentence; None if it does."""
    config = model.config
    if config.model_type not in ARCHITECTURES:
        return f"it has no conversion of {config.model_type!r} models, only of {', '.join(ARCHITECTURES)}"
    if config.model_type == "marian" and config.pad_token_id != config.vocab_size - 1:
        return f"Marian's padding must be the last of {config.vocab_size} tokens, and it is {config.pad_token_id}"
    if config.model_type == "m2m_100" and config.pad_token_id != 1:
        return f"it counts positions as with padding 1, and this M2M100 model's is {config.pad_token_id}"
    return _decoder_only_obstacle(config) if is_decoder_only(config) else None


def _decoder_only_obstacle(config: Any) -> str | None:
    if config.model_type == "gpt2":
        by_width, by_layer = config.scale_attn_weights, config.scale_attn_by_inverse_layer_idx
        if by_width and not by_layer:
            return None
        return (
            "it scales attention by the width of a head alone, and this GPT-2 model has scale_attn_weights "
            f"{by_width} and scale_attn_by_inverse_layer_idx {by_layer}"
        )
    if config.model_type == "qwen2" and config.use_sliding_window:
        return f"its layers attend to all tokens, and some of this Qwen 2 model to {config.sliding_window} alone"
    width = config.hidden_size // config.num_attention_heads
    if getattr(config, "head_dim", None) not in (None, width):
        return (
            f"it takes attention heads of {width} features, a share of the width, and this model's have "
            f"{config.head_dim}"
        )
    rotary = getattr(config, "rope_parameters", None) or getattr(config, "rope_scaling", None) or {}
    if (kind := rotary.get("rope_type", "default")) not in ROTARY or rotary.get("partial_rotary_factor", 1) != 1:
        return f"it has no conversion of this model's rotary positions, {kind!r}, only of whole ones, {ROTARY[0]!r}"
    if config.hidden_act != "silu":
        return f"it has no conversion of this model's activation {config.hidden_act!r}, only of silu"
    return None


def token_names(model: PreTrainedModel) -> list[str]:
    """What each token is called in the converted model: its id, whatever text it stands for."""
    names = [str(token) for token in range(model.config.vocab_size)]
    names[model.config.pad_token_id] = _PADDING
    return names


def convert(
    model: PreTrainedModel,
    allowed: AllowedTokens,
    temperature: float,
    compute_type: str,
    start_id: int | None = None,
) -> dict[str, bytes]:
    """The files of a CTranslate2 model, by name, for ``Translator(..., files=...)`` or, decoder-only, ``Generator``.

    Args:
        model: One without :func:`obstacle`.
        allowed: What may be written; a prefix is not converted.
        temperature: Divides the logits.
        compute_type: Type of the stored weights, "float32" or "int8" and the like.
        start_id: Token that the decoder is given first; None: the one of the model's configuration.
    """
    # Takes seconds to import. The registry has no public name; its public door takes a folder and no model.
    from ctranslate2.converters.transformers import _MODEL_LOADERS

    # The library writes into the configuration and, where it makes integers of them, into the weights.
    model = copy.deepcopy(model).cpu()
    for name, value in LAYOUTS.get(model.config.model_type, {}).items():
        setattr(model.config, name, value)
    if model.config.model_type in ("t5", "mt5"):
        # The loader scales outputs where embeddings are tied, which transformers 5 says of all these models.
        model.config.tie_word_embeddings = getattr(model.config, "scale_decoder_outputs", False)
    names = _Names(model, allowed.unk_id)
    with torch.no_grad():
        spec = _MODEL_LOADERS[type(model.config).__name__](model, names)
        last = spec.decoder.projection
        weight = torch.as_tensor(last.weight).float().cpu()
        bias = allowed.logit_mask.cpu().clamp(min=_NEVER)[: len(weight)].clone()
        if last.has_bias():
            bias += torch.as_tensor(last.bias).float().cpu() / temperature
        last.weight, last.bias = weight / temperature, bias
    # Which the loaders of GPT-2 and T5 leave at the engine's own.
    spec.config.layer_norm_epsilon = getattr(model.config, "layer_norm_epsilon", spec.config.layer_norm_epsilon)
    # A prompt holds its own start, and Marian starts from a zero embedding.
    if not is_decoder_only(model.config) and model.config.model_type != "marian":
        spec.config.decoder_start_token = names.convert_ids_to_tokens(
            model.config.decoder_start_token_id if start_id is None else start_id
        )
    spec.validate()
    spec.optimize(quantization=compute_type)
    with TemporaryDirectory() as folder:
        spec.save(folder)
        return {path.name: path.read_bytes() for path in Path(folder).iterdir()}


class _Names:
    """What CTranslate2's loaders ask of a tokenizer."""

    def __init__(self, model: PreTrainedModel, unk_id: int) -> None:
        config = model.config
        self._names = token_names(model)
        self.eos_token, self.pad_token = self._names[config.eos_token_id], self._names[config.pad_token_id]
        self.bos_token, self.unk_token = self.eos_token, self._names[unk_id]
        self.unk_token_id, self.num_madeup_words = unk_id, 0
        self.special_tokens_map: dict[str, list[str]] = {}

    def get_vocab(self) -> dict[str, int]:
        return {name: token for token, name in enumerate(self._names)}

    def convert_ids_to_tokens(self, token: int) -> str:
        return self._names[token]
