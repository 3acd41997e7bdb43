"""Tokenizer of a pretrained model, with its own special tokens, sides and language codes."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from typing import Any, ClassVar, Self

from seq2seq_env.extras import require
from seq2seq_env.hub import local_copy
from seq2seq_env.tokenization.languages import Surroundings, kind, language_codes, surroundings, tokenizer_class
from seq2seq_env.tokenization.library import library_tokenizer, readable_tokenizer
from seq2seq_env.tokenization.tokenizer import FILE_NAME, Pieces, Tokenizer, read_backend

LANGUAGES = "translation.json"
"""Beside a pretrained model's tokenizer: between which languages it is to translate."""

CONFIG = "tokenizer_config.json"
FILES = (
    CONFIG, FILE_NAME, "special_tokens_map.json", "added_tokens.json", "vocab.json", "target_vocab.json", "merges.txt",
    "source.spm", "target.spm", "sentencepiece.bpe.model", "spiece.model", "chat_template.jinja",
)  # fmt: skip
"""What tokenizers consist of."""

_SPECIAL = ("eos_token", "unk_token", "pad_token", "bos_token", "cls_token", "sep_token", "mask_token")


Split = Callable[[Sequence[str]], list[list[int]]]
"""Texts to the ids of their tokens, without anything around them."""


class PretrainedTokenizer(Tokenizer):
    """A tokenizer in the Hugging Face hub's format, of one pair of languages.

    ``tokenizer.json`` is read as it is (T5, BART, mBART, NLLB); SentencePiece files need the extra ``sentencepiece``:
    Marian's ``source.spm`` and ``target.spm`` and M2M100's ``sentencepiece.bpe.model``, whose pieces have their ids in
    ``vocab.json``, and those that transformers converts (mT5, mBART-50). A special token that a text spells is text, or
    unknown. Decoded texts are the library's own, special tokens skipped, but for its clean-up of spaces, which the
    tokenizers of translation models leave off.

    *Languages.* A language's code, or what else a model wants before a target (BART's ``<s>``), is given to the decoder
    with its start token (``decoder_prefix``). It is no part of a target: there is nothing to choose, so it has
    probability 1 and no place in trajectories, episodes or losses.

    Attributes:
        record: File beside the tokenizer's that says with which options it was made.

    Args:
        name: Folder with the tokenizer's files, or the model's name on the hub.
        source_language: Code of the source's language, where the model is told it ("deu_Latn", "de_DE", "de").
        target_language: Code of the target's language, likewise; of multilingual Marian models, too ("deu").
        source_prefix: Text put before every source ("translate German to English: "); special tokens in it are meant
            ("<2en> ").

    Raises:
        FileNotFoundError: If files are missing.
        OSError: If the hub does not have the model or cannot be reached.
        ImportError: If they are SentencePiece files and the extra ``sentencepiece`` is not installed.
        ValueError: If the files are corrupt or of an unknown kind, a language's code is missing or unknown, or the
            prefix holds what the tokenizer does not know, or the model is decoder-only.
    """

    record: ClassVar[str] = LANGUAGES

    def __init__(
        self,
        name: str | Path,
        source_language: str | None = None,
        target_language: str | None = None,
        source_prefix: str = "",
    ) -> None:
        self._options: dict[str, Any] = {
            "source_language": source_language, "target_language": target_language, "source_prefix": source_prefix,
        }  # fmt: skip
        self._read_all(name)

    def _read_all(self, name: str | Path) -> None:
        folder = local_copy(name, [*FILES, "config.json"])
        self._files = {file: (folder / file).read_bytes() for file in FILES if (folder / file).is_file()}
        if not self._files:
            raise FileNotFoundError(f"no tokenizer in {str(name)!r}; name a model's folder, or its name on the hub")
        self._name = str(name)
        settings = self._settings()
        model = _json(folder / "config.json") if (folder / "config.json").is_file() else {}
        self._check_model(model)
        settings["tokenizer_class"] = tokenizer_class(settings, model, self._files)
        self._files[CONFIG] = written_json(settings)
        self._read(folder, settings)
        self.eos_id, self.unk_id, self.pad_id = (self._id(settings, f"{each}_token") for each in ("eos", "unk", "pad"))
        codes = language_codes(self._vocabulary, settings)
        self.start_id = self.pad_id
        special = {self._vocabulary[token] for token in self._special(settings) if token in self._vocabulary}
        written = {self.eos_id, self.unk_id} - {self.pad_id}
        self.never_written = frozenset({self.pad_id, *special, *codes.values()} - written)
        self.vocab_size = max(self._vocabulary.values()) + 1
        around, self.text_prefix = self._surroundings(settings, codes)
        self.source_prefix, self.source_suffix = around.source_prefix, around.source_suffix
        self.decoder_prefix, self.replaces_start = around.decoder_prefix, around.replaces_start
        self.fingerprint = self._digest()

    def encode(self, texts: Sequence[str]) -> list[list[int]]:
        """See :meth:`Tokenizer.encode`; ends with ``source_suffix``."""
        rows = self._split(self._source, [self.text_prefix + text for text in texts])
        return [[*self.source_prefix, *row, *self.source_suffix] for row in rows]

    def encode_targets(self, texts: Sequence[str]) -> list[list[int]]:
        """See :meth:`Tokenizer.encode_targets`."""
        return [[*row, self.eos_id] for row in self._split(self._target, texts)]

    def decode(self, tokens: Iterable[Sequence[int]]) -> list[str]:
        """See :meth:`Tokenizer.decode`."""
        if FILE_NAME in self._files:
            return super().decode(tokens)
        silent = {self.eos_id, self.unk_id, *self.never_written}
        rows = [[token for token in row if token not in silent] for row in self._until_end(tokens)]
        # SentencePiece joins them to the same text, at several times the cost.
        return ["".join(self._spelled.get(token, "") for token in row).replace("▁", " ").strip() for row in rows]

    @cached_property
    def pieces(self) -> Pieces | None:
        """See :meth:`Tokenizer.pieces`."""
        # Pieces of SentencePiece models lose the space at either end, which depends on their neighbours.
        return super().pieces if FILE_NAME in self._files else None

    def save(self, folder: Path) -> None:
        """Write the files that were read and the languages, for ``transformers.AutoTokenizer``, too."""
        folder = Path(folder)
        for file, content in self._files.items():
            (folder / file).write_bytes(content)
        told = {"src_lang": self._options.get("source_language"), "tgt_lang": self._options.get("target_language")}
        settings = self._parsed(CONFIG) | {key: language for key, language in told.items() if language is not None}
        (folder / CONFIG).write_bytes(written_json(settings))
        (folder / self.record).write_bytes(written_json(self._options))

    @classmethod
    def load(cls, folder: Path) -> Self:
        """Read what :meth:`save` wrote."""
        return cls(folder, **_json(Path(folder) / cls.record))

    def _surroundings(self, settings: dict[str, Any], codes: Mapping[str, int]) -> tuple[Surroundings, str]:
        """Ids around a text, and text that joins a source's from before it."""
        languages = self._options["source_language"], self._options["target_language"]
        around = surroundings(settings, codes, *languages, self._own(), self.eos_id)
        before, text = self._prefix(self._options["source_prefix"])
        return replace(around, source_prefix=(*around.source_prefix, *before)), text

    def _check_model(self, config: dict[str, Any]) -> None:
        """Refuse a model that reads its sources otherwise, by its ``config.json``."""
        if any(kind.endswith(("ForCausalLM", "LMHeadModel")) for kind in config.get("architectures") or ()):
            raise ValueError(
                f"{self._name!r} is a decoder-only model, which reads a prompt; give the option prompt with {{source}} "
                "in it, or chat"
            )

    def _settings(self) -> dict[str, Any]:
        """``tokenizer_config.json``, with what older tokenizers have beside it."""
        settings: dict[str, Any] = {}
        for file in ("special_tokens_map.json", CONFIG):
            if file in self._files:
                settings |= self._parsed(file)
        return settings

    def _parsed(self, file: str) -> dict[str, Any]:
        try:
            return dict(json.loads(self._files[file]))
        except (ValueError, TypeError) as error:
            raise ValueError(f"{file} of {self._name!r} is corrupt ({error}); download it again") from error

    def _read(self, folder: Path, settings: dict[str, Any]) -> None:
        """Set ``_backend`` or ``_spelled``; and ``_vocabulary``, ``_source`` and ``_target``."""
        name = kind(settings)
        if FILE_NAME in self._files or name not in ("MarianTokenizer", "M2M100Tokenizer"):
            self._read_backend(folder)
        elif name == "MarianTokenizer":
            self._read_pieces(folder, "source.spm", "target.spm")
        else:
            self._read_pieces(folder, "sentencepiece.bpe.model", "sentencepiece.bpe.model")
            from transformers.models.m2m_100.tokenization_m2m_100 import FAIRSEQ_LANGUAGE_CODES

            # The file has no tokens for languages: their ids follow the vocabulary, in transformers' order.
            size = len(self._vocabulary)
            codes = FAIRSEQ_LANGUAGE_CODES[settings.get("language_codes", "m2m100")]
            self._vocabulary |= {f"__{code}__": size + place for place, code in enumerate(codes)}

    def _read_pieces(self, folder: Path, source: str, target: str) -> None:
        if "target_vocab.json" in self._files:
            raise ValueError(f"{self._name!r} has a vocabulary for each side; choose a model that shares one")
        if "vocab.json" not in self._files:
            raise FileNotFoundError(f"no vocab.json in {str(folder)!r}; download the tokenizer whole")
        ids: dict[str, int] = self._parsed("vocab.json")
        unknown = ids.get("<unk>", 1)

        def splitter(model: Any) -> Split:
            # The model's own ids are of another order than the vocabulary that both sides share.
            return lambda texts: [
                [ids.get(piece, unknown) for piece in pieces] for pieces in model.encode(list(texts), out_type=str)
            ]

        self._vocabulary, self._spelled = dict(ids), {token: piece for piece, token in ids.items()}
        self._source = splitter(_sentence_pieces(folder / source))
        self._target = splitter(_sentence_pieces(folder / target))

    def _read_backend(self, folder: Path) -> None:
        if FILE_NAME not in self._files:
            self._files[FILE_NAME] = _converted(folder).encode()
        self._backend = read_backend(self._files[FILE_NAME], folder / FILE_NAME)
        self._backend.no_padding()
        self._backend.no_truncation()
        self._backend.encode_special_tokens = True
        self._vocabulary = self._backend.get_vocab(with_added_tokens=True)
        self._source = self._target = self._split_by_backend

    def _split_by_backend(self, texts: Sequence[str]) -> list[list[int]]:
        return [encoding.ids for encoding in self._backend.encode_batch(list(texts), add_special_tokens=False)]

    def _split(self, split: Split, texts: Sequence[str]) -> list[list[int]]:
        rows = split(texts)
        # Unigram models hold special tokens among their pieces, and find them where a text spells one.
        special = self.never_written | {self.eos_id}
        for place, row in enumerate(rows):
            if not special.isdisjoint(row):
                rows[place] = [self.unk_id if token in special else token for token in row]
        return rows

    def _prefix(self, text: str) -> tuple[list[int], str]:
        """Ids of a prefix up to its last special token, and the text after that, which joins a source's."""
        spelled = sorted((token for token, number in self._vocabulary.items() if number in self.never_written), key=len)
        pattern = "|".join(map(re.escape, reversed(spelled)))
        *before, rest = re.split(f"({pattern})", text) if spelled else [text]
        ids: list[int] = []
        for place, part in enumerate(before):
            ids += [self._vocabulary[part]] if place % 2 else self._split(self._source, [part])[0]
        if self.unk_id in (*ids, *self._split(self._source, [rest])[0]):
            raise ValueError(
                f"the tokenizer of {self._name!r} does not know all of source_prefix {text!r}; write it in its tokens"
            )
        return ids, rest

    def _own(self) -> tuple[tuple[int, ...], tuple[int, ...]]:
        """Ids that the backend itself puts before and after a text."""
        if FILE_NAME not in self._files:
            return (), (self.eos_id,)
        # Templates are of many kinds; what one adds shows around any text.
        text = "a"
        bare = self._backend.encode(text, add_special_tokens=False).ids
        full = self._backend.encode(text).ids
        start = next(place for place in range(len(full)) if full[place : place + len(bare)] == bare)
        return tuple(full[:start]), tuple(full[start + len(bare) :])

    def _id(self, settings: dict[str, Any], name: str) -> int:
        token = (
            content_of(settings.get(name)) or {"eos": "</s>", "unk": "<unk>", "pad": "<pad>"}[name.partition("_")[0]]
        )
        if token not in self._vocabulary:
            raise ValueError(f"the tokenizer of {self._name!r} has no {name} {token!r}; download it again")
        return self._vocabulary[token]

    def _special(self, settings: dict[str, Any]) -> set[str]:
        tokens = {content_of(settings.get(name)) or "" for name in _SPECIAL}
        for name in ("additional_special_tokens", "extra_special_tokens"):
            others = settings.get(name) or []
            tokens |= {content_of(token) or "" for token in (others.values() if isinstance(others, dict) else others)}
        if FILE_NAME in self._files:
            added = self._backend.get_added_tokens_decoder().values()
            tokens |= {str(token.content) for token in added if token.special}
        return tokens - {""}

    def _digest(self) -> str:
        around = [self.source_prefix, self.source_suffix, self.decoder_prefix, self.replaces_start, self.text_prefix]
        special = [self.eos_id, self.unk_id, self.pad_id, sorted(self.never_written)]
        digest = hashlib.sha256(json.dumps([around, special, sorted(self._vocabulary.items())]).encode())
        for name in (FILE_NAME,) if FILE_NAME in self._files else filter(_is_pieces, FILES):
            digest.update(self._files.get(name, b""))
        return digest.hexdigest()

    def __reduce__(self) -> Any:
        return _restored, (type(self), self._files, self._name, self._options)


def _restored(
    kind: type[PretrainedTokenizer], files: dict[str, bytes], name: str, options: dict[str, Any]
) -> PretrainedTokenizer:
    from tempfile import TemporaryDirectory

    with TemporaryDirectory() as folder:
        for file, content in files.items():
            (Path(folder) / file).write_bytes(content)
        tokenizer = kind(folder, **options)
    tokenizer._name = name
    return tokenizer


def _is_pieces(name: str) -> bool:
    return name.endswith((".spm", ".model"))


def _sentence_pieces(path: Path) -> Any:
    """The ``SentencePieceProcessor`` of a model's file."""
    if not path.is_file():
        raise FileNotFoundError(f"no {path.name} in {str(path.parent)!r}; download the tokenizer whole")
    library = require("sentencepiece", repr(str(path)))
    try:
        return library.SentencePieceProcessor(model_file=str(path))
    except (RuntimeError, OSError) as error:
        raise ValueError(f"{str(path)!r} is no SentencePiece model ({error}); download it again") from error


def _converted(folder: Path) -> str:
    """What the library makes of files without ``tokenizer.json``, as the content of one."""
    pieces = [name for name in FILES if _is_pieces(name) and (folder / name).is_file()]
    if not pieces and not (folder / "vocab.json").is_file():
        raise FileNotFoundError(f"no {FILE_NAME} and no vocabulary in {str(folder)!r}; download the tokenizer whole")
    for file in pieces:
        require("sentencepiece", repr(str(folder / file)))
    with readable_tokenizer(str(folder), f"name a folder with {FILE_NAME}"):
        content: str = library_tokenizer(folder).backend_tokenizer.to_str()
    return content


def content_of(token: Any) -> str | None:
    """The text of a special token, which a file gives by itself or with its properties."""
    return token.get("content") if isinstance(token, dict) else token


def _json(path: Path) -> dict[str, Any]:
    try:
        return dict(json.loads(path.read_text("utf-8")))
    except (ValueError, TypeError) as error:
        raise ValueError(f"{str(path)!r} is corrupt ({error}); save or download it again") from error


def written_json(content: dict[str, Any]) -> bytes:
    """A JSON file's content."""
    return (json.dumps(content, indent=2, sort_keys=True) + "\n").encode()
