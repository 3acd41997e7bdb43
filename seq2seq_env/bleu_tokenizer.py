"""Choice of sacrebleu's tokenizers for BLEU and TER, by how the references are written."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from seq2seq_env.extras import is_installed
from seq2seq_env.writing import HAN, HANGUL, KANA, is_spaced, share

_PRESENT = 0.05
"""Share of a script's characters from which on a language is written in it, names and quotations apart."""


def bleu_tokenizer(references: Sequence[str]) -> str:
    """What sacrebleu takes for the references' language; 13a leaves a sentence of Chinese a single word.

    Japanese and Korean are cut by a library where it is installed, Japanese and other scripts without spaces into
    characters elsewhere.
    """
    if share(KANA, references) > _PRESENT:
        return "ja-mecab" if is_installed("MeCab") and is_installed("ipadic") else "char"
    if share(HANGUL, references) > _PRESENT:
        return "ko-mecab" if is_installed("mecab_ko") else "13a"
    if is_spaced(references):
        return "13a"
    return "zh" if share(HAN, references) > _PRESENT else "char"


def ter_options(references: Sequence[str]) -> dict[str, Any]:
    """Options of sacrebleu's TER: words between spaces, as tercom has it, or the characters of East Asian text."""
    east_asian = bleu_tokenizer(references) != "13a"
    return {"normalized": east_asian, "asian_support": east_asian}
