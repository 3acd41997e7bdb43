from __future__ import annotations

from typing import Any

import pytest
from torch import Tensor, nn

from agents import Seq2SeqPolicy
from agents.policy.decoders import CachedDecoder, decoder_opener, encode_sources
from agents.policy.marian_decoder import MarianDecoder, MarianWeights
from seq2seq_env.models.low_precision_names import Arithmetic
from seq2seq_env.tasks.task import Task
from tests.agents.policy.decoder_check import LONGEST, check_against_forward
from tests.tiny_models import tiny_policy_config


@pytest.fixture(scope="module")
def untrained(tiny_task: Task) -> Seq2SeqPolicy:
    return Seq2SeqPolicy.from_config(tiny_task.tokenizer, tiny_policy_config(max_target_length=LONGEST), seed=1)


def test_it_computes_what_transformers_does(untrained: Seq2SeqPolicy) -> None:
    decoder = check_against_forward(untrained, decoder_opener(untrained.model))
    assert isinstance(decoder, MarianDecoder)


def test_an_lm_head_that_is_more_than_its_weight_goes_through_the_library(untrained: Seq2SeqPolicy) -> None:
    class Adapted(nn.Linear):
        def forward(self, values: Tensor) -> Tensor:
            return super().forward(values) * 2

    policy = untrained.clone()
    model: Any = policy.model
    model.lm_head = Adapted(16, model.config.vocab_size, bias=False)
    assert isinstance(check_against_forward(policy, decoder_opener(model)), CachedDecoder)


@pytest.mark.parametrize(("arithmetic", "error"), [("bfloat16", 0.1), ("int8", 0.3)])
def test_another_arithmetic_is_off_by_its_rounding(
    untrained: Seq2SeqPolicy, arithmetic: Arithmetic, error: float
) -> None:
    model = untrained.model
    weights = MarianWeights(model, arithmetic)
    check_against_forward(
        untrained, lambda source, mask: MarianDecoder(weights, encode_sources(model, source, mask), mask), error
    )
