"""The decoder-only policy network: a small Llama of given sizes."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

from agents.policy.policy_config import PolicyConfig
from seq2seq_env.tokenization.tokenizer import Tokenizer

if TYPE_CHECKING:
    from transformers import PreTrainedModel


def build_llama(tokenizer: Tokenizer, config: PolicyConfig, seed: int) -> PreTrainedModel:
    """A ``LlamaForCausalLM`` with random weights, in float32 on the CPU.

    It reads ``source </s> </s> target``: end-of-sequence is the decoder start, too, as padding's embedding learns
    nothing.

    Args:
        tokenizer: Gives the vocabulary and its special tokens.
        config: Sizes, of which those of an encoder and dropout outside attention have no use.
        seed: Determines the weights; the global generator is left as it was.
    """
    from transformers import LlamaConfig, LlamaForCausalLM

    layout = LlamaConfig(
        vocab_size=tokenizer.vocab_size,
        hidden_size=config.d_model,
        intermediate_size=config.ffn_dim,
        num_hidden_layers=config.decoder_layers,
        num_attention_heads=config.num_heads,
        attention_dropout=config.dropout,
        initializer_range=0.5 * config.d_model**-0.5,  # as in Marian's, whose default is as small
        max_position_embeddings=config.max_source_length + config.max_target_length,
        tie_word_embeddings=True,
        bos_token_id=None,
        eos_token_id=tokenizer.eos_id,
        pad_token_id=tokenizer.pad_id,
        decoder_start_token_id=tokenizer.eos_id,
        # With rows this short it costs no more than "sdpa", and its arithmetic is the same everywhere.
        attn_implementation="eager",  # type: ignore[call-arg]
    )
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        return LlamaForCausalLM(layout)
