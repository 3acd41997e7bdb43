from __future__ import annotations

import numpy as np
import pytest
import torch

from agents import Seq2SeqPolicy, TrainingConfig
from agents.d3rlpy_adapter.encoder import PrefixEncoder, TokenScheduleFactory
from buffers import Slice, to_d3rlpy

LENGTHS = {"max_source_length": 12, "max_target_length": 12}


def test_the_encoder_says_of_a_transition_what_the_policy_says_of_the_sequence(
    trained: Seq2SeqPolicy, grown: Slice
) -> None:
    data = grown.where(np.arange(len(grown)) < 6)
    episodes = to_d3rlpy(data, vocab_size=trained.model.config.vocab_size, **LENGTHS).episodes
    encoder = PrefixEncoder(trained.model.base_model, 12)
    observations = torch.from_numpy(np.concatenate([episode.observations for episode in episodes])).float()
    (batch,) = data.batches(10_000, seed=0, shuffle=False)
    with torch.no_grad():
        logits = trained.model.get_submodule("lm_head")(encoder(observations))
        blocked = [trained.tokenizer.pad_id, trained.tokenizer.unk_id]
        logits[:, blocked] = -torch.inf
        expected = trained.evaluate(batch).log_distribution
    torch.testing.assert_close(logits.log_softmax(-1), expected, rtol=0, atol=1e-4)


def test_the_observation_after_the_end_is_read_without_nan(trained: Seq2SeqPolicy) -> None:
    with torch.no_grad():
        assert torch.isfinite(PrefixEncoder(trained.model.base_model, 12)(torch.zeros(2, 23))).all()


def test_the_learning_rate_is_that_of_our_schedule() -> None:
    config = TrainingConfig(schedule="linear", tokens_per_batch=10, max_tokens=100, warmup_tokens=20)
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=config.learning_rate)
    schedule = TokenScheduleFactory(vars(config)).create(optimizer)
    for step in range(10):
        assert optimizer.param_groups[0]["lr"] == pytest.approx(config.learning_rate_at(10 * (step + 1)))
        optimizer.step()
        schedule.step()
