"""The engine vLLM: sampling of decoder-only policies on GPUs, many sources at a time.

Shape letters: B sources, C candidates of each.
"""

from __future__ import annotations

import importlib
from collections.abc import Sequence
from tempfile import TemporaryDirectory
from threading import Lock
from typing import Any

import numpy as np

from agents.policy.generation import as_samples
from agents.policy.inputs import check_sampling, check_sources
from agents.policy.seq2seq_policy import Seq2SeqPolicy
from agents.sampling.engine_names import ComputeType
from agents.sampling.engine_sampler import EngineSampler
from buffers import Samples
from seq2seq_env.models.decoder_only import is_decoder_only

GPU_SHARE = 0.6
"""Share of a GPU's memory that the engine takes at most; the policy that trains is on it, too."""


class VLLMSampler(EngineSampler):
    """A :class:`buffers.Sampler` that draws from a decoder-only policy's distribution by vLLM.

    It draws from what :meth:`Seq2SeqPolicy.sample` draws from: prompts are token ids, tokens that are never written are
    left out by ``allowed_token_ids``, the constraint's prefix ends the prompt, and neither top-k nor top-p is used. A
    token's log-probability is the one that it was drawn with (``logprobs_mode="processed_logprobs"``), in the engine's
    arithmetic; :func:`agents.sampler_kl` says how far that is from the policy's.

    *Not reproducible to the bit.* Every source has a seed of its own, but vLLM's sums depend on which requests run
    together. A shard that is made twice may differ, so a Grow step by this engine keeps the first copy of each and does
    not promise the same bytes on another number of workers.

    *The limit of the longest sources.* vLLM wants a position for a target's last token, too, which it does not need. So
    a target that does not end is one token shorter than the policy's where its source is as long as a source can be.

    The weights are taken when the sampler is made: they are written to a temporary folder in the Hugging Face format,
    and the engine reads them. A policy that is trained afterwards needs a new sampler.

    Args:
        policy: What to sample.
        compute_type: Arithmetic, "float32", "bfloat16" or "float16".
        gpu_share: Share of the GPU's memory that the engine may take, above 0, at most 1.

    Raises:
        ImportError: If vLLM is not installed.
        ValueError: If the policy is no decoder-only model, or the compute type is none of vLLM's.
    """

    def __init__(
        self, policy: Seq2SeqPolicy, compute_type: ComputeType = "bfloat16", gpu_share: float = GPU_SHARE
    ) -> None:
        if not is_decoder_only(policy.model.config):
            raise ValueError(
                f"vLLM samples decoder-only models, and this policy is a {policy.model.config.model_type!r} "
                "encoder-decoder; use the engine ctranslate2 or transformers"
            )
        if compute_type == "int8":
            raise ValueError("vLLM samples in float32, bfloat16 or float16, not 'int8'; choose one of them")
        if not 0 < gpu_share <= 1:
            raise ValueError(f"gpu_share is {gpu_share}; give a share above 0 and at most 1")
        library = _library()
        super().__init__(policy)
        self.compute_type, self._params = compute_type, library.SamplingParams
        self._version, self._in_use = library.__version__, Lock()
        # Of the constraint's prefix nothing is drawn: with the source and the decoder start it is the prompt.
        self._start = (*policy.start, *policy.constraint.prefix)
        # The model's positions: the last token of a target needs none, but vLLM counts it.
        longest = policy.max_source_length + len(policy.start) + policy.max_target_length - 1
        with TemporaryDirectory() as folder:
            policy.save(folder)
            self._llm = library.LLM(
                model=folder, skip_tokenizer_init=True, generation_config="vllm", dtype=compute_type,
                max_model_len=longest, gpu_memory_utilization=gpu_share, logprobs_mode="processed_logprobs",
            )  # fmt: skip
        allowed = policy.allowed_tokens().logit_mask.cpu().numpy() == 0
        self._allowed = np.flatnonzero(allowed).tolist()

    @property
    def engine(self) -> str:
        """What the bytes depend on beside the policy."""
        return f"vllm {self._version} {self.compute_type}"

    def sample(self, sources: Sequence[Sequence[int]], num_candidates: int, temperature: float, seed: int) -> Samples:
        """Draw ``num_candidates`` targets of every source; see :meth:`Seq2SeqPolicy.sample`.

        Raises:
            TypeError: If a source is a text.
            ValueError: If a number is out of range, a source is empty or too long.
            RuntimeError: If the policy has been trained since the sampler was made.
            FloatingPointError: If the policy's logits are not finite.
        """
        check_sampling(num_candidates, temperature, seed)
        policy, prefix = self.policy, self.policy.constraint.prefix
        check_sources(sources, policy.tokenizer, policy.max_source_length)
        self.check_unchanged()
        prompts = [{"prompt_token_ids": [*source, *self._start]} for source in sources]
        params = [self._params_of(num_candidates, temperature, seed, number) for number in range(len(prompts))]
        # The engine keeps the order of the prompts, whichever it finishes first.
        with self._in_use:
            outputs = self._llm.generate(prompts, params, use_tqdm=False) if prompts else []
        rows: list[list[int]] = []
        log_prob: list[float] = []
        for output in outputs:
            for completion in sorted(output.outputs, key=lambda each: each.index):
                tokens = [*completion.token_ids]
                rows.append([*prefix, *tokens])
                log_prob += [0.0] * len(prefix)
                log_prob += [step[token].logprob for step, token in zip(completion.logprobs, tokens, strict=True)]
        if not np.isfinite(log_prob).all():
            raise FloatingPointError("the policy's logits are not finite; load an earlier checkpoint")
        lengths = np.array([len(row) for row in rows], dtype=np.int64).reshape(-1, num_candidates)
        flat = np.array([token for row in rows for token in row], dtype=np.int32)
        return as_samples(policy.tokenizer, flat, np.array(log_prob, dtype=np.float32), lengths)

    def _params_of(self, candidates: int, temperature: float, seed: int, number: int) -> Any:
        policy = self.policy
        # Candidate k takes the seed plus k; drawn from so many, no two sources' meet.
        own = int(np.random.SeedSequence((seed, number)).generate_state(1, np.uint64)[0] >> 2)
        return self._params(
            n=candidates, temperature=temperature, top_p=1.0, top_k=0, seed=own, logprobs=0, detokenize=False,
            max_tokens=policy.max_target_length - len(policy.constraint.prefix), allowed_token_ids=self._allowed,
            stop_token_ids=[policy.tokenizer.eos_id],
        )  # fmt: skip


def _library() -> Any:
    try:
        return importlib.import_module("vllm")
    except ImportError as error:
        raise ImportError(
            f"the engine vllm needs vllm, which cannot be imported ({error}); it pins a PyTorch of its own, so install "
            "it with this package in an environment of its own: pip install vllm"
        ) from error
