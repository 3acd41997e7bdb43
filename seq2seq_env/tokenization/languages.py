"""Language codes of pretrained models: which ones a model knows, and where they stand around a text."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any

CODES_FIRST = ("NllbTokenizer", "MBart50Tokenizer", "M2M100Tokenizer")
"""Tokenizers that write ``code text </s>`` on both sides."""

CODES_LAST = ("MBartTokenizer",)
"""Those that write ``text </s> code``, whose models take the target's code for a start token."""

# deu_Latn, zho_Hans; de_DE, en_XX
_CODE = re.compile(r"[a-z]{2,3}_[A-Z][A-Za-z]{1,3}")
# >>deu<< and __de__
_WRAPPED = re.compile(r">>([^<>]+)<<|__([a-z]+)__")


@dataclass(frozen=True)
class Surroundings:
    """Ids around a text.

    Attributes:
        source_prefix: Before a source.
        source_suffix: After a source.
        decoder_prefix: Before a target; the decoder is given them, they are not written.
        replaces_start: Whether they stand in place of the model's start token.
    """

    source_prefix: tuple[int, ...]
    source_suffix: tuple[int, ...]
    decoder_prefix: tuple[int, ...] = ()
    replaces_start: bool = False


def language_codes(vocabulary: Mapping[str, int], settings: Mapping[str, Any]) -> dict[str, int]:
    """The codes that a tokenizer knows, and their ids; none where a model is told nothing.

    Args:
        vocabulary: Token to id.
        settings: Of ``tokenizer_config.json``.
    """
    if kind(settings) in CODES_FIRST + CODES_LAST and kind(settings) != "M2M100Tokenizer":
        return {token: number for token, number in vocabulary.items() if _CODE.fullmatch(token)}
    if kind(settings) in ("M2M100Tokenizer", "MarianTokenizer"):
        matches = ((_WRAPPED.fullmatch(token), number) for token, number in vocabulary.items())
        return {match[1] or match[2]: number for match, number in matches if match}
    return {}


def tokenizer_class(settings: Mapping[str, Any], model: Mapping[str, Any], files: Collection[str]) -> str | None:
    """Which of the tokenizers above it is, by what the files say; None where nothing says.

    Args:
        settings: Of ``tokenizer_config.json``, which older ones leave empty.
        model: Of ``config.json``.
        files: Names of the tokenizer's files.
    """
    known = (*CODES_FIRST, *CODES_LAST, "MarianTokenizer")
    if kind(settings) in known:
        return kind(settings)
    if "source.spm" in files or "target.spm" in files:
        return "MarianTokenizer"
    by_model = {"mbart": "MBartTokenizer", "m2m_100": "M2M100Tokenizer" if "vocab.json" in files else "NllbTokenizer"}
    return by_model.get(str(model.get("model_type")), settings.get("tokenizer_class"))


def surroundings(
    settings: Mapping[str, Any],
    codes: Mapping[str, int],
    source_language: str | None,
    target_language: str | None,
    own: tuple[tuple[int, ...], tuple[int, ...]],
    eos_id: int,
) -> Surroundings:
    """What stands around sources and targets of two languages.

    Args:
        settings: Of ``tokenizer_config.json``.
        codes: What :func:`language_codes` found.
        source_language: Code of the source's language; None where the model is told none.
        target_language: Likewise.
        own: Ids that the tokenizer itself puts before and after a text, for models that are told no languages.
        eos_id: End-of-sequence.

    Raises:
        ValueError: If a code is unknown, missing, or given to a model that is told no languages.
    """
    name = kind(settings)
    if name in CODES_FIRST + CODES_LAST:
        if source_language is target_language is None and settings.get("tgt_lang"):  # of one pair, and saved so
            source_language, target_language = settings.get("src_lang"), settings["tgt_lang"]
        source = _code(codes, "source_language", source_language)
        target = _code(codes, "target_language", target_language)
        if name in CODES_LAST:
            return Surroundings((), (eos_id, source), (target,), replaces_start=True)
        if settings.get("legacy_behaviour"):
            return Surroundings((), (eos_id, source), (target,))
        return Surroundings((source,), (eos_id,), (target,))
    if name == "MarianTokenizer" and codes:
        if source_language is not None:
            raise ValueError(f"the model is told no source language; leave source_language {source_language!r} out")
        return Surroundings((_code(codes, "target_language", target_language),), (eos_id,))
    for option, given in (("source_language", source_language), ("target_language", target_language)):
        if given is not None:
            raise ValueError(f"the model knows no language codes; leave {option} {given!r} out")
    before, after = own
    if after[-1:] != (eos_id,):
        after = (*after, eos_id)
    return Surroundings(before, after, before)


def kind(settings: Mapping[str, Any]) -> str:
    """The tokenizer's class, without what marks a fast one."""
    return str(settings.get("tokenizer_class") or "").removesuffix("Fast")


def _code(codes: Mapping[str, int], option: str, language: str | None) -> int:
    if language in codes:
        return codes[str(language)]
    shown = ", ".join(sorted(codes)[:8]) + (f" and {len(codes) - 8} more" if len(codes) > 8 else "")
    if language is None:
        raise ValueError(f"the model must be told its languages; give {option}, one of {shown}")
    near = [code for code in sorted(codes) if code.startswith(language[:2])]
    raise ValueError(f"the model knows no {option} {language!r}; it knows {', '.join(near[:8]) or shown}")
