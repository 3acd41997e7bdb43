"""The policy: an encoder-decoder that samples, translates and says how likely a translation is.

Shape letters: B batch or sources, S source length, T target length, V vocabulary, N trajectories, L tokens in all.
"""

from __future__ import annotations

import copy
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Self

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from agents.policy import checkpoints
from agents.policy.decoders import open_decoder
from agents.policy.generation import Decoded, as_samples, beam_search, decode, uniforms
from agents.policy.inputs import check_sampling, check_targets, check_temperature, encode_sources
from agents.policy.marian import build_marian
from agents.policy.model_card import policy_card
from agents.policy.policy_config import PolicyConfig
from agents.policy.pretrained import check_fit, load_pretrained
from agents.policy.teacher_forcing import Pairs, log_distributions, padded, target_log_probs, target_logits
from buffers import Samples, TokenBatch
from seq2seq_env.constraint import Constraint
from seq2seq_env.models.decoder_start import decoder_start
from seq2seq_env.models.length_bucketing import length_buckets, token_budget
from seq2seq_env.models.padding import pad
from seq2seq_env.publishing import Publication, Publishable
from seq2seq_env.tokenization.tokenizer import Tokenizer

if TYPE_CHECKING:
    from transformers import PreTrainedModel

# Rows decoded together. On a CPU more rows fall out of the cache; a GPU is idle with fewer.
ROWS = {"cpu": 512, "cuda": 4096}

# Logits held at once while targets are scored: 128 MiB of float32.
LOGITS_AT_ONCE = 2**25


class Seq2SeqPolicy(Publishable):
    """``pi(y | x)``: a Hugging Face encoder-decoder and the tokenizer of its texts.

    *The distribution.* Sampling at temperature ``T`` draws from ``softmax(logits / T)`` over the vocabulary without
    padding and without the unknown token: the environment masks padding too, and no writer chooses "unknown". A
    reference may still hold an unknown token, so :meth:`log_probs` gives it the probability it has with only padding
    left out; every number stays finite. Evaluation, sampling and training share this one definition.

    *Constraint.* What may be written can be narrowed to a vocabulary and a beginning, with the same ``Constraint`` that
    the environment takes: sampling, evaluation and training then know no other targets. A forced token has probability
    1, so it adds nothing to the policy's gradient.

    *Chance.* A trajectory's tokens depend on the weights and on (seed, row of the source, number of the candidate),
    not on the batch they were written in (up to float rounding at the edge between two tokens).

    *Start.* A model's start token and a language's code are given to the decoder before a target, and are no part of
    it: trajectories begin with the first token that is chosen.

    Attributes:
        start: Ids that the decoder is given before a target.

    Args:
        model: Any Hugging Face encoder-decoder, in float32.
        tokenizer: Of both source and target.
        max_target_length: Tokens after which writing stops, end-of-sequence included.
        constraint: What may be written; None: anything.

    Raises:
        ValueError: If model and tokenizer do not belong together, the length does not fit the model, or the constraint
            not the tokenizer.
    """

    def __init__(
        self,
        model: PreTrainedModel,
        tokenizer: Tokenizer,
        max_target_length: int,
        constraint: Constraint | None = None,
    ) -> None:
        check_fit(model, tokenizer)
        # T5 has relative positions and no limit.
        limit = int(getattr(model.config, "max_position_embeddings", sys.maxsize))
        self.start = decoder_start(model.config, tokenizer)
        self._longest = limit - len(self.start) + 1
        if not 1 <= max_target_length <= self._longest:
            raise ValueError(
                f"max_target_length is {max_target_length}; the model has positions for 1 to {self._longest} tokens"
            )
        model.train(False)
        self.model = model
        self.tokenizer = tokenizer
        self.max_target_length = max_target_length
        self.max_source_length = limit
        self.constraint = constraint or Constraint()
        self.constraint.check(tokenizer, max_target_length)
        blocked = np.flatnonzero(~self.constraint.allowed(tokenizer)).tolist()
        self._blocked = sorted({*blocked, tokenizer.unk_id, *range(tokenizer.vocab_size, model.config.vocab_size)})

    @classmethod
    def from_pretrained(cls, name: str | Path, tokenizer: Tokenizer, max_target_length: int) -> Self:
        """A model by name on the Hugging Face hub or by folder, as it is: Marian, M2M100, NLLB, mBART, BART, T5, mT5.

        Args:
            name: "Helsinki-NLP/opus-mt-de-en", say; only safetensors are read, and no code of the model is run.
            tokenizer: The model's, :class:`seq2seq_env.tokenization.pretrained_tokenizer.PretrainedTokenizer`.
            max_target_length: Tokens after which writing stops.

        Raises:
            OSError: If the model cannot be had, or has no safetensors.
            ValueError: If it is no encoder-decoder, or the tokenizer is not its own.
        """
        return cls(load_pretrained(name), tokenizer, max_target_length)

    @classmethod
    def from_config(cls, tokenizer: Tokenizer, config: PolicyConfig, seed: int = 0) -> Self:
        """A small Marian model with random weights.

        Args:
            tokenizer: Of the task.
            config: Sizes.
            seed: Determines the weights; the global generator is left as it was.
        """
        return cls(build_marian(tokenizer, config, seed), tokenizer, config.max_target_length)

    @classmethod
    def load(cls, folder: str | Path, device: str | torch.device = "cpu") -> Self:
        """Read what :meth:`save` wrote.

        Raises:
            FileNotFoundError: If the folder is not a saved policy, naming what it lacks.
            ValueError: If its weights are damaged, or its model and tokenizer do not belong together.
        """
        return cls(*checkpoints.load(Path(folder))).to(device)

    def save(self, folder: str | Path) -> None:
        """Write an ordinary Hugging Face folder: JSON, safetensors, ``tokenizer.json``; never a pickle."""
        checkpoints.save(Path(folder), self.model, self.tokenizer, self.max_target_length, self.constraint, self.start)

    def publication(self, licence: str) -> Publication:
        """What :meth:`save` writes, for :meth:`push_to_hub`."""
        return Publication(self.save, policy_card(self, licence), [checkpoints.CONSTRAINT, "*.safetensors"])

    @property
    def fingerprint(self) -> str:
        """Hexadecimal sha256 of configuration, weights and tokenizer as they are now; one pass over the weights."""
        return checkpoints.fingerprint(self.model, self.tokenizer, self.max_target_length, self.constraint)

    @property
    def engine(self) -> str:
        """What samples: this class, with the library's models."""
        return "transformers"

    @property
    def device(self) -> torch.device:
        """Where the weights are."""
        return torch.device(self.model.device)

    def to(self, device: str | torch.device) -> Self:
        """Move the weights; returns the policy itself."""
        module: torch.nn.Module = self.model
        module.to(device)
        return self

    def clone(self) -> Self:
        """A policy with weights of its own, equal now: for keeping the supervised one."""
        return type(self)(copy.deepcopy(self.model), self.tokenizer, self.max_target_length, self.constraint)

    def constrained(self, constraint: Constraint | None) -> Self:
        """The same weights, not a copy, with another constraint.

        Raises:
            ValueError: If the constraint does not fit the tokenizer or the length limit.
        """
        training = self.model.training
        other = type(self)(self.model, self.tokenizer, self.max_target_length, constraint)
        self.model.train(training)
        return other

    def sample(self, sources: Sequence[str], num_candidates: int, temperature: float, seed: int) -> Samples:
        """Draw ``num_candidates`` translations of every source.

        Args:
            sources: B sentences.
            num_candidates: Translations of each.
            temperature: Divides the logits; above 0.
            seed: From 0 to 2**64 - 1.

        Returns:
            N = B * num_candidates trajectories, a source's candidates together, in the order of the sources.

        Raises:
            ValueError: If a number is out of range, or a source is empty or too long.
        """
        check_sampling(num_candidates, temperature, seed)
        encoded = self._encode(sources)
        shape = (len(sources), num_candidates, self.max_target_length)
        tokens, log_prob = np.zeros(shape, dtype=np.int32), np.zeros(shape, dtype=np.float32)
        lengths = np.zeros(shape[:2], dtype=np.int64)
        for index in self._groups(encoded, num_candidates):
            uniform = np.stack([uniforms(seed, i, num_candidates, self.max_target_length) for i in index])
            written = self._decode([encoded[i] for i in index], temperature, uniform)
            assert written.log_prob is not None
            tokens[index] = written.tokens.cpu().numpy().reshape(-1, *shape[1:])
            log_prob[index] = written.log_prob.cpu().numpy().reshape(-1, *shape[1:])
            lengths[index] = written.lengths.cpu().numpy().reshape(-1, num_candidates)
        valid = np.arange(self.max_target_length) < lengths[..., None]
        return as_samples(self.tokenizer, tokens[valid], log_prob[valid], lengths)

    def translate(self, sources: Sequence[str], num_beams: int = 1) -> list[str]:
        """The likeliest translation of every source: greedy, or by beam search.

        Raises:
            ValueError: If ``num_beams`` is below 1, or a source is empty or too long.
        """
        if num_beams < 1:
            raise ValueError(f"num_beams is {num_beams}; give at least 1")
        encoded = self._encode(sources)
        texts = [""] * len(sources)
        for index in self._groups(encoded, num_beams):
            rows = [encoded[i] for i in index]
            if num_beams == 1:
                written = self._decode(rows, 1.0, None).tokens
            else:
                with self._evaluating():
                    written = beam_search(
                        self.model, *self._pad(rows), num_beams, self.max_target_length, self._blocked,
                        self.start, self.constraint.prefix,
                    )  # fmt: skip
            for i, text in zip(index, self.tokenizer.decode(written.tolist()), strict=True):
                texts[i] = text
        return texts

    def log_probs(
        self, sources: Sequence[str], targets: Sequence[Sequence[int]], temperature: float = 1.0
    ) -> list[NDArray[np.float32]]:
        """``log pi(y_t | x, y_<t)`` of every token of given targets.

        Args:
            sources: B sentences.
            targets: B token sequences, without start token.
            temperature: Divides the logits; above 0.

        Returns:
            B arrays, float32, as long as the targets.

        Raises:
            ValueError: If a source is empty or too long, or a target is empty, too long, holds another token or one
                that the constraint forbids.
        """
        check_temperature(temperature)
        encoded = self._encode(sources)
        if len(targets) != len(sources):
            raise ValueError(f"there are {len(sources)} sources but {len(targets)} targets; give one target a source")
        check_targets(targets, self.tokenizer, self._longest)
        result: list[NDArray[np.float32]] = [np.empty(0, dtype=np.float32)] * len(sources)
        lengths = [max(len(read), len(written)) for read, written in zip(encoded, targets, strict=True)]
        most = max(1, min(token_budget(None, self.device.type), LOGITS_AT_ONCE // self.model.config.vocab_size))
        for index in length_buckets(lengths, most, mixed=True):
            read, written = self._pad([encoded[i] for i in index]), self._pad([targets[i] for i in index])
            with self._evaluating():
                log_prob = self._score(Pairs(*read, *written, self.start), temperature).cpu().numpy()
            for i, row in zip(index, log_prob, strict=True):
                result[i] = row[: len(targets[i])].copy()
        return result

    def token_log_probs(self, batch: TokenBatch, temperature: float = 1.0) -> Tensor:
        """``log pi(y_t | x, y_<t)`` of a batch's targets, with gradient: what every loss starts from.

        Args:
            batch: On the policy's device.
            temperature: Divides the logits; above 0.

        Returns:
            float32 [B,T], 0 at padding.
        """
        return self._score(self._pairs(batch), temperature)

    def token_distributions(self, batch: TokenBatch, temperature: float = 1.0) -> Tensor:
        """``log pi(. | x, y_<t)`` at every target token of a batch, with gradient.

        Args:
            batch: On the policy's device.
            temperature: Divides the logits; above 0.

        Returns:
            float32 [L,V], row after row of the batch, padding left out; ``-inf`` at tokens that are never written.
        """
        pairs = self._pairs(batch)
        logits, forced = target_logits(self.model, pairs), self._forced(pairs)
        return log_distributions(logits, pairs.chosen, self.support(), self.tokenizer.unk_id, temperature, forced)

    def next_token_scores(
        self, sources: Sequence[Sequence[int]], prefixes: Sequence[Sequence[int]], temperature: float = 1.0
    ) -> Tensor:
        """Logits of the token after each prefix, divided by the temperature.

        Args:
            sources: Token ids of B sources, end-of-sequence included.
            prefixes: Token ids written so far in each, without start token.
            temperature: Divides the logits; above 0.

        Returns:
            float32 [B,V], ``-inf`` at tokens that are never written.

        Raises:
            ValueError: If the temperature has no distribution, or a prefix is too long for the model.
        """
        check_temperature(temperature)
        longest = max(map(len, prefixes), default=0)
        if longest >= self._longest:
            raise ValueError(
                f"a prefix has {longest} tokens; the model has positions for {self._longest}, the start token's "
                "included"
            )
        rows, mask = self._pad(sources)
        inputs, written = self._pad([[*self.start, *prefix] for prefix in prefixes])
        forced = self.constraint.prefix
        with self._evaluating():
            output = self.model(input_ids=rows, attention_mask=mask.long(), decoder_input_ids=inputs, use_cache=False)
            last = output.logits[torch.arange(len(rows), device=self.device), written.sum(1) - 1]
            scores = torch.add(self.support(), last.float(), alpha=1 / temperature)
            for row, prefix in enumerate(prefixes):
                if len(prefix) < len(forced):
                    scores[row] = -torch.inf
                    scores[row, forced[len(prefix)]] = 0.0
        return scores

    def _encode(self, sources: Sequence[str]) -> list[list[int]]:
        return encode_sources(sources, self.tokenizer, self.max_source_length)

    def _groups(self, encoded: list[list[int]], rows_each: int) -> Iterator[list[int]]:
        """Sources to write together: of similar lengths, a source's rows never apart."""
        order = sorted(range(len(encoded)), key=lambda i: len(encoded[i]))
        step = max(1, ROWS.get(self.device.type, ROWS["cpu"]) // rows_each)
        for start in range(0, len(order), step):
            yield order[start : start + step]

    def _pad(self, rows: Sequence[Sequence[int]]) -> tuple[Tensor, Tensor]:
        return pad(rows, self.tokenizer.pad_id, self.device)

    def support(self) -> Tensor:
        """[V], 0 at tokens that may be written and -inf elsewhere."""
        support = torch.zeros(self.model.config.vocab_size, device=self.device)
        support[self._blocked] = -torch.inf
        return support

    def _pairs(self, batch: TokenBatch) -> Pairs:
        return Pairs(batch.source, batch.source_mask, batch.target, batch.target_mask, self.start)

    def _score(self, pairs: Pairs, temperature: float) -> Tensor:
        """float32 [B,T], 0 at padding."""
        forced = self._forced(pairs)
        found = target_log_probs(self.model, pairs, self.support(), self.tokenizer.unk_id, temperature, forced)
        return padded(found, pairs.target_mask)

    def _forced(self, pairs: Pairs) -> Tensor | None:
        """int64 [L]: the constraint's beginning, and -1 after it; None without one."""
        if not self.constraint.prefix:
            return None
        target, length = pairs.target, pairs.target.shape[1]
        prefix = torch.tensor(self.constraint.prefix, device=target.device)
        return F.pad(prefix, (0, length), value=-1)[:length].expand_as(target)[pairs.target_mask]

    def _decode(self, rows: list[list[int]], temperature: float, uniform: NDArray[np.float64] | None) -> Decoded:
        source, mask = self._pad(rows)
        numbers = None if uniform is None else torch.from_numpy(uniform.reshape(-1, uniform.shape[-1])).float()
        with self._evaluating():
            decoder = open_decoder(self.model, source, mask)
            for token in self.start[:-1]:
                decoder.step(torch.full((len(rows),), token, device=self.device))
            return decode(
                decoder,
                self.support(),
                num_sources=len(rows),
                start_id=self.start[-1],
                eos_id=self.tokenizer.eos_id,
                max_length=self.max_target_length,
                temperature=temperature,
                uniform=None if numbers is None else numbers.to(self.device),
                prefix=self.constraint.prefix,
            )

    @contextmanager
    def _evaluating(self) -> Iterator[None]:
        """Dropout off and no gradient, and the model's mode as it was afterwards."""
        training = self.model.training
        self.model.train(False)
        try:
            with torch.inference_mode():
                yield
        finally:
            self.model.train(training)

    def __repr__(self) -> str:
        millions = sum(parameter.numel() for parameter in self.model.parameters()) / 1e6
        return f"Seq2SeqPolicy({type(self.model).__name__}, {millions:.1f}M parameters, {self.device})"
