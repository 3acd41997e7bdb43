"""Random streams of CTranslate2: an engine each, whose one thread draws what is sampled together, and nothing else.

Shape letters: B sources, C candidates of each, L tokens in all.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from threading import Lock
from typing import Any, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from agents.policy.seq2seq_policy import Seq2SeqPolicy
from seq2seq_env.extras import require
from seq2seq_env.models.decoder_only import is_decoder_only

# CTranslate2 takes a thread's seed from a global of the process.
_SEEDING = Lock()

_SAMPLING: dict[str, Any] = {"beam_size": 1, "sampling_topk": 0, "return_scores": True}


class Written(NamedTuple):
    """Tokens of B * C rows, a source's together; each row's tokens come in their order."""

    rows: NDArray[np.int64]
    """int64 [L]."""
    tokens: NDArray[np.int64]
    """int64 [L]."""
    log_prob: NDArray[np.float32]
    """float32 [L]."""


class Stream(Protocol):
    """Draws what depends on its seed and on what it drew before."""

    def write(self, sources: Sequence[Sequence[int]], candidates: int) -> Written:
        """So many targets of every source."""


def open_stream(
    policy: Seq2SeqPolicy,
    names: Sequence[str],
    files: dict[str, bytes],
    compute_type: str,
    seed: int,
    first: Sequence[int],
) -> Stream:
    """A stream of a converted policy.

    Args:
        policy: Gives the lengths, the decoder start, the constraint and the device.
        names: What each token is called in the converted model.
        files: Of the converted model.
        compute_type: Arithmetic.
        seed: From 0 to 2**32 - 2.
        first: Any source: for an empty one nothing is drawn.
    """
    kind = _Generating if is_decoder_only(policy.model.config) else _Translating
    settings = {
        "device": policy.device.type,
        "device_index": policy.device.index or 0,
        "compute_type": compute_type,
        "inter_threads": 1,
        "intra_threads": 1,
        "files": dict(files),
    }
    with _SEEDING:
        library().set_random_seed(seed)
        stream = kind(policy, names, settings)
        # The thread reads the seed when it first draws.
        stream.begin(first)
    return stream


class _Translating:
    """An encoder-decoder."""

    def __init__(self, policy: Seq2SeqPolicy, names: Sequence[str], settings: dict[str, Any]) -> None:
        self._translator = library().Translator("model", **settings)
        self._names = names
        # The rest of the decoder start is a prefix to the library, which returns it with what was drawn.
        self._forced = len(policy.start) - 1
        self._prefix = [names[token] for token in (*policy.start[1:], *policy.constraint.prefix)]
        self._settings = _SAMPLING | {"min_decoding_length": 0, "max_input_length": 0}
        self._longest = self._forced + policy.max_target_length

    def begin(self, first: Sequence[int]) -> None:
        self._translator.translate_batch(self._named([first]), max_decoding_length=1, **self._settings)

    def write(self, sources: Sequence[Sequence[int]], candidates: int) -> Written:
        """See :class:`Stream`."""
        named = self._named(sources)

        def draw(callback: Callable[[Any], object]) -> None:
            self._translator.translate_batch(
                named, [self._prefix] * len(named), callback=callback, num_hypotheses=candidates,
                max_decoding_length=self._longest, **self._settings,
            )  # fmt: skip

        rows, tokens, log_prob = _drawn(draw, candidates)
        lengths = np.bincount(rows)
        kept = np.arange(len(rows)) - np.repeat(lengths.cumsum() - lengths, lengths) >= self._forced
        return Written(rows[kept], tokens[kept], log_prob[kept])

    def _named(self, sources: Sequence[Sequence[int]]) -> list[list[str]]:
        return [[self._names[token] for token in source] for source in sources]


class _Generating:
    """A decoder-only model: a source, the decoder start and the constraint's prefix are its prompt."""

    def __init__(self, policy: Seq2SeqPolicy, names: Sequence[str], settings: dict[str, Any]) -> None:
        self._generator = library().Generator("model", **settings)
        self._names, self._start = names, (*policy.start, *policy.constraint.prefix)
        self._prefix = np.array(policy.constraint.prefix, dtype=np.int64)
        self._settings = _SAMPLING | {"min_length": 0, "include_prompt_in_result": False}
        self._longest = policy.max_target_length - len(self._prefix)

    def begin(self, first: Sequence[int]) -> None:
        self._generator.generate_batch(self._prompts([first]), max_length=1, **self._settings)

    def write(self, sources: Sequence[Sequence[int]], candidates: int) -> Written:
        """See :class:`Stream`."""
        prompts = self._prompts(sources)

        def draw(callback: Callable[[Any], object]) -> None:
            self._generator.generate_batch(
                prompts, callback=callback, num_hypotheses=candidates, max_length=self._longest, **self._settings
            )

        written = _drawn(draw, candidates)
        count, length = len(sources) * candidates, len(self._prefix)
        rows = np.concatenate([np.repeat(np.arange(count), length), written.rows])
        tokens = np.concatenate([np.tile(self._prefix, count), written.tokens])
        log_prob = np.concatenate([np.zeros(count * length, dtype=np.float32), written.log_prob])
        order = np.argsort(rows, kind="stable")
        return Written(rows[order], tokens[order], log_prob[order])

    def _prompts(self, sources: Sequence[Sequence[int]]) -> list[list[str]]:
        return [[self._names[token] for token in (*source, *self._start)] for source in sources]


def _drawn(draw: Callable[[Callable[[Any], object]], None], candidates: int) -> Written:
    """What a call that reports every token to its callback draws, row after row."""
    steps: list[Any] = []
    draw(steps.append)  # the method itself, as a function around it would double the time of a token
    rows = np.array([step.batch_id * candidates + step.hypothesis_id for step in steps], dtype=np.int64)
    order = np.argsort(rows, kind="stable")
    tokens = np.array([step.token_id for step in steps], dtype=np.int64)
    log_prob = np.array([step.log_prob for step in steps], dtype=np.float32)
    return Written(rows[order], tokens[order], log_prob[order])


def library() -> Any:
    """CTranslate2.

    Raises:
        ImportError: If the extra ``ct2`` is not installed.
    """
    return require("ctranslate2", "the engine ctranslate2")
