"""Acting in the environment: a policy's next tokens for what it observes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray

from agents.policy.generation import draw
from agents.policy.seq2seq_policy import Seq2SeqPolicy


def next_tokens(
    policy: Seq2SeqPolicy,
    observation: Mapping[str, NDArray[np.int64]],
    action_mask: NDArray[np.integer[Any] | np.bool_] | None,
    temperature: float | None,
    rng: np.random.Generator | None,
) -> Any:
    """What :meth:`agents.Agent.act` describes.

    Raises:
        ValueError: If only one of ``temperature`` and ``rng`` is given, or the mask leaves no token.
    """
    if (temperature is None) != (rng is None):
        raise ValueError("temperature and rng belong together; give both to sample, neither to be greedy")
    single = np.ndim(observation["source"]) == 1
    sources = _rows(observation["source"], observation["source_length"])
    # An ended episode may have filled its row; what is written after it, the environment ignores.
    last = np.shape(observation["prefix"])[-1] - 1
    prefixes = _rows(observation["prefix"], np.minimum(observation["prefix_length"], last))
    scores = policy.next_token_scores(sources, prefixes, 1.0 if temperature is None else temperature)
    if action_mask is not None:
        allowed = torch.from_numpy(np.array(np.atleast_2d(action_mask), dtype=np.bool_)).to(scores.device)
        scores = scores.masked_fill(~F.pad(allowed, (0, scores.shape[1] - allowed.shape[1])), -torch.inf)
        if bool(torch.isinf(scores).all(1).any()):
            raise ValueError("action_mask allows no token that the policy writes; give the environment's mask")
    if rng is None:
        tokens = scores.argmax(-1)
    else:
        uniform = torch.from_numpy(rng.random(len(scores), dtype=np.float64)).float().to(scores.device)
        tokens = draw(scores, uniform[:, None])[0][:, 0]
    return int(tokens[0]) if single else tokens.cpu().numpy()


def _rows(tokens: NDArray[np.int64], lengths: NDArray[np.int64]) -> list[list[int]]:
    """Rows of one observation or of many, without their padding."""
    return [row[:length].tolist() for row, length in zip(np.atleast_2d(tokens), np.ravel(lengths), strict=True)]
