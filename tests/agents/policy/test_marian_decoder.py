from __future__ import annotations

import pytest

from agents import Seq2SeqPolicy
from agents.policy.decoders import decoder_opener, encode_sources
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


@pytest.mark.parametrize(("arithmetic", "error"), [("bfloat16", 0.1), ("int8", 0.3)])
def test_another_arithmetic_is_off_by_its_rounding(
    untrained: Seq2SeqPolicy, arithmetic: Arithmetic, error: float
) -> None:
    model = untrained.model
    weights = MarianWeights(model, arithmetic)
    check_against_forward(
        untrained, lambda source, mask: MarianDecoder(weights, encode_sources(model, source, mask), mask), error
    )
