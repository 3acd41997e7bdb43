"""Loading of a saved tokenizer of any kind."""

from __future__ import annotations

from pathlib import Path

from seq2seq_env.tokenization.pretrained_tokenizer import PretrainedTokenizer
from seq2seq_env.tokenization.prompt_tokenizer import PromptTokenizer
from seq2seq_env.tokenization.tokenizer import Tokenizer


def load_tokenizer(folder: Path) -> Tokenizer:
    """The tokenizer that the ``save`` of its class wrote.

    Raises:
        FileNotFoundError: If the folder holds none, or files are missing.
        ImportError: If it needs an extra that is not installed.
        ValueError: If it is corrupt, or its special tokens lie elsewhere.
    """
    for kind in (PretrainedTokenizer, PromptTokenizer):
        if (Path(folder) / kind.record).is_file():
            return kind.load(folder)
    return Tokenizer.load(folder)
