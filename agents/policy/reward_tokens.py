"""Tokens of the reward: decoder starts beyond the vocabulary, which no policy writes."""

from __future__ import annotations

from typing import Any

import torch

from agents.policy.pretrained import resize_embeddings
from agents.policy.seq2seq_policy import Seq2SeqPolicy


def with_reward_tokens(policy: Seq2SeqPolicy, count: int) -> Seq2SeqPolicy:
    """A policy with the same weights, not a copy, and more embeddings, whose decoder starts with the last of them.

    It stands in place of the first token of the decoder start: a start token, or, where the tokenizer's stand in its
    place, a language's code or the first token of a prompt's end. The new embeddings are that token's: until it is
    trained, the policy translates as before, whichever it starts with. A policy that has them is given back.

    Args:
        policy: Its model gets the embeddings.
        count: Number of tokens.

    Raises:
        ValueError: If the policy has another number of them.
    """
    model: Any = policy.model
    known = getattr(model.config, "reward_tokens", None)
    if known is not None and known != count:
        raise ValueError(f"the policy has {known} tokens of the reward, not {count}; give the option buckets {known}")
    if known is not None:
        return policy
    start, first = policy.start[0], model.config.vocab_size
    resize_embeddings(model, first + count)
    weight = model.get_input_embeddings().weight
    with torch.no_grad():
        weight[first:] = weight[start]
    model.config.reward_tokens = count
    model.config.reward_edges = [number / count for number in range(1, count)]  # between the rewards of each
    model.config.decoder_start_token_id = first + count - 1
    return Seq2SeqPolicy(model, policy.tokenizer, policy.max_target_length, policy.constraint)


def first_reward_token(model: Any) -> int:
    """The token of the lowest reward."""
    return int(model.config.vocab_size) - int(model.config.reward_tokens)
