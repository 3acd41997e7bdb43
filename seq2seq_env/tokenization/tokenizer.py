"""Tokenizer of a task: text to token ids and back."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from functools import cached_property
from pathlib import Path
from typing import NamedTuple

import tokenizers
from tokenizers import decoders, models, pre_tokenizers
from tokenizers.processors import TemplateProcessing

END, UNKNOWN, PADDING = "</s>", "<unk>", "<pad>"
FILE_NAME = "tokenizer.json"


class Pieces(NamedTuple):
    """What each token of a vocabulary adds to a text."""

    first: tuple[str, ...]
    """Where nothing that is not silent stands before it."""
    later: tuple[str, ...]
    """Elsewhere."""
    silent: tuple[bool, ...]
    """Whether it is a special token, which adds nothing and after which the first token is still to come."""


class Tokenizer:
    """A `tokenizers` model that source and target share, whose special tokens lie where Marian puts them.

    End-of-sequence is 0, unknown is 1, padding is the last id and also starts the decoder. CTranslate2's Marian
    converter relies on exactly this order.
    :class:`seq2seq_env.tokenization.pretrained_tokenizer.PretrainedTokenizer` has other layouts, and sides that differ.

    Attributes:
        vocab_size: V; every id is below it.
        eos_id: End-of-sequence, which ends every target.
        unk_id: Stands for what the tokenizer does not know.
        pad_id: Padding.
        never_written: Ids that no target holds: padding, and other special tokens but end-of-sequence and unknown.
        source_prefix: Ids that every encoded source begins with.
        source_suffix: Ids that every encoded source ends with.
        text_prefix: Text that is split into tokens with every source after it, as T5's "translate German to English: "
            is: they stand between ``source_prefix`` and the source's own.
        decoder_prefix: Ids that a decoder is given before a target: a language's code, say. They are no part of the
            target, as there is nothing to choose.
        replaces_start: Whether ``decoder_prefix`` stands in place of a model's start token, and not after it.
        fingerprint: Hexadecimal sha256 of all that the ids depend on.

    Args:
        backend: A `tokenizers.Tokenizer` that holds the three special tokens at those ids.

    Raises:
        ValueError: If a special token is missing or elsewhere.
    """

    decoder_prefix: tuple[int, ...] = ()
    replaces_start: bool = False
    source_prefix: tuple[int, ...] = ()
    text_prefix: str = ""

    def __init__(self, backend: tokenizers.Tokenizer) -> None:
        self.vocab_size: int = backend.get_vocab_size()
        self.eos_id, self.unk_id, self.pad_id = 0, 1, self.vocab_size - 1
        self.start_id = self.pad_id
        self.never_written = frozenset({self.pad_id})
        self.source_suffix: tuple[int, ...] = (self.eos_id,)
        for token, wanted in ((END, self.eos_id), (UNKNOWN, self.unk_id), (PADDING, self.pad_id)):
            token_id = backend.token_to_id(token)
            if token_id != wanted:
                raise ValueError(
                    f"token {token!r} has id {token_id}, not {wanted}; train the tokenizer with Marian's order"
                )
        # A text that spells a special token is text.
        backend.encode_special_tokens = True
        # encode appends the end itself; what a file says of it is for other readers.
        backend.post_processor = None
        self._backend = backend
        self.fingerprint: str = hashlib.sha256(backend.to_str().encode()).hexdigest()

    def encode(self, texts: Sequence[str]) -> list[list[int]]:
        """Token ids of each text as a source, with all that a model reads around it: end-of-sequence at least."""
        # Of two ways to the same ids, the one that counts no offsets into the text.
        return [[*encoding.ids, self.eos_id] for encoding in self._backend.encode_batch_fast(list(texts))]

    def encode_targets(self, texts: Sequence[str]) -> list[list[int]]:
        """Token ids of each text as a target, end-of-sequence last."""
        return self.encode(texts)

    def decode(self, tokens: Iterable[Sequence[int]]) -> list[str]:
        """Text of each target up to its first end-of-sequence, special tokens dropped."""
        texts: list[str] = self._backend.decode_batch(self._until_end(tokens), skip_special_tokens=True)
        return texts

    def _until_end(self, tokens: Iterable[Sequence[int]]) -> list[list[int]]:
        rows = []
        for row in tokens:
            ids = [int(token) for token in row]
            rows.append(ids[: ids.index(self.eos_id)] if self.eos_id in ids else ids)
        return rows

    @cached_property
    def pieces(self) -> Pieces | None:
        """Texts whose concatenation :meth:`decode` gives; None where a token's text depends on its neighbours."""
        special = {token for token, added in self._backend.get_added_tokens_decoder().items() if added.special}
        silent = tuple(token in special or token == self.eos_id for token in range(self.vocab_size))
        tokens = ["" if silent[i] else self._backend.id_to_token(i) or "" for i in range(self.vocab_size)]
        decoder = self._backend.decoder
        if decoder is None:
            spaced = tuple("" if quiet else f" {token}" for token, quiet in zip(tokens, silent, strict=True))
            return Pieces(tuple(tokens), spaced, silent)
        if isinstance(decoder, decoders.Metaspace):
            mark, start = decoder.replacement, "" if decoder.prepend_scheme != "never" else " "
            first, later = (tuple(token.replace(mark, by) for token in tokens) for by in (start, " "))
            return Pieces(first, later, silent)
        return None

    def save(self, folder: Path) -> None:
        """Write ``tokenizer.json`` into ``folder``, which says that a text ends in end-of-sequence."""
        written = tokenizers.Tokenizer.from_str(self._backend.to_str())
        written.post_processor = TemplateProcessing(
            single=f"$A {END}", pair=f"$A {END} $B:1 {END}:1", special_tokens=[(END, self.eos_id)]
        )
        written.save(str(Path(folder) / FILE_NAME))

    @classmethod
    def load(cls, folder: Path) -> Tokenizer:
        """Read what :meth:`save` wrote; :func:`seq2seq_env.tokenization.loading.load_tokenizer` reads any tokenizer.

        Raises:
            FileNotFoundError: If the folder holds none.
            ValueError: If it is corrupt, or its special tokens lie elsewhere.
        """
        path = Path(folder) / FILE_NAME
        if not path.is_file():
            raise FileNotFoundError(f"no {FILE_NAME} in {str(folder)!r}; name a folder that a policy or task saved")
        return cls(read_backend(path.read_bytes(), path))

    @classmethod
    def from_words(cls, words: Iterable[str]) -> Tokenizer:
        """A tokenizer with one token for each whitespace-separated word, in the order given."""
        vocabulary = {token: i for i, token in enumerate([END, UNKNOWN, *dict.fromkeys(words), PADDING])}
        backend = tokenizers.Tokenizer(models.WordLevel(vocabulary, unk_token=UNKNOWN))
        backend.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
        backend.add_special_tokens([END, UNKNOWN, PADDING])
        return cls(backend)


def read_backend(content: bytes, path: Path) -> tokenizers.Tokenizer:
    """The model that a ``tokenizer.json`` describes; ``path`` is where it lies, for the error.

    Raises:
        ValueError: If it is corrupt.
    """
    try:
        backend: tokenizers.Tokenizer = tokenizers.Tokenizer.from_buffer(content)
    except Exception as error:  # the library raises plain Exceptions
        raise ValueError(f"{str(path)!r} is no tokenizer ({error}); save or download it again") from error
    return backend
