"""The policy ``pi(y | x)``: a network with its tokenizer, sampling, translation and log-probabilities.

Shape letters: B batch or sources, S source length, T target length, V vocabulary, N trajectories, L tokens in all.
"""

from __future__ import annotations

import copy
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Self

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from agents.policy import checkpoints, inputs
from agents.policy.decoders import Opener, decoder_opener
from agents.policy.generation import Decoded, as_samples, beam_search, decode, inference, rows_together, uniform_rows
from agents.policy.inputs import Rows
from agents.policy.length_limits import length_limits
from agents.policy.model_card import policy_card
from agents.policy.new_networks import build_network
from agents.policy.policy_config import PolicyConfig
from agents.policy.pretrained import check_fit, load_pretrained
from agents.policy.teacher_forcing import AllowedTokens, Evaluation, Pairs
from buffers import Samples, TokenBatch
from seq2seq_env.constraint import Constraint
from seq2seq_env.models.decoder_start import decoder_start
from seq2seq_env.models.length_bucketing import length_buckets, token_budget
from seq2seq_env.models.padding import pad
from seq2seq_env.models.teacher_forcing import decoder_logits
from seq2seq_env.publishing import Publication, Publishable
from seq2seq_env.tokenization.tokenizer import Tokenizer

if TYPE_CHECKING:
    from transformers import PreTrainedModel

# Logits held at once while targets are scored: 128 MiB of float32.
LOGITS_AT_ONCE = 2**25


class Seq2SeqPolicy(Publishable):
    """``pi(y | x)``: a Hugging Face encoder-decoder or decoder-only model and the tokenizer of its texts.

    *Decoder-only.* A decoder-only model reads a source, the decoder start and a target in one row: what
    :meth:`encode` gives is the beginning of a prompt, the decoder start its end
    (:class:`seq2seq_env.tokenization.prompt_tokenizer.PromptTokenizer`). Only target tokens have a log-probability.

    *The distribution.* Sampling at temperature ``T`` draws from ``softmax(logits / T)`` over the vocabulary without
    padding and without the unknown token: the environment masks padding too, and no writer chooses "unknown". A
    reference may still hold an unknown token, so :meth:`log_probs` gives it the probability it has with only padding
    left out; every number stays finite. Evaluation, sampling and training share this one definition.

    *Constraint.* What may be written can be narrowed to a vocabulary and a beginning, with the same ``Constraint`` that
    the environment takes: sampling, evaluation and training then know no other targets. A forced token has probability
    1, so it adds nothing to the policy's gradient.

    *Batch-invariant.* A trajectory's tokens depend on the weights and on (seed, row of the source, number of the
    candidate), not on the batch they were written in (up to float rounding at the edge between two tokens).

    Attributes:
        start: Decoder start, token ids: a model's start token and a language's code (forced BOS), or what a prompt has
            after a source. They stand before a target and are no part of it.

    Args:
        model: Any Hugging Face encoder-decoder or decoder-only model, in float32.
        tokenizer: Of both source and target.
        max_target_length: Tokens after which writing stops, end-of-sequence included.
        constraint: What may be written; None: anything.

    Raises:
        ValueError: If model and tokenizer do not belong together, the length does not fit the model, or the constraint
            not the tokenizer.
    """

    def __init__(
        self, model: PreTrainedModel, tokenizer: Tokenizer, max_target_length: int, constraint: Constraint | None = None
    ) -> None:
        check_fit(model, tokenizer)
        self.start = decoder_start(model.config, tokenizer)
        limits = length_limits(model.config, tokenizer, self.start, max_target_length)
        self.max_source_length, self._longest = limits
        model.train(False)
        self.model, self.tokenizer, self.max_target_length = model, tokenizer, max_target_length
        self.constraint = constraint or Constraint()
        self.constraint.check(tokenizer, max_target_length)
        forbidden = np.flatnonzero(~self.constraint.allowed(tokenizer)).tolist()
        self._suppressed = sorted({*forbidden, tokenizer.unk_id, *range(tokenizer.vocab_size, model.config.vocab_size)})

    @classmethod
    def from_pretrained(cls, name: str | Path, tokenizer: Tokenizer, max_target_length: int) -> Self:
        """A model by name on the Hugging Face hub or by folder, as it is.

        Args:
            name: "Helsinki-NLP/opus-mt-de-en", say: Marian, M2M100, NLLB, mBART, BART, T5, mT5, or a decoder-only
                model. Only safetensors are read, and no code of the model is run.
            tokenizer: The model's, :class:`seq2seq_env.tokenization.pretrained_tokenizer.PretrainedTokenizer`; of a
                decoder-only model, :class:`seq2seq_env.tokenization.prompt_tokenizer.PromptTokenizer`.
            max_target_length: Tokens after which writing stops.

        Raises:
            OSError: If the model cannot be had, or has no safetensors.
            ValueError: If it is of another kind, or the tokenizer is not its own.
        """
        return cls(load_pretrained(name, tokenizer), tokenizer, max_target_length)

    @classmethod
    def from_config(cls, tokenizer: Tokenizer, config: PolicyConfig, seed: int = 0) -> Self:
        """A small Marian or Llama model with random weights.

        Args:
            tokenizer: Of the task.
            config: Architecture and sizes.
            seed: Determines the weights; the global generator is left as it was.
        """
        return cls(build_network(tokenizer, config, seed), tokenizer, config.max_target_length)

    @classmethod
    def load(cls, folder: str | Path, device: str | torch.device = "cpu") -> Self:
        """Read what :meth:`save` wrote.

        Raises:
            FileNotFoundError: If the folder is not a saved policy, naming what it lacks.
            ValueError: If its weights are corrupt, or its model and tokenizer do not belong together.
        """
        return cls(*checkpoints.load(Path(folder))).to(device)

    def save(self, folder: str | Path) -> None:
        """Write an ordinary Hugging Face folder: JSON, safetensors, ``tokenizer.json``; never a pickle."""
        checkpoints.save(Path(folder), self.model, self.tokenizer, self.max_target_length, self.constraint, self.start)

    def publication(self, licence: str) -> Publication:
        """What :meth:`save` writes, for :meth:`push_to_hub`."""
        card = policy_card(self.model, self.tokenizer, self.max_target_length, self.constraint, licence)
        return Publication(self.save, card, [checkpoints.CONSTRAINT, "*.safetensors"])

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

    def encode(self, sources: Sequence[str]) -> list[list[int]]:
        """Token ids of sources, end-of-sequence included: what :meth:`sample` and :meth:`log_probs` take.

        Raises:
            TypeError: If ``sources`` is one text and not several.
            ValueError: If a source is empty or too long, naming its row.
        """
        return inputs.encode_sources(sources, self.tokenizer, self.max_source_length)

    def sample(
        self, sources: Rows, num_candidates: int, temperature: float, seed: int, prefixes: Rows | None = None, *,
        opener: Opener | None = None,
    ) -> Samples:  # fmt: skip
        """Draw ``num_candidates`` translations of every source.

        Args:
            sources: Token ids of B sources; see :meth:`encode`.
            num_candidates: Translations of each.
            temperature: Divides the logits; above 0.
            seed: From 0 to 2**64 - 1.
            prefixes: Token ids that each source's translations begin with, of log-probability 0; None forces no more
                than the constraint does.
            opener: Opens the decoders that write; None opens the network's own, in float32.

        Returns:
            N = B * num_candidates trajectories, a source's candidates together, in the order of the sources.

        Raises:
            TypeError: If a source is a text.
            ValueError: If a number is out of range, or a source is empty or too long.
        """
        inputs.check_sampling(num_candidates, temperature, seed)
        inputs.check_sources(sources, self.tokenizer, self.max_source_length)
        forced, longest = self.constraint.prefix, self.max_target_length
        begun = inputs.checked_prefixes(prefixes, len(sources), self.tokenizer, forced, longest)
        shape = (len(sources), num_candidates, longest)
        tokens, log_prob = np.zeros(shape, dtype=np.int32), np.zeros(shape, dtype=np.float32)
        lengths = np.zeros(shape[:2], dtype=np.int64)
        with inference(self.model):
            opener = opener or decoder_opener(self.model)
            for index in rows_together(sources, num_candidates, self.device, self.tokenizer.vocab_size):
                uniform = uniform_rows(seed, index, num_candidates, longest).to(self.device)
                rows = [sources[i] for i in index]
                written = self._decode(opener, rows, [begun[i] for i in index], temperature, uniform)
                assert written.log_prob is not None
                tokens[index] = written.tokens.cpu().numpy().reshape(-1, *shape[1:])
                log_prob[index] = written.log_prob.cpu().numpy().reshape(-1, *shape[1:])
                lengths[index] = written.lengths.cpu().numpy().reshape(-1, num_candidates)
        valid = np.arange(longest) < lengths[..., None]
        return as_samples(self.tokenizer, tokens[valid], log_prob[valid], lengths)

    def translate(self, sources: Sequence[str], num_beams: int = 1) -> list[str]:
        """The likeliest translation of every source: greedy, or by beam search.

        Raises:
            ValueError: If ``num_beams`` is below 1, or a source is empty or too long.
        """
        return self.tokenizer.decode(self.likeliest_tokens(sources, num_beams))

    def likeliest_tokens(self, sources: Sequence[str], num_beams: int = 1) -> list[list[int]]:
        """What :meth:`translate` decodes; a row without end-of-sequence was cut at the length limit."""
        if num_beams < 1:
            raise ValueError(f"num_beams is {num_beams}; give at least 1")
        encoded = self.encode(sources)
        result: list[list[int]] = [[]] * len(sources)
        with inference(self.model):
            opener = decoder_opener(self.model)
            for index in rows_together(encoded, num_beams, self.device, self.tokenizer.vocab_size):
                rows = [encoded[i] for i in index]
                if num_beams == 1:
                    written = self._decode(opener, rows, [self.constraint.prefix] * len(rows), 1.0, None).tokens
                else:
                    written = beam_search(
                        self.model, *self._pad(rows), num_beams, self.max_target_length, self._suppressed,
                        self.start, self.constraint.prefix,
                    )  # fmt: skip
                for i, row in zip(index, written.tolist(), strict=True):
                    result[i] = row
        return result

    def log_probs(self, sources: Rows, targets: Rows, temperature: float = 1.0) -> list[NDArray[np.float32]]:
        """``log pi(y_t | x, y_<t)`` of every token of given targets.

        Args:
            sources: Token ids of B sources; see :meth:`encode`.
            targets: Token ids of B targets, without start token.
            temperature: Divides the logits; above 0.

        Returns:
            B arrays, float32, as long as the targets.

        Raises:
            TypeError: If a source is a text.
            ValueError: If a source is empty or too long, or a target is empty, too long, holds another token or one
                that the constraint forbids.
        """
        inputs.check_temperature(temperature)
        inputs.check_sources(sources, self.tokenizer, self.max_source_length)
        if len(targets) != len(sources):
            raise ValueError(f"there are {len(sources)} sources but {len(targets)} targets; give one target a source")
        inputs.check_targets(targets, self.tokenizer, self._longest)
        result: list[NDArray[np.float32]] = [np.empty(0, dtype=np.float32)] * len(sources)
        lengths = [max(len(source), len(target)) for source, target in zip(sources, targets, strict=True)]
        most = max(1, min(token_budget(None, self.device.type), LOGITS_AT_ONCE // self.model.config.vocab_size))
        # Both budgets bound the pass: tokens for the caches of the network, logits for the memory of the LM head.
        for index in length_buckets(lengths, most, mixed=True):
            pairs = Pairs(*self._pad([sources[i] for i in index]), *self._pad([targets[i] for i in index]), self.start)
            with inference(self.model):
                log_prob = Evaluation(self.model, pairs, self.allowed_tokens(), temperature).log_prob.cpu().numpy()
            for i, row in zip(index, log_prob, strict=True):
                result[i] = row[: len(targets[i])].copy()
        return result

    def evaluate(self, batch: TokenBatch, temperature: float = 1.0) -> Evaluation:
        """Teacher-forced log-probabilities of a batch's targets, with gradient: what every loss starts from.

        Args:
            batch: On the policy's device.
            temperature: Divides the logits; above 0.
        """
        pairs = Pairs(batch.source, batch.source_mask, batch.target, batch.target_mask, self.start)
        return Evaluation(self.model, pairs, self.allowed_tokens(), temperature)

    def allowed_tokens(self) -> AllowedTokens:
        """What may be written, on the policy's device."""
        mask = torch.zeros(self.model.config.vocab_size, device=self.device)
        mask[self._suppressed] = -torch.inf
        return AllowedTokens(mask, self.tokenizer.unk_id, self.constraint.prefix)

    def next_token_scores(self, sources: Rows, prefixes: Rows, temperature: float = 1.0) -> Tensor:
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
        inputs.check_temperature(temperature)
        longest = max(map(len, prefixes), default=0)
        if longest >= self._longest:
            raise ValueError(f"a prefix has {longest} tokens; give fewer than {self._longest}, the model's positions")
        source, mask = self._pad(sources)
        decoder_input, written = self._pad([[*self.start, *prefix] for prefix in prefixes])
        logit_mask, _, forced = self.allowed_tokens()
        with inference(self.model):
            logits = decoder_logits(self.model, source, mask, decoder_input)
            last = logits[torch.arange(len(source), device=self.device), written.sum(1) - 1]
            scores = torch.add(logit_mask, last.float(), alpha=1 / temperature)
            for row, prefix in enumerate(prefixes):
                if len(prefix) < len(forced):
                    scores[row] = -torch.inf
                    scores[row, forced[len(prefix)]] = 0.0
        return scores

    def _pad(self, rows: Rows) -> tuple[Tensor, Tensor]:
        return pad(rows, self.tokenizer.pad_id, self.device)

    def _decode(self, opener: Opener, rows: Rows, begun: Rows, temperature: float, uniform: Tensor | None) -> Decoded:
        decoder = opener(*self._pad(rows))
        for token in self.start[:-1]:
            decoder.step(torch.full((len(rows),), token, device=self.device))
        return decode(
            decoder, self.allowed_tokens().logit_mask, num_sources=len(rows), start_id=self.start[-1],
            eos_id=self.tokenizer.eos_id, max_length=self.max_target_length, temperature=temperature, uniform=uniform,
            prefixes=begun,
        )  # fmt: skip

    def __repr__(self) -> str:
        millions = sum(parameter.numel() for parameter in self.model.parameters()) / 1e6
        return f"Seq2SeqPolicy({type(self.model).__name__}, {millions:.1f}M parameters, {self.device})"
