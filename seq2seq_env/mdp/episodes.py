"""Episode states: sources, prefixes, texts and scores of many episodes, as arrays.

Shape letters: N episodes, n of them, S longest source, T length limit, V vocabulary.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from gymnasium.error import InvalidAction
from numpy.typing import NDArray

from seq2seq_env.mdp.definition import NOT_MASKED, UNSCORED, MDPDefinition, Observation
from seq2seq_env.mdp.hypothesis_text import HypothesisTexts
from seq2seq_env.mdp.sources import SourceRows

Infos = dict[str, Any]
Rows = NDArray[np.int64]
"""Which episodes, int64 [n], each once."""


class Episodes:
    """Sources, prefixes, texts and scores of N episodes, which the vector environment steps through.

    Args:
        definition: Of the decision process that all of them play.
        size: N.
        copy: Whether observations are arrays of their own, which the next step does not overwrite.

    Attributes:
        source_text: object [N] of str.
        score: float64 [N], :data:`UNSCORED` where an episode was not rated.
        written: int64 [N], tokens of each prefix.
    """

    def __init__(self, definition: MDPDefinition, size: int, copy: bool) -> None:
        self._definition, self._copy = definition, copy
        tokenizer, vocab_size = definition.tokenizer, definition.tokenizer.vocab_size
        self.all_rows, self._everyone = np.arange(size), np.ones(size, dtype=np.bool_)
        self._forbidden = ~definition.allowed
        self._free_mask = np.broadcast_to(definition.action_mask, (size, len(definition.action_mask)))
        # A large part of a step at many tokens is the copy of them: what is read for it should stay in the caches.
        tokens = np.min_scalar_type(vocab_size) if copy else np.int64
        self._source = np.full((size, definition.task.max_source_length), tokenizer.pad_id, dtype=tokens)
        self._source_length = np.zeros((size, 1), dtype=np.int64)
        self.source_text, self._shown_text = np.full(size, None, dtype=object), np.full(size, None, dtype=object)
        self._source_index = np.zeros(size, dtype=np.int64)
        self._source_truncated = np.zeros(size, dtype=np.bool_)
        self._prefix = np.full((size, definition.max_target_length), tokenizer.pad_id, dtype=tokens)
        self.written = np.zeros(size, dtype=np.int64)
        self._hypotheses = HypothesisTexts(tokenizer, size)
        # The token that must come after so many, -1 where none must; most environments force none.
        self._forced, self._any_forced = np.full((size, definition.max_target_length + 1), -1), False
        self.score = np.full(size, UNSCORED)
        self._other_scores = {name: np.full(size, UNSCORED) for name in definition.info_scorers}
        self._masked_action = np.full(size, NOT_MASKED)

    @property
    def texts(self) -> NDArray[np.object_]:
        """The hypotheses so far, object [N] of str; another array after each change."""
        return self._hypotheses.texts

    def begin(self, rows: Rows, sources: SourceRows, forced: Sequence[tuple[int, ...]]) -> None:
        """Start the episodes ``rows`` (int64 [n]) with these sources and the beginnings (n) that targets must have."""
        self._source[rows], self._source_length[rows, 0] = sources.tokens, sources.lengths
        self.source_text[rows], self._source_index[rows] = sources.texts, sources.source_index
        self._shown_text[rows], self._source_truncated[rows] = sources.shown, sources.truncated
        self._prefix[rows] = self._definition.tokenizer.pad_id
        self.written[rows] = 0
        self._hypotheses.clear(rows)
        for scores in (self.score, *self._other_scores.values()):
            scores[rows] = UNSCORED
        self._masked_action[rows] = NOT_MASKED
        if self._any_forced or any(forced):
            self._forced[rows] = -1
            for row, prefix in zip(rows.tolist(), forced, strict=True):
                self._forced[row, : len(prefix)] = prefix
            self._any_forced = bool((self._forced[:, 0] >= 0).any())

    def checked_tokens(self, actions: Any, rows: Rows) -> tuple[NDArray[np.int64], NDArray[np.bool_] | None]:
        """Tokens int64 [n] of the episodes ``rows``, and which of them are masked, bool [n]; None where none is.

        Raises:
            InvalidAction: If there are not N integers, one is not in the vocabulary, or one is masked and that costs no
                penalty.
        """
        size, allowed = len(self.all_rows), self._definition.allowed
        every = np.asarray(actions)
        if every.shape != (size,) or every.dtype.kind not in "iu":
            raise InvalidAction(
                f"actions are {every.dtype} of shape {every.shape}; give {size} integers, one for each episode"
            )
        tokens = every if rows is self.all_rows else every[rows]
        outside = (tokens < 0) | (tokens >= len(allowed))
        if outside.any():
            place = int(np.flatnonzero(outside)[0])
            raise InvalidAction(
                f"token {tokens[place]} of episode {rows[place]} is not in the vocabulary; give 0..{len(allowed) - 1}"
            )
        masked = self._forbidden[tokens]
        places, forced = self._forced_tokens(rows)
        masked[places] = tokens[places] != forced
        if not masked.any():
            return tokens, None
        if self._definition.masked_action_penalty is None:
            place = int(np.flatnonzero(masked)[0])
            raise InvalidAction(
                f"token {tokens[place]} of episode {rows[place]} is masked; choose by infos['action_mask']"
            )
        return tokens, masked

    def write(self, rows: Rows, tokens: NDArray[np.int64]) -> None:
        """Append a token (int64 [n]) to each of the episodes ``rows``."""
        selected = self.selection(rows)
        self._prefix[rows, self.written[selected]] = tokens
        self.written[selected] += 1
        self._hypotheses.append(rows, tokens)

    def refuse(self, rows: Rows, tokens: NDArray[np.int64]) -> None:
        """Take note of the masked tokens (int64 [n]) that ended the episodes ``rows``."""
        self._masked_action[rows] = tokens

    def rate(self, rows: Rows) -> None:
        """Score the episodes that have been written to their end.

        Raises:
            ValueError: If a scorer gives something other than n numbers in [0, 1].
        """
        self._hypotheses.settle(rows)
        self.score[rows], others = self._definition.ratings(self._shown_text[rows].tolist(), self.texts[rows].tolist())
        for name, values in others.items():
            self._other_scores[name][rows] = values

    def observation(self, rows: Rows) -> Observation:
        """What the episodes ``rows`` show, int64 [n,...]."""
        return {
            "source": self._source[rows].astype(np.int64),
            "source_length": self._source_length[rows],
            "prefix": self._prefix[rows].astype(np.int64),
            "prefix_length": self.written[rows, None],
        }

    def observations(self) -> Observation:
        """What all episodes show, int64 [N,...]."""
        views = {
            "source": self._source,
            "source_length": self._source_length,
            "prefix": self._prefix,
            "prefix_length": self.written[:, None],
        }
        return {name: values.astype(np.int64) for name, values in views.items()} if self._copy else views

    def action_mask(self, rows: Rows) -> NDArray[np.int8]:
        """int8 [n,V], read-only: without a forced token all rows are one in memory."""
        shared = self._free_mask[: len(rows)]
        places, tokens = self._forced_tokens(rows)
        if not len(places):
            return shared
        mask = shared.copy()
        mask[places] = 0
        mask[places, tokens] = 1
        mask.flags.writeable = False
        return mask

    def infos(self, rows: Rows) -> Infos:
        """What the scalar environment says of each of the episodes ``rows``."""
        selected = self.selection(rows)
        values = {
            "source_text": self.source_text[selected].copy(),
            "hypothesis": self.texts[selected].copy(),
            "source_index": self._source_index[selected].copy(),
            "action_mask": self.action_mask(rows),
            "score": self.score[selected].copy(),
        }
        if self._definition.masked_action_penalty is not None:
            values["masked_action"] = self._masked_action[selected].copy()
        if self._definition.sources.long_source == "truncate":
            values["source_truncated"] = self._source_truncated[selected].copy()
        infos: Infos = {}
        for name, each in values.items():
            infos |= self._info(name, each, rows)
        if self._other_scores:
            infos["scores"], infos["_scores"] = {}, infos["_score"].copy()
            for name, scores in self._other_scores.items():
                infos["scores"] |= self._info(name, scores[selected].copy(), rows)
        return infos

    def _info(self, name: str, values: NDArray[Any], rows: Rows) -> Infos:
        """``values`` [n] of the episodes ``rows``, under Gymnasium's names for what only some have."""
        if len(rows) == len(self.all_rows):
            return {name: values, f"_{name}": self._everyone.copy()}
        there = np.zeros(len(self.all_rows), dtype=np.bool_)
        there[rows] = True
        missing = None if values.dtype == object else 0
        array = np.full((len(self.all_rows), *values.shape[1:]), missing, dtype=values.dtype)
        array[rows] = values
        return {name: array, f"_{name}": there}

    def _forced_tokens(self, rows: Rows) -> tuple[Rows, NDArray[np.int64]]:
        """Places among ``rows`` whose next token is forced, and these tokens."""
        if not self._any_forced:
            return rows[:0], rows[:0]
        tokens = self._forced[rows, self.written[rows]]
        places = np.flatnonzero(tokens >= 0)
        return places, tokens[places]

    def selection(self, rows: Rows) -> Rows | slice:
        """``rows`` as an index; all of them as a slice, which NumPy indexes with many times as fast."""
        return slice(None) if len(rows) == len(self.all_rows) else rows
