"""Checked inputs of a policy: sources, targets, sampling options."""

from __future__ import annotations

import reprlib
from collections.abc import Sequence

from seq2seq_env.tokenization.tokenizer import Tokenizer

Rows = Sequence[Sequence[int]]
"""Token ids, a row a source or target."""


def encode_sources(sources: Sequence[str], tokenizer: Tokenizer, max_length: int) -> list[list[int]]:
    """Token ids of each source, end-of-sequence included.

    Raises:
        TypeError: If ``sources`` is one text and not several.
        ValueError: If a source is empty or has more than ``max_length`` tokens, naming its row.
    """
    if isinstance(sources, str):
        raise TypeError(f"sources is the text {reprlib.repr(sources)}; give a list of texts")
    encoded = tokenizer.encode(sources)
    for row, (text, tokens) in enumerate(zip(sources, encoded, strict=True)):
        if not text.strip():
            raise ValueError(f"source {row} is empty ({text!r}); leave it out")
        if len(tokens) > max_length:
            raise ValueError(
                f"source {row} has {len(tokens)} tokens, the policy reads {max_length} at most: "
                f"{reprlib.repr(text)}; shorten or split it"
            )
    return encoded


def check_sources(sources: Sequence[Sequence[int]], tokenizer: Tokenizer, max_length: int) -> None:
    """Refuse sources that the policy cannot read.

    Raises:
        TypeError: If a source is a text.
        ValueError: If a source is empty, has more than ``max_length`` tokens, or holds no token of the vocabulary,
            naming its row.
    """
    for row, source in enumerate(sources):
        if isinstance(source, str):
            raise TypeError(f"source {row} is the text {reprlib.repr(source)}; give token ids, policy.encode(texts)")
        if not 0 < len(source) <= max_length:
            raise ValueError(f"source {row} has {len(source)} tokens; the policy reads 1 to {max_length}")
        if not 0 <= min(source) <= max(source) < tokenizer.vocab_size:
            raise ValueError(f"source {row} holds a token outside 0..{tokenizer.vocab_size - 1}; encode it anew")


def check_targets(targets: Sequence[Sequence[int]], tokenizer: Tokenizer, max_length: int) -> None:
    """Refuse targets that no policy could have been trained on.

    Raises:
        ValueError: If a target is empty, has more than ``max_length`` tokens, or holds padding or no token of the
            vocabulary, naming its row.
    """
    for row, target in enumerate(targets):
        if not 0 < len(target) <= max_length:
            raise ValueError(f"target {row} has {len(target)} tokens; the policy scores 1 to {max_length}")
        for token in target:
            if token == tokenizer.pad_id or not 0 <= token < tokenizer.vocab_size:
                raise ValueError(f"target {row} holds token {token}, which is padding or no token; leave it out")


def checked_prefixes(
    prefixes: Rows | None, num_sources: int, tokenizer: Tokenizer, begun: Sequence[int], max_length: int
) -> Rows:
    """What the translations of each source begin with; beginnings that none can have are refused.

    Args:
        prefixes: Token ids, one row a source; None takes what the constraint says for all.
        num_sources: Sources that there are.
        tokenizer: Of the tokens.
        begun: What the policy's constraint has every translation begin with.
        max_length: Tokens of a translation at most.

    Raises:
        ValueError: If there is not one a source, or one leaves no room to end, holds a token that is never written
            within a translation, or does not begin as the constraint says, naming its row.
    """
    if prefixes is None:
        return [begun] * num_sources
    if len(prefixes) != num_sources:
        raise ValueError(f"there are {num_sources} sources but {len(prefixes)} prefixes; give one prefix a source")
    within = {*range(tokenizer.vocab_size)} - {*tokenizer.never_written, tokenizer.eos_id}
    for row, prefix in enumerate(prefixes):
        if len(prefix) >= max_length:
            raise ValueError(f"prefix {row} has {len(prefix)} tokens; give fewer than {max_length}")
        if wrong := {*prefix} - within:
            raise ValueError(f"prefix {row} holds token {min(wrong)}, which no translation has within; end before it")
        if (*prefix[: len(begun)],) != (*begun[: len(prefix)],):
            raise ValueError(f"prefix {row} begins otherwise than the policy's constraint; begin it with {[*begun]}")
    return [prefix if len(prefix) >= len(begun) else begun for prefix in prefixes]


def check_sampling(num_candidates: int, temperature: float, seed: int) -> None:
    """Refuse what no sampler can draw by.

    Raises:
        ValueError: If there is no candidate, the temperature gives no distribution, or the seed does not fit 64 bits.
    """
    if num_candidates < 1:
        raise ValueError(f"num_candidates is {num_candidates}; give at least 1")
    check_temperature(temperature)
    check_seed(seed)


def check_temperature(temperature: float) -> None:
    """Refuse a temperature that gives no distribution.

    Raises:
        ValueError: If it is not above 0 and finite.
    """
    if not 0 < temperature < float("inf"):
        raise ValueError(f"temperature is {temperature}; give a number above 0, or call translate for greedy output")


def check_seed(seed: int) -> None:
    """Refuse a seed that does not fit 64 bits.

    Raises:
        ValueError: If it is below 0 or too large.
    """
    if not 0 <= seed < 2**64:
        raise ValueError(f"seed is {seed}; give an integer from 0 to 2**64 - 1")
