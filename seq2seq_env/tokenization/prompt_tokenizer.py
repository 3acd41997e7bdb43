"""Tokenizer of a decoder-only model: a prompt around every source, and what ends a target."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar

from seq2seq_env.tokenization.chat_template import render_chat
from seq2seq_env.tokenization.languages import Surroundings
from seq2seq_env.tokenization.pretrained_tokenizer import CONFIG, PretrainedTokenizer, content_of, written_json
from seq2seq_env.tokenization.tokenizer import FILE_NAME, PADDING

PROMPT = "prompt.json"
"""Beside a decoder-only model's tokenizer: the prompt."""

SOURCE = "{source}"
"""What stands for a source in a prompt."""


class PromptTokenizer(PretrainedTokenizer):
    """A decoder-only model's tokenizer in the Hugging Face hub's format, with one prompt for all sources.

    A source in tokens is the prompt up to its end; what the prompt has after the source is the decoder start
    (``decoder_prefix``), which no target holds. Special tokens that the prompt spells are meant, those that a source
    spells are text. The text around a source is split into tokens with it before it, and by itself after it.

    *End of a target.* Of a chat template it is the token that ends the assistant's turn (``<|im_end|>``), else the
    tokenizer's own end-of-sequence.

    *Padding.* Many of these models have no token for padding, or take end-of-sequence, which a target holds; then
    ``<pad>`` is added, and the model gets an embedding for it where it has none. What a tokenizer without an unknown
    token does not know, there is not: padding stands in for it.

    Args:
        name: Folder with the tokenizer's files, or the model's name on the hub.
        prompt: Text with ``{source}`` in it, "German: {source} English:", say.
        chat: Whether the prompt is a user's message in the tokenizer's chat template.
        end: Token that ends a target; None takes what is said above. Where it is given, the prompt is taken as it is,
            without the beginning-of-sequence that the tokenizer itself would put before it.

    Raises:
        FileNotFoundError: If files are missing.
        OSError: If the hub does not have the model or cannot be reached.
        ImportError: If they are SentencePiece files and the extra ``sentencepiece`` is not installed.
        ValueError: If the files are corrupt, the prompt does not hold one ``{source}`` or ends with it, there is no
            chat template, or it writes more after a target than one token.
    """

    record: ClassVar[str] = PROMPT

    def __init__(self, name: str | Path, prompt: str = SOURCE, chat: bool = False, end: str | None = None) -> None:
        if prompt.count(SOURCE) != 1:
            raise ValueError(f"prompt {prompt!r} holds {SOURCE} {prompt.count(SOURCE)} times; write it once")
        if not chat and prompt.endswith(SOURCE):
            raise ValueError(
                f"prompt {prompt!r} ends with {SOURCE}; put something after it that tells where a target begins, a new "
                "line, say"
            )
        self._options = {"prompt": prompt, "chat": chat, "end": end}
        self._read_all(name)

    def _check_model(self, config: dict[str, Any]) -> None:
        """Nothing: the network is asked, when a policy is made of it."""

    def _read(self, folder: Path, settings: dict[str, Any]) -> None:
        self._read_backend(folder)
        prompt, end = self._options["prompt"], self._options["end"]
        if self._options["chat"]:
            prompt, end = render_chat(folder, self._name, prompt)
        elif end is None:
            first, _ = self._own()
            prompt = "".join(str(self._backend.id_to_token(token)) for token in first) + prompt
        end = end or content_of(settings.get("eos_token"))
        if end not in self._vocabulary:
            raise ValueError(f"the tokenizer of {self._name!r} has no token {end!r} to end a target; download it again")
        # A chat template may write another text on another day: what is kept is what it wrote.
        self._options = {"prompt": prompt, "chat": False, "end": end}
        padding = content_of(settings.get("pad_token"))
        if padding == end or padding not in self._vocabulary:
            padding = PADDING
            if padding not in self._vocabulary:
                self._backend.add_special_tokens([PADDING])
                self._files[FILE_NAME] = self._backend.to_str().encode()
                self._vocabulary = self._backend.get_vocab(with_added_tokens=True)
        unknown = content_of(settings.get("unk_token"))
        if unknown == end or unknown not in self._vocabulary:
            unknown = padding
        settings |= {"eos_token": end, "pad_token": padding, "unk_token": unknown}
        self._files[CONFIG] = written_json(settings)

    def _surroundings(self, settings: dict[str, Any], codes: Mapping[str, int]) -> tuple[Surroundings, str]:
        before, _, after = self._options["prompt"].partition(SOURCE)
        special = {token for token, number in self._vocabulary.items() if number in (*self.never_written, self.eos_id)}
        pattern = "|".join(map(re.escape, sorted(special, key=len, reverse=True)))
        ends = [match.end() for match in re.finditer(pattern, before)]
        last = ends[-1] if ends else 0
        # Some tokenizers put a mark before the first word of a text: not where the text goes on.
        anchor = self._meant("a")
        following = self._meant("a" + after)
        joined = following[: len(anchor)] == anchor
        start = following[len(anchor) :] if joined else self._meant(after)
        if not start:
            raise ValueError(
                f"the prompt {self._options['prompt']!r} has no token after the source; put words after {SOURCE}, by "
                "which it is known where a target begins"
            )
        return Surroundings(tuple(self._meant(before[:last])), (), tuple(start), replaces_start=True), before[last:]

    def _meant(self, text: str) -> list[int]:
        """Ids of a text whose special tokens are meant."""
        self._backend.encode_special_tokens = False
        try:
            ids: list[int] = self._backend.encode(text, add_special_tokens=False).ids
        finally:
            self._backend.encode_special_tokens = True
        return ids
