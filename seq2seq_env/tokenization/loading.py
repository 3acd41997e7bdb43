"""Loading of a saved tokenizer of either kind."""

from __future__ import annotations

from pathlib import Path

from seq2seq_env.tokenization.pretrained_tokenizer import LANGUAGES, PretrainedTokenizer
from seq2seq_env.tokenization.tokenizer import Tokenizer


def load_tokenizer(folder: Path) -> Tokenizer:
    """The tokenizer that :meth:`Tokenizer.save` or :meth:`PretrainedTokenizer.save` wrote.

    Raises:
        FileNotFoundError: If the folder holds none, or files are missing.
        ImportError: If it needs an extra that is not installed.
        ValueError: If it is corrupt, or its special tokens lie elsewhere.
    """
    kind = PretrainedTokenizer if (Path(folder) / LANGUAGES).is_file() else Tokenizer
    return kind.load(folder)
