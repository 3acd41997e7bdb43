"""Engines that sample a policy, and the sampler KL: how far an engine's arithmetic is from the policy."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Protocol, get_args

import numpy as np

from agents.policy.marian_decoder import has_plain_decoder
from agents.policy.seq2seq_policy import Seq2SeqPolicy
from agents.sampling.ctranslate2_conversion import obstacle
from agents.sampling.ctranslate2_sampler import CTranslate2Sampler
from agents.sampling.engine_names import ComputeType, Engine
from agents.sampling.network_sampler import NetworkSampler
from agents.sampling.vllm_sampler import VLLMSampler
from buffers import Sampler
from seq2seq_env.extras import is_installed
from seq2seq_env.models.low_precision import available, has
from seq2seq_env.suggestions import check_name


class TextSampler(Sampler, Protocol):
    """A :class:`buffers.Sampler` that tokenises too: a policy, or an engine that samples one."""

    def encode(self, sources: Sequence[str]) -> list[list[int]]:
        """Token ids of sources, end-of-sequence included; see :meth:`Seq2SeqPolicy.encode`."""


def make_sampler(policy: Seq2SeqPolicy, engine: Engine = "auto", compute_type: ComputeType = "float32") -> TextSampler:
    """What Grow samples a policy by.

    Args:
        policy: As it is now; one that is trained afterwards needs a new sampler.
        engine: "transformers" is the policy itself, on PyTorch; "static" is its decoder with buffers of fixed shapes,
            for GPUs (:class:`NetworkSampler`); "ctranslate2" is :class:`CTranslate2Sampler`; "vllm" is
            :class:`VLLMSampler`, for decoder-only models on GPUs, which "auto" never takes; "auto" is CTranslate2
            where it is installed (extra ``ct2``) and converts the model, but PyTorch for Marian models, whose decoder
            here computes candidates that agree so far once and is the faster, in any arithmetic that the device has.
        compute_type: The engine's arithmetic; other than "float32" it moves the distribution, see :func:`sampler_kl`.
            PyTorch's engines take float32 in place of one that the device has no instructions for.

    Raises:
        ImportError: If the engine is not installed.
        ValueError: If a name is unknown, or the engine cannot sample the policy so.

    Warns:
        RuntimeWarning: If float32 is taken in place of the compute type.
    """
    for name, value, choices in (("engine", engine, Engine), ("compute_type", compute_type, ComputeType)):
        check_name(name, value, get_args(choices))
    if engine == "auto":
        by_itself = policy.model.config.model_type == "marian"
        if compute_type != "float32":
            plain = by_itself and has_plain_decoder(policy.model)
            by_itself = plain and compute_type != "float16" and has(compute_type, policy.device)
        able = is_installed("ctranslate2") and not obstacle(policy.model)
        engine = "ctranslate2" if able and not by_itself else "transformers"
    if engine == "ctranslate2":
        return CTranslate2Sampler(policy, compute_type)
    if engine == "vllm":
        return VLLMSampler(policy, compute_type)
    if compute_type == "float16":
        raise ValueError(
            f"the engine {engine} samples in float32, bfloat16 or int8, not {compute_type!r}; use the engine "
            "ctranslate2 or vllm"
        )
    arithmetic = available(compute_type, policy.device)
    if engine == "transformers" and arithmetic == "float32":
        return policy
    return NetworkSampler(policy, arithmetic, static=engine == "static")


@dataclass(frozen=True)
class SamplerKL:
    """KL divergence of a sampler's distribution from its policy's, estimated on samples.

    Attributes:
        kl: ``KL(sampler || policy)`` of a target token, nats.
        standard_error: Of ``kl``, over translations.
        tokens: Target tokens it was measured on.
    """

    kl: float
    standard_error: float
    tokens: int

    def __str__(self) -> str:
        return f"sampler KL {self.kl:.2g} +- {self.standard_error:.1g} nats per token, on {self.tokens} tokens"


def sampler_kl(
    sampler: Sampler, policy: Seq2SeqPolicy, sources: Sequence[str], temperature: float, seed: int
) -> SamplerKL:
    """Sample each source once, and compare the log-probabilities with the policy's.

    Raises:
        ValueError: If there are fewer than two sources.
    """
    if len(sources) < 2:
        raise ValueError(f"there are {len(sources)} sources; give at least 2")
    encoded = policy.encode(sources)
    samples = sampler.sample(encoded, 1, temperature, seed)
    targets = [samples.tokens[low:high].tolist() for low, high in pairwise(samples.offsets)]
    by_policy = policy.log_probs(encoded, targets, temperature)
    differences = samples.log_prob.astype(np.float64) - np.concatenate(by_policy)
    by_row = np.add.reduceat(differences, samples.offsets[:-1])
    lengths = np.diff(samples.offsets)
    kl = by_row.sum() / lengths.sum()
    spread = np.sqrt(np.square(by_row - kl * lengths).sum() * len(lengths) / (len(lengths) - 1))
    return SamplerKL(float(kl), float(spread / lengths.sum()), int(lengths.sum()))
