"""New policy networks by architecture."""

from __future__ import annotations

from typing import TYPE_CHECKING

from agents.policy.llama import build_llama
from agents.policy.marian import build_marian
from agents.policy.policy_config import PolicyConfig
from seq2seq_env.tokenization.tokenizer import Tokenizer

if TYPE_CHECKING:
    from transformers import PreTrainedModel


def build_network(tokenizer: Tokenizer, config: PolicyConfig, seed: int) -> PreTrainedModel:
    """A network with random weights, in float32 on the CPU.

    Args:
        tokenizer: Gives the vocabulary and its special tokens.
        config: Architecture and sizes.
        seed: Determines the weights; the global generator is left as it was.
    """
    build = build_llama if config.architecture == "decoder-only" else build_marian
    return build(tokenizer, config, seed)
