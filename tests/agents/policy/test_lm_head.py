"""Chunked cross-entropy of the LM head gives what the whole matrix of logits gives."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from agents.policy import lm_head
from agents.policy.lm_head import chunked_log_probs
from agents.policy.teacher_forcing import log_distributions

TOKENS, WIDTH, VOCABULARY, UNKNOWN = 7, 5, 11, 3


def problem() -> tuple[Tensor, Tensor, Tensor, Tensor, Tensor]:
    """Hidden states, weight, bias, chosen tokens (two of them unknown) and logit mask."""
    generator = torch.Generator().manual_seed(0)
    hidden = torch.randn(TOKENS, WIDTH, generator=generator).requires_grad_()
    weight = torch.randn(VOCABULARY, WIDTH, generator=generator).requires_grad_()
    bias = torch.randn(VOCABULARY, generator=generator)
    mask = torch.zeros(VOCABULARY)
    mask[[0, UNKNOWN]] = -torch.inf
    return hidden, weight, bias, torch.tensor([1, UNKNOWN, 2, 9, UNKNOWN, 10, 1]), mask


def gradients(log_prob: Tensor, *leaves: Tensor) -> tuple[Tensor, ...]:
    return torch.autograd.grad((log_prob * torch.arange(1.0, TOKENS + 1)).sum(), leaves)


@pytest.mark.parametrize("temperature", [1.0, 0.8])
@pytest.mark.parametrize("logits_at_once", [1, 3 * VOCABULARY, 2**20])
def test_values_and_gradients_are_those_of_the_whole(
    temperature: float, logits_at_once: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lm_head, "LOGITS_AT_ONCE", {"cpu": logits_at_once, "cuda": logits_at_once})
    hidden, weight, bias, chosen, mask = problem()
    whole = log_distributions(F.linear(hidden, weight, bias), chosen, mask, UNKNOWN, temperature)
    expected = whole.gather(1, chosen[:, None])[:, 0]
    found, tempered = chunked_log_probs(hidden, weight, bias, chosen, mask, chosen == UNKNOWN, temperature)
    assert not len(tempered)
    torch.testing.assert_close(found, expected)
    for mine, other in zip(gradients(found, hidden, weight), gradients(expected, hidden, weight), strict=True):
        torch.testing.assert_close(mine, other)


@pytest.mark.parametrize("logits_at_once", [VOCABULARY, 2**20])
def test_a_further_temperature_comes_without_gradient(logits_at_once: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lm_head, "LOGITS_AT_ONCE", {"cpu": logits_at_once, "cuda": logits_at_once})
    hidden, weight, bias, chosen, mask = problem()
    further = torch.linspace(0.3, 2.0, TOKENS)
    whole = log_distributions(F.linear(hidden, weight, bias), chosen, mask, UNKNOWN, 0.7)
    expected = torch.log_softmax(whole.detach() / further[:, None], dim=-1).gather(1, chosen[:, None])[:, 0]
    both = chunked_log_probs(hidden, weight, bias, chosen, mask, chosen == UNKNOWN, 0.7, further)
    torch.testing.assert_close(both.tempered, expected)
    assert not both.tempered.requires_grad
    alone = chunked_log_probs(hidden, weight, bias, chosen, mask, chosen == UNKNOWN, 0.7).log_prob
    assert torch.equal(both.log_prob, alone)
    for mine, other in zip(gradients(both.log_prob, hidden, weight), gradients(alone, hidden, weight), strict=True):
        assert torch.equal(mine, other)


def test_what_is_all_but_impossible_keeps_its_log_probability() -> None:
    hidden, weight, _, chosen, mask = problem()
    sure = torch.eye(VOCABULARY)[5] * 300.0  # exp(-300) is no float32
    log_prob, _ = chunked_log_probs(hidden, weight, sure, chosen, mask, chosen == UNKNOWN, 1.0)
    expected = log_distributions(F.linear(hidden, weight, sure), chosen, mask, UNKNOWN, 1.0)
    torch.testing.assert_close(log_prob, expected.gather(1, chosen[:, None])[:, 0])


def test_autocast_is_as_near_as_its_precision() -> None:
    hidden, weight, bias, chosen, mask = problem()
    exact = chunked_log_probs(hidden, weight, bias, chosen, mask, chosen == UNKNOWN, 1.0).log_prob
    with torch.autocast("cpu", torch.bfloat16):
        near = chunked_log_probs(hidden, weight, bias, chosen, mask, chosen == UNKNOWN, 1.0).log_prob
    assert near.dtype == torch.float32
    assert not torch.equal(near, exact)
    torch.testing.assert_close(near, exact, atol=0.1, rtol=0.02)
    for mine, other in zip(gradients(near, hidden, weight), gradients(exact, hidden, weight), strict=True):
        assert mine.dtype == torch.float32
        torch.testing.assert_close(mine, other, atol=0.3, rtol=0.05)


def test_no_tokens_give_no_numbers() -> None:
    hidden, weight, bias, chosen, mask = problem()
    nothing = chosen[:0]
    assert chunked_log_probs(hidden[:0], weight, bias, nothing, mask, nothing.bool(), 1.0).log_prob.shape == (0,)
