"""A policy sampled by its own network in another arithmetic, or with buffers of fixed shapes."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from threading import Lock
from typing import Any

from torch import Tensor

from agents.policy.decoders import Decoder, Opener, encode_sources
from agents.policy.generation import inference, most_sources
from agents.policy.marian_decoder import MarianDecoder, MarianWeights, has_plain_decoder
from agents.policy.seq2seq_policy import Seq2SeqPolicy
from agents.policy.static_decoder import StaticMarianDecoder
from agents.sampling.engine_sampler import EngineSampler
from buffers import Samples
from seq2seq_env.models.low_precision_names import Arithmetic


class NetworkSampler(EngineSampler):
    """A :class:`buffers.Sampler` of a Marian policy whose decoder computes otherwise than the policy's own.

    The encoder computes in float32. A token's log-probability is the one that it was drawn with, and the random numbers
    are those of :meth:`Seq2SeqPolicy.sample`. In float32 the samples are the policy's, up to rounding at the edge
    between two tokens.

    In "int8" what goes into a layer is rounded by the range of all rows that are written together, so that a
    translation depends a little on its batch: what is sampled depends on the weights, the sources in their order, the
    number of candidates, the temperature and the seed.

    The weights are taken when the sampler is made; a policy that is trained afterwards needs a new one.

    Args:
        policy: What to sample.
        compute_type: Of the decoder's linear layers; others than "float32" sample a policy a little off it, whose
            log-probabilities they give.
        static: Whether buffers keep their shapes, so that a GPU replays each step as one CUDA graph; one thread samples
            at a time then.

    Raises:
        ValueError: If the network is no plain Marian model.
    """

    def __init__(self, policy: Seq2SeqPolicy, compute_type: Arithmetic = "float32", *, static: bool = False) -> None:
        if not has_plain_decoder(policy.model):
            raise ValueError(
                "only a plain Marian decoder has another arithmetic or static buffers, not this policy's, a "
                f"{policy.model.config.model_type!r} model; use the engine transformers with compute_type float32"
            )
        super().__init__(policy)
        self.compute_type, self.static = compute_type, static
        with inference(policy.model):
            self._weights = MarianWeights(policy.model, compute_type)
        self._decoder: StaticMarianDecoder | None = None
        self._in_use = Lock()

    @property
    def engine(self) -> str:
        """What the bytes depend on beside the policy."""
        return " ".join(
            ["transformers", *["static"] * self.static, *[self.compute_type] * (self.compute_type != "float32")]
        )

    def sample(self, sources: Sequence[Sequence[int]], num_candidates: int, temperature: float, seed: int) -> Samples:
        """Draw ``num_candidates`` translations of every source; see :meth:`Seq2SeqPolicy.sample`.

        Raises:
            TypeError: If a source is a text.
            ValueError: If a number is out of range, a source is empty or too long.
            RuntimeError: If the policy has been trained since the sampler was made.
        """
        self.check_unchanged()
        drawn = partial(self.policy.sample, sources, num_candidates, temperature, seed)
        if not self.static:
            return drawn(opener=self._open(partial(MarianDecoder, self._weights)))
        with self._in_use:
            return drawn(opener=self._open(self._static(sources, num_candidates).open))

    def _open(self, kind: Any) -> Opener:
        def opened(source: Tensor, source_mask: Tensor) -> Decoder:
            decoder: Decoder = kind(encode_sources(self.policy.model, source, source_mask), source_mask)
            return decoder

        return opened

    def _static(self, sources: Sequence[Sequence[int]], num_candidates: int) -> StaticMarianDecoder:
        """Buffers that hold the sources' rows: those of before, where they are large enough."""
        policy, decoder = self.policy, self._decoder
        most = most_sources(max(1, num_candidates), policy.device, policy.tokenizer.vocab_size)
        rows = min(len(sources), most) * num_candidates
        length = max(map(len, sources), default=1)
        if decoder is None or decoder.rows < rows or decoder.source_length < length:
            longest = len(policy.start) - 1 + policy.max_target_length
            with inference(policy.model):
                decoder = self._decoder = StaticMarianDecoder(self._weights, rows, length, longest)
        return decoder
