from __future__ import annotations

from agents import Seq2SeqPolicy
from agents.policy.decoders import encode_sources
from agents.policy.marian_decoder import MarianWeights
from agents.policy.static_decoder import StaticMarianDecoder
from seq2seq_env.tasks.task import Task
from tests.agents.policy.decoder_check import LONGEST, MOST_ROWS, check_against_forward
from tests.tiny_models import tiny_policy_config


def test_it_computes_what_transformers_does_and_forgets_what_was_written_before(tiny_task: Task) -> None:
    policy = Seq2SeqPolicy.from_config(tiny_task.tokenizer, tiny_policy_config(max_target_length=LONGEST), seed=1)
    model = policy.model
    decoder = StaticMarianDecoder(MarianWeights(model), MOST_ROWS + 2, source_length=9, max_length=LONGEST)
    for _ in range(2):
        check_against_forward(policy, lambda source, mask: decoder.open(encode_sources(model, source, mask), mask))
