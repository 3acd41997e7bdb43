from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest
import torch

from agents import BC, Seq2SeqPolicy, TrainingConfig, ValueNetwork, fit
from agents.policy.backends import attention_of, calls_layers
from agents.policy.hidden_states import hidden_states
from agents.training.backends import TrainingBackends
from buffers import Slice
from tests.agents.policy.test_hidden_states import inputs
from tests.conftest import TinyTask
from tests.tiny_models import random_policy

# PyTorch's own, while it traces a layer.
pytestmark = pytest.mark.filterwarnings("ignore:The .grad attribute of a Tensor that is not a leaf:UserWarning")


@pytest.fixture
def traced(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Layers are traced, and no code is made of them, which would take a minute."""
    monkeypatch.setattr("agents.training.backends.BACKEND", "eager")
    yield
    torch.compiler.reset()


@pytest.fixture
def not_traced(monkeypatch: pytest.MonkeyPatch) -> list[dict[str, Any]]:
    """Layers go where compiled ones go, as they are; the options that they would be compiled with."""
    asked: list[dict[str, Any]] = []

    def compiled(function: Any, **options: Any) -> Any:
        asked.append(options)
        return function

    monkeypatch.setattr(torch, "compile", compiled)
    return asked


@pytest.fixture
def t5(tiny_task: TinyTask) -> Seq2SeqPolicy:
    return random_policy("t5", tiny_task.tokenizer, dropout_rate=0.0)


def losses(policy: Seq2SeqPolicy, data: Slice, config: TrainingConfig) -> list[float]:
    return [row.loss for row in fit(BC(policy), data, config).history if row.loss is not None]


def without_dropout(policy: Seq2SeqPolicy) -> Seq2SeqPolicy:
    layer: Any
    for layer in policy.model.modules():
        if hasattr(layer, "dropout"):
            layer.dropout = 0.0
    return policy


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_both_attentions_give_the_same(policy: Seq2SeqPolicy, dtype: torch.dtype) -> None:
    model: Any = policy.model.train(False)
    mask = inputs()[1]
    mask[2] = False  # nothing to see
    found = []
    for attention in ("eager", "sdpa"):
        model.set_attn_implementation(attention)
        model.zero_grad()
        with torch.autocast("cpu", dtype, enabled=dtype == torch.bfloat16):
            hidden = hidden_states(model.model, inputs()[0], mask, inputs()[2])
        torch.autograd.backward(hidden[:2].square().sum())
        found.append([hidden[:2], *[p.grad for p in model.parameters() if p.grad is not None]])
        assert bool(torch.isfinite(hidden).all())
    tolerance = 1e-4 if dtype == torch.float32 else 0.2
    for mine, other in zip(*found, strict=True):
        torch.testing.assert_close(mine, other, rtol=tolerance, atol=tolerance)


@pytest.mark.parametrize("change", [{"attention": "sdpa"}, {"compile": True}])
def test_the_losses_are_those_of_the_defaults(
    change: dict[str, Any],
    policy: Seq2SeqPolicy,
    pairs: Slice,
    quick: TrainingConfig,
    not_traced: list[dict[str, Any]],
) -> None:
    policy = without_dropout(policy)
    config = replace(quick, max_tokens=300, evaluate_every=1, precision="fp32")
    expected = losses(policy.clone(), pairs, config)
    assert losses(policy, pairs, replace(config, **change)) == pytest.approx(expected, rel=1e-3)


def test_an_architecture_of_the_library_trains_by_each(
    t5: Seq2SeqPolicy, pairs: Slice, quick: TrainingConfig, not_traced: list[dict[str, Any]]
) -> None:
    config = replace(quick, max_tokens=150, evaluate_every=1, precision="fp32")
    expected = losses(t5.clone(), pairs, config)
    found = losses(t5, pairs, replace(config, attention="sdpa", compile=True))
    assert found == pytest.approx(expected, rel=1e-3)
    inductor = {"dynamic": True, "backend": "inductor"}
    assert not_traced == [{"backend": "inductor"}, inductor, inductor]  # whether it works, and one a layer


def test_what_trains_differently_is_used_as_before(
    policy: Seq2SeqPolicy, pairs: Slice, quick: TrainingConfig, traced: None
) -> None:
    seen: list[tuple[str, bool]] = []

    def state(at: Seq2SeqPolicy) -> tuple[str, bool]:
        return attention_of(at.model), calls_layers(at.model.base_model)

    class Watched(BC):
        def loss(self, batch: Any, progress: float = 0.0) -> Any:
            seen.append(state(self.policy))
            return super().loss(batch, progress)

    def evaluate(at: Seq2SeqPolicy) -> float:
        assert state(at) == ("eager", False)
        return 0.0

    Watched(policy).improve(pairs, replace(quick, max_tokens=100, attention="sdpa", compile=True), evaluate)
    assert set(seen) == {("sdpa", True)}
    assert state(policy) == ("eager", False)


def test_networks_around_one_are_switched_and_others_left(policy: Seq2SeqPolicy) -> None:
    value, plain = ValueNetwork.from_policy(policy), torch.nn.Linear(2, 2)
    backends = TrainingBackends({"value": value, "plain": plain}, "sdpa", compiled=False)
    backends.switch(True)
    assert attention_of(value.body) == "sdpa"
    backends.switch(False)
    assert attention_of(value.body) == "eager"


def test_an_attention_that_is_not_there_is_refused(
    policy: Seq2SeqPolicy, pairs: Slice, quick: TrainingConfig, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(type(policy.model), "set_attn_implementation", lambda self, wanted: None)
    with pytest.raises(ValueError, match="MarianMTModel has no 'sdpa' attention; choose another"):
        fit(BC(policy), pairs, replace(quick, attention="sdpa"))


def test_a_machine_that_cannot_compile_says_so(
    policy: Seq2SeqPolicy, pairs: Slice, quick: TrainingConfig, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(function: Any, **options: Any) -> Any:
        raise RuntimeError("No C++ compiler\nfound, and much more")

    monkeypatch.setattr(torch, "compile", broken)
    message = r"nothing can be compiled for cpu on this machine \(No C\+\+ compiler\); choose no compile"
    with pytest.raises(ValueError, match=message):
        fit(BC(policy), pairs, replace(quick, compile=True))
