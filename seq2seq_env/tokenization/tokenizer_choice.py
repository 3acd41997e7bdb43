"""Choice of the tokenizer that a task of a user's pairs takes."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

from seq2seq_env.tokenization.pretrained_tokenizer import LANGUAGES, PretrainedTokenizer
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

    @classmethod
    def of(
        cls, name: str | Path | None, source_language: str | None, target_language: str | None, source_prefix: str
    ) -> TokenizerChoice:
        """A choice that means the same in another process's working folder.

        Raises:
            ValueError: If there are languages or a prefix and no tokenizer.
        """
        options = dict(zip(cls._fields[1:], (source_language, target_language, source_prefix), strict=True))
        if name is None and any(options.values()):
            option = next(option for option, value in options.items() if value)
            raise ValueError(f"{option} is for a pretrained model's tokenizer; name one with tokenizer or --pretrained")
        if name is not None and Path(name).is_dir():
            name = Path(name).absolute()
        return cls(name, source_language, target_language, source_prefix)

    def load(self) -> Tokenizer:
        """The tokenizer.

        Raises:
            FileNotFoundError: If files are missing.
            OSError: If it cannot be had from the hub.
            ValueError: If it is corrupt, or does not know a language.
        """
        assert self.name is not None
        place = Path(self.name)
        if (place / LANGUAGES).is_file() and not any(self[1:]):
            return PretrainedTokenizer.load(place)
        if not any(self[1:]) and place.is_dir():
            try:
                return Tokenizer.load(place)
            except (FileNotFoundError, ValueError):
                pass  # it is no tokenizer of ours
        return PretrainedTokenizer(self.name, self.source_language, self.target_language, self.source_prefix)
