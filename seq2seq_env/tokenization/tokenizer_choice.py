"""Choice of the tokenizer that a task of a user's pairs takes."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

from seq2seq_env.tokenization.loading import load_tokenizer
from seq2seq_env.tokenization.pretrained_tokenizer import PretrainedTokenizer
from seq2seq_env.tokenization.prompt_tokenizer import SOURCE, PromptTokenizer
from seq2seq_env.tokenization.tokenizer import Tokenizer


class TokenizerChoice(NamedTuple):
    """A tokenizer that exists already, and the languages it is to translate between."""

    name: str | Path | None
    """Folder of a tokenizer or a model, or a model's name on the hub; None: none is chosen."""
    source_language: str | None = None
    """Code of the source's language; see :class:`PretrainedTokenizer`."""
    target_language: str | None = None
    """Code of the target's language."""
    source_prefix: str = ""
    """Text put before every source."""
    prompt: str = ""
    """Text around every source of a decoder-only model, with ``{source}`` in it; see :class:`PromptTokenizer`."""
    chat: bool = False
    """Whether that is a user's message in the tokenizer's chat template; without a prompt the source is."""

    @classmethod
    def of(
        cls,
        name: str | Path | None,
        source_language: str | None = None,
        target_language: str | None = None,
        source_prefix: str = "",
        prompt: str = "",
        chat: bool = False,
    ) -> TokenizerChoice:
        """A choice that means the same in another process's working folder.

        Raises:
            ValueError: If there are languages, a prefix or a prompt and no tokenizer, or a prompt beside the others.
        """
        values = (source_language, target_language, source_prefix, prompt, chat)
        options = [option for option, value in zip(cls._fields[1:], values, strict=True) if value]
        if name is None and options:
            raise ValueError(
                f"{options[0]} is for a pretrained model's tokenizer; name one with tokenizer or --pretrained"
            )
        if (prompt or chat) and options[0] not in ("prompt", "chat"):
            raise ValueError(f"{options[0]} is for encoder-decoders, {options[-1]} for decoder-only models; give one")
        if name is not None and Path(name).is_dir():
            name = Path(name).absolute()
        return cls(name, *values)

    def load(self) -> Tokenizer:
        """The tokenizer.

        Raises:
            FileNotFoundError: If files are missing.
            OSError: If it cannot be had from the hub.
            ValueError: If it is corrupt, or does not know a language.
        """
        assert self.name is not None
        place = Path(self.name)
        if not any(self[1:]) and place.is_dir():
            saved = any((place / kind.record).is_file() for kind in (PretrainedTokenizer, PromptTokenizer))
            try:
                return load_tokenizer(place)
            except (FileNotFoundError, ValueError):
                if saved:
                    raise
                # it is no tokenizer of ours
        if self.prompt or self.chat:
            return PromptTokenizer(self.name, self.prompt or SOURCE, self.chat)
        return PretrainedTokenizer(self.name, self.source_language, self.target_language, self.source_prefix)


def check_room(tokenizer: Tokenizer, max_tokens: int) -> None:
    """Refuse a length limit that the text around a source fills.

    Raises:
        ValueError: If nothing is left for a source.
    """
    [around] = tokenizer.encode([""])
    if len(around) >= max_tokens:
        raise ValueError(
            f"the text around a source takes {len(around)} tokens, and max_tokens {max_tokens} leaves no room for a "
            "source; give more, or a shorter prompt"
        )
