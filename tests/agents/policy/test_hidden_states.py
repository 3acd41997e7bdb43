from __future__ import annotations

from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from agents import Seq2SeqPolicy, ValueNetwork
from agents.policy.hidden_states import _encode, hidden_states, is_plain_marian


@pytest.fixture
def body(policy: Seq2SeqPolicy) -> Any:
    return policy.model.base_model


def inputs() -> tuple[Tensor, Tensor, Tensor]:
    """Three sources of 4, 2 and 3 tokens, and what the decoder is given for targets of 5, 1 and 4 tokens."""
    source = torch.tensor([[4, 5, 6, 0], [7, 0, 18, 18], [8, 9, 0, 18]])
    given = torch.tensor([[18, 3, 4, 5, 6], [18, 18, 18, 18, 18], [18, 7, 8, 9, 18]])
    return source, source != 18, given


def by_the_library(body: Any, source: Tensor, mask: Tensor, given: Tensor) -> Tensor:
    output: Tensor = body(
        input_ids=source, attention_mask=mask.long(), decoder_input_ids=given, use_cache=False
    ).last_hidden_state
    return output


def test_values_and_gradients_are_those_of_transformers(body: Any) -> None:
    weights = torch.randn(3, 5, 16, generator=torch.Generator().manual_seed(0))
    found = []
    for forward in (hidden_states, by_the_library):
        body.zero_grad()
        hidden = forward(body, *inputs())
        torch.autograd.backward((hidden * weights).sum())
        found.append([hidden, *[parameter.grad for parameter in body.parameters() if parameter.grad is not None]])
    assert len(found[0]) == len(found[1]) > 20
    for ours, theirs in zip(*found, strict=True):
        torch.testing.assert_close(ours, theirs, rtol=1e-4, atol=1e-5)


def shared() -> tuple[Tensor, Tensor, Tensor]:
    """Five rows of the three sources, the second's and the third's in turns."""
    source, mask, given = inputs()
    rows = torch.tensor([1, 2, 1, 0, 2])
    return source[rows], mask[rows], given[torch.tensor([0, 1, 2, 2, 0])]


@pytest.mark.parametrize("drops_out", [False, True])
def test_a_source_of_several_rows_is_encoded_once_but_where_it_drops_out(
    body: Any, monkeypatch: pytest.MonkeyPatch, drops_out: bool
) -> None:
    encoded: list[int] = []

    def noted(encoder: Any, source: Tensor, source_mask: Tensor) -> Tensor:
        encoded.append(len(source))
        return encode(encoder, source, source_mask)

    encode = _encode
    monkeypatch.setattr("agents.policy.hidden_states._encode", noted)
    monkeypatch.setattr("agents.policy.hidden_states.dropout", lambda values, share, training: values)
    body.config.dropout = 0.1 if drops_out else 0.0
    body.train(drops_out)
    weights = torch.randn(5, 5, 16, generator=torch.Generator().manual_seed(0))
    found = []
    for forward in (hidden_states, by_the_library):
        body.zero_grad()
        body.train(drops_out and forward is hidden_states)
        hidden = forward(body, *shared())
        torch.autograd.backward((hidden * weights).sum())
        found.append([hidden, *[parameter.grad for parameter in body.parameters() if parameter.grad is not None]])
    assert encoded == [5 if drops_out else 3]
    for ours, theirs in zip(*found, strict=True):
        torch.testing.assert_close(ours, theirs, rtol=1e-4, atol=1e-5)


def test_sources_that_differ_by_their_mask_alone_are_two(body: Any) -> None:
    source, mask, given = (each[:1].repeat(2, 1) for each in inputs())
    mask[1, -1] = False
    one, other = hidden_states(body, source, mask, given)
    assert not torch.allclose(one, other)


def test_dropout_is_where_transformers_has_it(body: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    rates = {"dropout": 0.1, "attention_dropout": 0.2, "activation_dropout": 0.3}
    other = type(body)(type(body.config).from_dict(body.config.to_dict() | rates))
    other.set_attn_implementation("eager")  # its fused kernel drops inside
    other.train()
    dropped: list[tuple[torch.Size, float]] = []

    def noted(values: Tensor, p: float, training: bool) -> Tensor:
        assert training
        dropped.append((values.shape, p))
        return values

    monkeypatch.setattr("agents.policy.hidden_states.dropout", noted)
    monkeypatch.setattr(F, "dropout", noted)
    hidden_states(other, *inputs())
    ours = dropped.copy()
    dropped.clear()
    by_the_library(other, *inputs())
    assert ours == dropped
    assert {rate for _, rate in ours} == set(rates.values())


def test_what_is_more_than_its_projections_goes_through_the_library(body: Any) -> None:
    class Adapted(nn.Linear):
        def forward(self, values: Tensor) -> Tensor:
            return super().forward(values) + 1

    assert is_plain_marian(body)
    body.decoder.layers[1].encoder_attn.q_proj = Adapted(16, 16)
    assert not is_plain_marian(body)
    torch.testing.assert_close(hidden_states(body, *inputs()), by_the_library(body, *inputs()))


def test_dropped_layers_go_through_the_library(body: Any) -> None:
    body.config.decoder_layerdrop = 0.1
    assert not is_plain_marian(body)


def test_a_value_network_reads_through_it_too(policy: Seq2SeqPolicy) -> None:
    body = ValueNetwork.from_policy(policy).body
    assert is_plain_marian(body)
    torch.testing.assert_close(hidden_states(body, *inputs()), by_the_library(body, *inputs()), rtol=1e-4, atol=1e-5)
