"""A SentencePiece model as a `tokenizers` backend."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import tokenizers
from tokenizers import models, normalizers, pre_tokenizers

from seq2seq_env.extras import require

MARK = "▁"
"""Stands for a space in a piece."""

# What a piece of a model's file is, and what a model is, in the numbers of SentencePiece's format.
_UNKNOWN, _CONTROL, _UNUSED = 2, 3, 5
_UNIGRAM, _BPE = 1, 2

# In place of pieces that no text may spell; from Unicode's private use area.
_NO_TEXT = "\ue000"


def read_pieces(path: Path) -> tokenizers.Tokenizer:
    """What splits a text into a SentencePiece model's pieces; the ids are the model's own.

    Its normalisation (a table of characters, spaces at the ends and repeated ones, the space put first) is the model's.

    Raises:
        FileNotFoundError: If there is no such file.
        ImportError: If the extra ``sentencepiece`` is not installed.
        ValueError: If it is no SentencePiece model, or one of another kind than unigram and BPE.
    """
    if not path.is_file():
        raise FileNotFoundError(f"no {path.name} in {str(path.parent)!r}; download the tokenizer whole")
    read = require("sentencepiece.sentencepiece_model_pb2", repr(str(path)))
    proto = read.ModelProto()
    try:
        proto.ParseFromString(path.read_bytes())
    except require("google.protobuf.message", repr(str(path))).DecodeError as error:
        raise ValueError(f"{str(path)!r} is no SentencePiece model ({error}); download it again") from error
    if not len(proto.pieces):
        raise ValueError(f"{str(path)!r} is a SentencePiece model without pieces; download it again")
    backend = tokenizers.Tokenizer(_model(proto, path))
    backend.normalizer = _normalizer(proto.normalizer_spec)
    prefix = "always" if proto.normalizer_spec.add_dummy_prefix else "never"
    backend.pre_tokenizer = pre_tokenizers.Metaspace(replacement=MARK, prepend_scheme=prefix)
    return backend


def join_pieces(pieces: Iterable[str]) -> str:
    """The text of pieces."""
    return "".join(pieces).replace(MARK, " ").strip()


def _model(proto: Any, path: Path) -> Any:
    spelled = [
        f"{_NO_TEXT}{token}" if piece.type in (_CONTROL, _UNUSED) else piece.piece
        for token, piece in enumerate(proto.pieces)
    ]
    unknown = next((token for token, piece in enumerate(proto.pieces) if piece.type == _UNKNOWN), None)
    if unknown is None:
        raise ValueError(f"{str(path)!r} has no piece for what is unknown; download it again")
    spelled[unknown] = f"{_NO_TEXT}{unknown}"
    scored = [(text, piece.score) for text, piece in zip(spelled, proto.pieces, strict=True)]
    fallback, kind = bool(proto.trainer_spec.byte_fallback), int(proto.trainer_spec.model_type)
    if kind == _UNIGRAM:
        return models.Unigram(scored, unk_id=unknown, byte_fallback=fallback)
    if kind == _BPE:
        ids = {text: token for token, text in enumerate(spelled)}
        return models.BPE(ids, _merges(scored, ids), unk_token=spelled[unknown], fuse_unk=True, byte_fallback=fallback)
    raise ValueError(f"{str(path)!r} is a SentencePiece model of words or characters; only unigram and BPE are known")


def _merges(scored: list[tuple[str, float]], ids: dict[str, int]) -> list[tuple[str, str]]:
    """The merges that make a BPE model's pieces, the best piece's first; of one piece in the order of their parts."""
    found = []
    for text, score in scored:
        parts = [(text[:cut], text[cut:]) for cut in range(1, len(text))]
        known = [(left, right) for left, right in parts if left in ids and right in ids]
        found += [(-score, ids[left], ids[right], left, right) for left, right in known]
    return [(left, right) for *_, left, right in sorted(found)]


def _normalizer(rules: Any) -> Any:
    steps: list[Any] = []
    if rules.precompiled_charsmap:
        steps.append(normalizers.Precompiled(rules.precompiled_charsmap))
    if rules.remove_extra_whitespaces:
        steps += [normalizers.Strip(), normalizers.Replace(tokenizers.Regex(" {2,}"), " ")]
    return normalizers.Sequence(steps)
