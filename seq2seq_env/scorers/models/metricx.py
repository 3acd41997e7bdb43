"""MetricX-23-QE and MetricX-24, the published scorers that the paper's reward is kin to."""

from __future__ import annotations

import re
import shlex
from collections.abc import Callable, Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Literal, NamedTuple, get_args

import numpy as np
import tokenizers
from numpy.typing import NDArray

from seq2seq_env.extras import EXTRAS, require
from seq2seq_env.hub import local_copy
from seq2seq_env.models.length_bucketing import length_buckets
from seq2seq_env.scorers.models.checkpoints import CheckpointScorer, files_fingerprint
from seq2seq_env.scorers.models.pairs import CONFIG_NAME
from seq2seq_env.scorers.scorer import Scorer
from seq2seq_env.scorers.spec import ScorerKind, ScorerSpec
from seq2seq_env.suggestions import check_name
from seq2seq_env.tokenization.tokenizer import FILE_NAME

if TYPE_CHECKING:
    from torch import Tensor

    from seq2seq_env.scorers.models.mt5_regression import MT5Regression

DType = Literal["float32", "bfloat16"]
"""Of the network's arithmetic."""

WORST = 25.0
"""The highest error; 0 is the lowest."""

_TOKENIZER = "google/mt5-xl"  # every size of mT5 has the same vocabulary
_PIECES = "spiece.model"
_WEIGHTS = "*.safetensors*"


class _Version(NamedTuple):
    """How a generation of MetricX reads a pair."""

    parts: tuple[str, str]
    max_tokens: int  # end-of-sequence included, which is taken away


_VERSIONS = {
    23: _Version(("candidate: {hypothesis}", " source: {source}"), 1_024),
    24: _Version(("source: {source}", " candidate: {hypothesis}"), 1_536),
}


class _Network(NamedTuple):
    """What is loaded at the first score."""

    model: MT5Regression
    row: Tensor  # float32 [D]
    tokenizer: tokenizers.Tokenizer


class MetricXScorer(CheckpointScorer[_Network], ScorerKind):
    """``1 - error / 25`` with the error in [0, 25] that MetricX predicts without a reference.

    The networks are those of Juraska et al. 2023 (aclanthology.org/2023.wmt-1.63) and 2024 (2024.wmt-1.35): an mT5
    reads source and hypothesis, the logit of ``<extra_id_10>`` at the decoder's first position is the error, clipped to
    [0, 25]. Input, clipping and lengths are those of github.com/google-research/metricx: version 23 reads ``candidate:
    H source: S``, of which it takes 1,024 tokens, version 24 ``source: S candidate: H``, 1,536, both without
    end-of-sequence. What is longer loses its end, as there.

    The published checkpoints hold no tokenizer: it is mT5's, of any size. To read its ``spiece.model`` takes ``pip
    install sentencepiece protobuf``, a ``tokenizer.json`` takes nothing. Weights are read from safetensors only. On the
    hub these are not in the main branch but in revisions, such as ``refs/pr/1`` of google/metricx-23-qe-large-v2p0 and
    google/metricx-24-hybrid-large-v2p6.

    As with :class:`LearnedScorer`, no pair is padded and equal pairs are computed once, so scores are batch-invariant,
    to 1e-5 on a CPU in float32. In "bfloat16", half the memory, each result is rounded to 8 bits: scores move by some
    thousandths, with the rest of the batch, too. Nothing is loaded before the first score,
    and a pickle leaves the network out and names the local files.

    Args:
        model: Folder of the checkpoint, or its name on the hub, which is downloaded here and now.
        tokenizer: Folder of mT5's tokenizer, or a name on the hub; None takes the model's folder where it has one, else
            google/mt5-xl.
        version: 23 or 24; None reads it off the model's name.
        revision: Of the model on the hub.
        dtype: "float32", whatever the weights are stored in, or "bfloat16".
        device: Where the network computes, "cpu" or "cuda:0" and the like.
        tokens_per_batch: Tokens of one forward pass at most, unless a single pair is longer. None is 2,048 on a CPU and
            16,384 on a GPU.

    Raises:
        FileNotFoundError: If a folder, its weights or its tokenizer are not there.
        ConnectionError: If the hub does not give what is named.
        ValueError: If the name tells no version, or one that needs references, or an option has no such value.
    """

    path_options: ClassVar[tuple[str, ...]] = ("tokenizer",)

    def __init__(
        self,
        model: str | Path,
        *,
        tokenizer: str | Path | None = None,
        version: int | None = None,
        revision: str | None = None,
        dtype: DType = "float32",
        device: str = "cpu",
        tokens_per_batch: int | None = None,
    ) -> None:
        self.version = _version_of(model) if version is None else version
        if self.version not in _VERSIONS:
            raise ValueError(f"there is no MetricX version {version}; choose one of {', '.join(map(str, _VERSIONS))}")
        check_name("dtype", dtype, get_args(DType))
        super().__init__(device, tokens_per_batch)
        self.dtype = dtype
        self.folder = local_copy(model, ("config.json", _WEIGHTS), revision)
        _check_weights(self.folder)
        self.tokenizer_files = _tokenizer_files(self.folder, tokenizer)

    @classmethod
    def from_spec(cls, spec: ScorerSpec, *, device: str, load: Callable[[str], Scorer]) -> MetricXScorer:
        """The scorer of the one checkpoint that the words name; see :meth:`ScorerKind.from_spec`."""
        options = spec.keyword_arguments(cls)
        if len(spec.words) != 1:
            raise ValueError(
                f"a metricx: scorer is made of one checkpoint, not of {len(spec.words)} ({shlex.join(spec.words)}); "
                "options stand before it"
            )
        return cls(spec.words[0], device=device, **options)

    @cached_property
    def fingerprint(self) -> str:
        """Hexadecimal sha256 over the files that determine the scores, the version and the arithmetic."""
        files = [self.folder / "config.json", *sorted(self.folder.glob(_WEIGHTS)), *self.tokenizer_files]
        return files_fingerprint(files, "metricx", str(self.version), self.dtype)

    def _rate(self, sources: list[str], hypotheses: list[str]) -> NDArray[np.float32]:
        import torch

        model, row, _ = self._network
        tokens = self._tokens(sources, hypotheses)
        errors = np.empty(len(tokens), dtype=np.float32)
        with torch.inference_mode():
            for rows in length_buckets([len(each) for each in tokens], self.tokens_per_batch, mixed=False):
                batch = torch.tensor([tokens[i] for i in rows], device=self.device)  # [B,L]
                errors[rows] = model.errors(batch, row).cpu().numpy()
        return np.asarray(1 - np.clip(errors, 0, WORST) / WORST, dtype=np.float32)

    def _tokens(self, sources: Sequence[str], hypotheses: Sequence[str]) -> list[list[int]]:
        """What the network reads of each pair."""
        (first, second), max_tokens = _VERSIONS[self.version]
        room = max_tokens - 1
        texts = [{"source": s, "hypothesis": h} for s, h in zip(sources, hypotheses, strict=True)]
        beginnings = [first.format(**text) for text in texts]
        whole = [begun + second.format(**text) for begun, text in zip(beginnings, texts, strict=True)]
        encodings = self._network.tokenizer.encode_batch(whole, add_special_tokens=False)
        label = second.index("{")
        for encoding, begun in zip(encodings, beginnings, strict=True):
            if len(encoding.ids) > room and encoding.offsets[room - 1][1] <= len(begun) + label:
                raise ValueError(
                    f"MetricX-{self.version} reads {room:,} tokens, all of which {begun[:80]!r}... takes, and nothing "
                    "of what follows; shorten it"
                )
        return [encoding.ids[:room] for encoding in encodings]

    def _load(self) -> _Network:
        import torch

        from seq2seq_env.scorers.models.mt5_regression import MT5Regression, output_row

        tokenizer = _read_tokenizer(self.tokenizer_files[0])
        try:
            row = output_row(sorted(self.folder.glob("*.safetensors")))
            loaded: Any = MT5Regression.from_pretrained(
                self.folder, use_safetensors=True, trust_remote_code=False, local_files_only=True,
                output_loading_info=True, dtype=getattr(torch, self.dtype),
            )  # fmt: skip
            model, loading = loaded
            if loading["missing_keys"]:
                raise ValueError(f"it lacks {', '.join(sorted(loading['missing_keys']))}")
        except Exception as error:  # of safetensors, PyTorch, JSON and the configuration's own checks
            reason = " ".join(f"{type(error).__name__}: {error}".split())
            raise ValueError(
                f"{str(self.folder)!r} is no MetricX checkpoint, or a corrupt one ({reason}); download it again"
            ) from error
        known, size = model.config.vocab_size, tokenizer.get_vocab_size()
        if size > known:
            raise ValueError(
                f"the tokenizer {str(self.tokenizer_files[0])!r} has {size:,} tokens, the model in "
                f"{str(self.folder)!r} knows {known:,}; take mT5's tokenizer"
            )
        return _Network(model.eval().to(self.device), row.to(self.device), tokenizer)


def _version_of(model: str | Path) -> int:
    name = Path(model).name.lower()
    if re.search("metricx-23-(?!qe)", name):
        raise ValueError(f"{str(model)!r} needs references; take a metricx-23-qe or metricx-24-hybrid checkpoint")
    version = re.search("metricx-(23|24)", name)
    if version is None:
        raise ValueError(f"{str(model)!r} does not tell the version of MetricX; say version=23 or version=24")
    return int(version[1])


def _check_weights(folder: Path) -> None:
    missing = [name for name in ("config.json", "*.safetensors") if not any(folder.glob(name))]
    if "*.safetensors" in missing and any(folder.glob("*.bin")):
        raise FileNotFoundError(
            f"{str(folder)!r} has its weights as a pickle only, which is never read; name a revision of the hub that "
            "has them as safetensors (refs/pr/1, say), or let transformers' MT5ForConditionalGeneration load them and "
            "save them in another folder"
        )
    if missing:
        raise FileNotFoundError(f"{str(folder)!r} is no MetricX checkpoint: it has no {', '.join(missing)}")


def _tokenizer_files(model: Path, tokenizer: str | Path | None) -> list[Path]:
    """The tokenizer and, for SentencePiece's, its configuration."""
    patterns = (FILE_NAME, _PIECES, CONFIG_NAME)
    if tokenizer is not None:
        folder = local_copy(tokenizer, patterns)
    elif any((model / name).is_file() for name in (FILE_NAME, _PIECES)):
        folder = model
    else:
        try:
            folder = local_copy(_TOKENIZER, patterns)
        except ConnectionError as error:
            raise ConnectionError(f"{str(model)!r} has no tokenizer, and {error}, with tokenizer=COPY") from error
    if (folder / FILE_NAME).is_file():
        return [folder / FILE_NAME]
    files = [folder / name for name in (_PIECES, CONFIG_NAME) if (folder / name).is_file()]
    if not (folder / _PIECES).is_file():
        raise FileNotFoundError(
            f"{str(folder)!r} has no tokenizer ({FILE_NAME} or {_PIECES}); name a folder with mT5's by tokenizer="
        )
    return files


def _read_tokenizer(path: Path) -> tokenizers.Tokenizer:
    try:
        tokenizer = tokenizers.Tokenizer.from_file(str(path)) if path.name == FILE_NAME else _from_pieces(path)
    except ImportError:
        raise
    except Exception as error:  # the libraries raise errors of many kinds
        reason = " ".join(f"{type(error).__name__}: {error}".split())
        raise ValueError(f"{str(path)!r} is no tokenizer ({reason}); download it again") from error
    tokenizer.no_padding()
    tokenizer.no_truncation()
    return tokenizer


def _from_pieces(path: Path) -> tokenizers.Tokenizer:
    for module in EXTRAS["sentencepiece"]:
        require(module, repr(str(path)))
    from transformers import T5Tokenizer

    # mT5's pieces hold the extra ids already.
    loaded = T5Tokenizer.from_pretrained(path.parent, local_files_only=True, trust_remote_code=False, extra_ids=0)
    backend: tokenizers.Tokenizer = loaded.backend_tokenizer
    return backend
