from __future__ import annotations

import torch

from agents import PolicyConfig, Seq2SeqPolicy
from seq2seq_env.tasks.task import Task
from tests.tiny_models import tiny_policy_config


def test_building_a_policy_leaves_the_global_generator(tiny_task: Task) -> None:
    torch.manual_seed(0)
    expected = torch.rand(1)
    torch.manual_seed(0)
    Seq2SeqPolicy.from_config(tiny_task.tokenizer, tiny_policy_config(), seed=9)
    assert torch.equal(torch.rand(1), expected)


def test_every_size_reaches_the_model(tiny_task: Task) -> None:
    config = PolicyConfig(
        d_model=24,
        num_heads=3,
        encoder_layers=3,
        decoder_layers=1,
        ffn_dim=20,
        dropout=0.2,
        max_source_length=9,
        max_target_length=7,
    )
    policy = Seq2SeqPolicy.from_config(tiny_task.tokenizer, config)
    made = policy.model.config
    assert (made.d_model, made.encoder_attention_heads, made.decoder_attention_heads) == (24, 3, 3)
    assert (made.encoder_layers, made.decoder_layers, made.dropout) == (3, 1, 0.2)
    assert (made.encoder_ffn_dim, made.decoder_ffn_dim) == (20, 20)
    assert (policy.max_source_length, policy.max_target_length) == (9, 7)
