"""Encoded pairs: source and hypothesis as the one token sequence that a scorer's network reads."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import tokenizers
from tokenizers.processors import TemplateProcessing

from seq2seq_env.atomic_files import write_json
from seq2seq_env.tokenization.tokenizer import FILE_NAME, Tokenizer, read_backend
from seq2seq_env.writing import shortened

CONFIG_NAME = "tokenizer_config.json"


class EncodedPair(NamedTuple):
    """Tokens of one pair, special tokens included; both lists have the same length."""

    tokens: list[int]
    segments: list[int]  # 0 where a token belongs to the source, 1 to the hypothesis


class PairEncoder:
    """Encodes (source, hypothesis) with the pair template that the checkpoint's ``tokenizer.json`` holds.

    Every fast tokenizer on the hub has such a template (``[CLS] source [SEP] hypothesis [SEP]`` and the like).
    :meth:`from_tokenizer` gives one of ours ``</s> source </s> hypothesis </s>``: the first token is the same for all
    pairs, as BERT-like models expect of the position whose state they classify.

    A pair longer than ``max_length`` loses the end of its hypothesis.

    Args:
        backend: With a post-processor for pairs. It is the encoder's own from here on.
        max_length: Tokens the network can read, special tokens included; None for no limit.
    """

    def __init__(self, backend: tokenizers.Tokenizer, max_length: int | None = None) -> None:
        backend.no_padding()
        backend.no_truncation()
        # Special tokens are the template's: a hypothesis that spells one is text, and cannot end itself early.
        backend.encode_special_tokens = True
        self._backend = backend
        self._special = backend.num_special_tokens_to_add(is_pair=True)
        self.vocab_size: int = backend.get_vocab_size()
        self.max_length = max_length

    @classmethod
    def from_tokenizer(cls, tokenizer: Tokenizer, max_length: int | None = None) -> PairEncoder:
        """An encoder on a copy of ``tokenizer``, with the template ``</s> source </s> hypothesis </s>``."""
        with tempfile.TemporaryDirectory() as folder:
            tokenizer.save(Path(folder))
            backend = tokenizers.Tokenizer.from_file(str(Path(folder) / FILE_NAME))
        end = backend.id_to_token(tokenizer.eos_id)
        backend.post_processor = TemplateProcessing(
            single=f"{end} $A {end}",
            pair=f"{end} $A {end} $B:1 {end}:1",
            special_tokens=[(end, tokenizer.eos_id)],
        )
        return cls(backend, max_length)

    @classmethod
    def load(cls, folder: Path, max_length: int | None = None) -> PairEncoder:
        """Read ``tokenizer.json``; ``model_max_length`` in ``tokenizer_config.json`` may lower ``max_length``.

        Raises:
            ValueError: If the tokenizer is corrupt.
        """
        limits = [max_length]
        config = folder / CONFIG_NAME
        if config.is_file():
            limits.append(json.loads(config.read_text("utf-8")).get("model_max_length"))
        # The hub writes "no limit" as 1e30.
        known = [int(limit) for limit in limits if limit is not None and float(limit) < 1e9]
        path = folder / FILE_NAME
        return cls(read_backend(path.read_bytes(), path), min(known, default=None))

    def encode(self, sources: Sequence[str], hypotheses: Sequence[str]) -> list[EncodedPair]:
        """``N`` encoded pairs; an empty hypothesis is a pair like any other.

        Raises:
            ValueError: If a source leaves no room for a hypothesis.
        """
        distinct = list(dict.fromkeys(sources))
        encoded = dict(zip(distinct, self._backend.encode_batch_fast(distinct, add_special_tokens=False), strict=True))
        pairs = []
        for source, hypothesis in zip(
            sources, self._backend.encode_batch_fast(list(hypotheses), add_special_tokens=False), strict=True
        ):
            if self.max_length is not None:
                room = self.max_length - self._special - len(encoded[source])
                if room < 1:
                    raise ValueError(
                        f"a source of {len(encoded[source])} tokens leaves no room for a hypothesis in the "
                        f"{self.max_length} that the scorer reads; shorten {shortened(source)}"
                    )
                hypothesis.truncate(room)
            pair = self._backend.post_process(encoded[source], hypothesis)
            pairs.append(EncodedPair(pair.ids, pair.type_ids))
        return pairs

    def save(self, folder: Path) -> None:
        """Write ``tokenizer.json`` and what ``transformers.AutoTokenizer`` wants beside it."""
        self._backend.save(str(folder / FILE_NAME))
        config = {
            "tokenizer_class": "PreTrainedTokenizerFast",
            "model_input_names": ["input_ids", "token_type_ids", "attention_mask"],
            "clean_up_tokenization_spaces": False,
        }
        if self.max_length is not None:
            config["model_max_length"] = self.max_length
        write_json(folder / CONFIG_NAME, config)
