"""Terminal game: an episode played by a person, lines in, the state of the environment out."""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import gymnasium as gym

from seq2seq_env.mdp.sources import FREE_TEXT
from seq2seq_env.tasks.task import Task

HELP = """\
TEXT           write it, after a space where something is written already
:join TEXT     write it without a space before it, such as a full stop
:12 40 7       write tokens by their ids
:end           write end-of-sequence, which ends the episode; the first score takes a while to load the scorer
:undo          take back what the last line wrote
:tokens TEXT   show how text is tokenised
:help          show this
:quit          stop
"""


class BadLineError(ValueError):
    """A line that the game cannot take; the episode is as it was before it."""


class Game:
    """Episodes in an environment, written line by line.

    A line is written whole or not at all, one token per step; ``HELP`` says what a line may be. Text is written in
    tokens that make the hypothesis read exactly as typed, which a tokenizer that treats the start of a text differently
    does not give by itself.

    Args:
        env: ``Seq2SeqTranslate-v0`` on ``task``, with ``render_mode="ansi"``.
        task: Tokenises, and knows references and true quality.
        split: Where ``env`` draws sources.

    Attributes:
        playing: False before the first ``start``, after the end of an episode and after ``:quit``.
        stopped: True after ``:quit``.
    """

    def __init__(self, env: gym.Env[Any, Any], task: Task, split: str) -> None:
        self._env = env
        self._task = task
        self._tokenizer = task.tokenizer
        self._split = split
        self._with_text = {":join": self._join, ":tokens": self._show_tokens}
        self._alone = {":end": self._end, ":undo": self._undo, ":help": lambda: HELP, ":quit": self._quit}
        self.playing = False
        self.stopped = False

    def start(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> str:
        """Begin an episode, as ``env.reset`` does, and return its state as text.

        Raises:
            ValueError: If the source is empty or too long.
            IndexError: If ``options["source_index"]`` is not a row of the split.
        """
        observation, info = self._env.reset(seed=seed, options=options)
        self._limit = len(observation["prefix"])
        self._mask = info["action_mask"]
        self._source, self._index = info["source_text"], info["source_index"]
        self._tokens: list[int] = []
        self._hypothesis = ""
        self._lengths: list[int] = []  # tokens before each line that wrote some
        self.playing = True
        return self._state()

    def enter(self, line: str) -> str:
        """Do what a line says and return what to show.

        Raises:
            BadLineError: If the line cannot be taken; the message is one sentence.
            ValueError: If the scorer fails.
        """
        line = line.strip()
        try:
            line.encode()
        except UnicodeEncodeError:
            raise BadLineError("the line is not UTF-8; set the terminal to UTF-8 and type it again") from None
        if not line:
            return self._state()
        if not line.startswith(":"):
            return self._write(self._continuation(line, joined=False))
        command, *rest = line.split(maxsplit=1)
        text = rest[0] if rest else ""
        if command in self._with_text:
            if not text:
                raise BadLineError(f"{command} needs text after it; type {command} TEXT")
            return self._with_text[command](text)
        if command in self._alone:
            if text:
                raise BadLineError(f"{command} stands alone, but {text!r} comes after it; type {command}")
            return self._alone[command]()
        return self._write(self._ids(line[1:].split()))

    def _write(self, tokens: Sequence[int]) -> str:
        left = self._limit - len(self._tokens)
        if len(tokens) > left:
            raise BadLineError(f"that is {len(tokens)} tokens, more than the {left} left; shorten it, or type :end")
        self._lengths.append(len(self._tokens))
        return self._step(tokens)

    def _step(self, tokens: Sequence[int]) -> str:
        for token in tokens:
            _, _, terminated, truncated, info = self._env.step(token)
            self._tokens.append(token)
            self._hypothesis = info["hypothesis"]
            if terminated or truncated:
                self.playing = False
                return self._state() + self._verdict(terminated)
        return self._state()

    def _join(self, text: str) -> str:
        return self._write(self._continuation(text, joined=True))

    def _show_tokens(self, text: str) -> str:
        return self._pieces(self._encoded(text)) + "\n"

    def _end(self) -> str:
        return self._write([self._tokenizer.eos_id])

    def _quit(self) -> str:
        self.playing, self.stopped = False, True
        return ""

    def _undo(self) -> str:
        if not self._lengths:
            raise BadLineError("nothing is written yet, so there is nothing to undo; type a translation")
        lengths, kept = self._lengths[:-1], self._tokens[: self._lengths[-1]]
        free = self._index == FREE_TEXT
        self.start(options={"source": self._source} if free else {"source_index": self._index})
        self._lengths = lengths
        return self._step(kept)

    def _state(self) -> str:
        left = self._limit - len(self._tokens)
        shown = f"tokens      {len(self._tokens)} written, {left} left"
        if self._tokens:
            shown += f": {self._pieces(self._tokens)}"
        return f"{self._env.render()}{shown}\n"

    def _verdict(self, terminated: bool) -> str:
        lines = ["ended       " + ("by end-of-sequence" if terminated else "by the length limit")]
        if self._index != FREE_TEXT:
            reference = self._task.pair(self._split, self._index)[1]
            if reference is not None:
                lines.append(f"reference   {reference}")
            # An oracle knows what its own sources mean, and nobody else's.
            if self._task.oracle is not None:
                quality = float(self._task.oracle([self._source], [self._hypothesis])[0])
                lines.append(f"quality     {quality:.3f}, the true one")
        return "\n".join(lines) + "\n"

    def _continuation(self, text: str, *, joined: bool) -> list[int]:
        """Tokens that make the hypothesis go on with exactly this text."""
        # Terminals may send an accent as a character of its own.
        text = unicodedata.normalize("NFC", text)
        if self._tokenizer.unk_id in self._encoded(text):
            unknown = [word for word in text.split() if self._tokenizer.unk_id in self._encoded(word)] or [text]
            shown = ", ".join(map(repr, dict.fromkeys(unknown)))
            raise BadLineError(f"the tokenizer does not know all of {shown}; type it in other words or characters")
        before = self._hypothesis
        wanted = before + text if joined or not before or before[-1].isspace() else f"{before} {text}"
        whole = self._encoded(wanted)
        candidates = [whole[len(self._tokens) :]] if whole[: len(self._tokens)] == self._tokens else []
        if not joined:
            candidates += [self._encoded(text), self._encoded(f" {text}")]
        if not candidates:
            raise BadLineError(f"{text!r} would change tokens written before; :undo them, or give token ids")
        decoded = self._tokenizer.decode([*self._tokens, *tokens] for tokens in candidates)
        for tokens, written in zip(candidates, decoded, strict=True):
            # A space that was written by its id may show with the next word only.
            spaced = not joined and written.endswith(text) and written.split() == wanted.split()
            if written == wanted or spaced:
                return tokens
        raise BadLineError(f"the tokenizer writes {decoded[0]!r} for {wanted!r}; type what it can write")

    def _encoded(self, text: str) -> list[int]:
        return self._tokenizer.encode_targets([text])[0][:-1]

    def _ids(self, words: Sequence[str]) -> list[int]:
        if not words or not words[0].lstrip("+-").isdigit():
            raise BadLineError(f"there is no command ':{' '.join(words)}'; type :help for those there are")
        tokens = []
        for word in words:
            try:
                token = int(word)
            except ValueError:
                raise BadLineError(f"{word!r} is not a token id; give 0 to {len(self._mask) - 1}") from None
            if not 0 <= token < len(self._mask):
                raise BadLineError(f"token {token} is not in the vocabulary; give 0 to {len(self._mask) - 1}")
            if not self._mask[token]:
                raise BadLineError(f"token {token} is masked, as it can never be right; give another")
            tokens.append(token)
        if self._tokenizer.eos_id in tokens[:-1]:
            raise BadLineError(f"token {self._tokenizer.eos_id} ends the episode; give it last")
        return tokens

    def _pieces(self, tokens: Sequence[int]) -> str:
        """Each token's id and what it adds to the text."""
        decoded = self._tokenizer.decode(tokens[:end] for end in range(len(tokens) + 1))
        pieces = [repr(after.removeprefix(before)) for before, after in pairwise(decoded)]
        named = {self._tokenizer.unk_id: "unknown", self._tokenizer.eos_id: "end"}
        return "  ".join(f"{token} {named.get(token, piece)}" for token, piece in zip(tokens, pieces, strict=True))
