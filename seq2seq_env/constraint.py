"""Constraint of targets: the allowed tokens, one answer for the environment, the sampler and the losses."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Self

import numpy as np
from numpy.typing import NDArray

from seq2seq_env.tokenization.tokenizer import Tokenizer
from seq2seq_env.writing import shortened


@dataclass(frozen=True)
class Constraint:
    """A vocabulary to choose from, and a beginning that every target must have.

    End-of-sequence may always be written after the beginning; padding and other special tokens never. Without
    arguments nothing else is forbidden. The unknown token is allowed then, because a reference with an unknown
    character holds it and must be replayable.

    Args:
        vocabulary: Ids of the tokens to choose from after the beginning; None: all.
        prefix: Ids of the tokens that come first, whether or not they are in ``vocabulary``.
    """

    vocabulary: frozenset[int] | None = None
    prefix: tuple[int, ...] = ()

    @classmethod
    def from_text(cls, tokenizer: Tokenizer, words: Iterable[str] | None = None, prefix: str = "") -> Self:
        """The tokens that some words consist of, and a prefix given as text.

        Args:
            tokenizer: Splits them.
            words: Texts whose tokens may be written; None: all tokens.
            prefix: What every target begins with.

        Raises:
            ValueError: If the tokenizer does not know all of a text.
        """
        vocabulary = None
        if words is not None:
            vocabulary = frozenset(token for word in words for token in known_tokens(tokenizer, word))
        return cls(vocabulary, known_tokens(tokenizer, prefix))

    def starting(self, prefix: Sequence[int]) -> Self:
        """The same vocabulary with another beginning."""
        return replace(self, prefix=tuple(prefix))

    def allowed(self, tokenizer: Tokenizer) -> NDArray[np.bool_]:
        """Mask [V], bool, of the tokens that may be written after the beginning."""
        allowed = np.ones(tokenizer.vocab_size, dtype=np.bool_)
        if self.vocabulary is not None:
            allowed[:] = False
            allowed[sorted(self.vocabulary)] = True
            allowed[tokenizer.eos_id] = True
        allowed[sorted(tokenizer.never_written)] = False
        return allowed

    def check(self, tokenizer: Tokenizer, max_target_length: int) -> None:
        """Refuse tokens that cannot be written.

        Raises:
            ValueError: If a token is not in the vocabulary or is special, or the prefix leaves no room to end.
        """
        for name, tokens in (("vocabulary", self.vocabulary or ()), ("prefix", self.prefix)):
            never = tokenizer.never_written
            wrong = [token for token in tokens if not 0 <= token < tokenizer.vocab_size or token in never]
            if name == "prefix" and tokenizer.eos_id in tokens:
                wrong.append(tokenizer.eos_id)
            if wrong:
                raise ValueError(
                    f"the constraint's {name} holds token {wrong[0]}, which cannot be written there; give ids below "
                    f"{tokenizer.vocab_size} of tokens that are not special"
                )
        if len(self.prefix) >= max_target_length:
            raise ValueError(
                f"the constraint's prefix has {len(self.prefix)} tokens and the length limit is {max_target_length}; "
                "leave room for end-of-sequence"
            )


def known_tokens(tokenizer: Tokenizer, text: str) -> tuple[int, ...]:
    """The tokens of a text, without end-of-sequence.

    Raises:
        ValueError: If one of them is the unknown token, which says nothing of the text.
    """
    tokens = tuple(tokenizer.encode_targets([text])[0][:-1]) if text else ()
    if tokenizer.unk_id in tokens:
        raise ValueError(
            f"the tokenizer does not know all of {shortened(text)}; give a text in its words and characters"
        )
    return tokens
