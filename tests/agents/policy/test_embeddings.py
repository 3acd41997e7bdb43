from __future__ import annotations

import pytest
import torch
from torch import nn

from agents import Seq2SeqPolicy
from agents.policy.embeddings import align_embeddings, cross_lingual_embeddings, initialise
from seq2seq_env.tasks import Task
from tests.tiny_models import tiny_policy_config


def test_words_that_translate_each_other_are_neighbours() -> None:
    # Tokens 1-4 are translated by 5-8, two words a sentence; token 0 and 9 never occur.
    sources = [[a, b] for a in range(1, 5) for b in range(1, 5) if a != b]
    targets = [[a + 4, b + 4] for a, b in sources]
    values = cross_lingual_embeddings(sources, targets, vocab_size=10, width=4, seed=0)
    assert values.shape == (10, 4)
    assert values.dtype == torch.float32
    torch.testing.assert_close(values[1:9].norm(dim=1), torch.ones(8))
    nearest = (values[1:5] @ values[5:9].T).argmax(1)
    assert nearest.tolist() == [0, 1, 2, 3]
    assert values[0].abs().sum() == values[9].abs().sum() == 0
    assert torch.equal(values, cross_lingual_embeddings(sources, targets, vocab_size=10, width=4, seed=0))


def test_bad_pairs_are_refused() -> None:
    with pytest.raises(ValueError, match="2 sources and 1 targets"):
        cross_lingual_embeddings([[1], [2]], [[1]], vocab_size=10, width=1, seed=0)
    with pytest.raises(ValueError, match="2 pairs of 10 tokens cannot give 4 features"):
        cross_lingual_embeddings([[1], [2]], [[1], [2]], vocab_size=10, width=4, seed=0)


def test_unknown_rows_keep_what_they_had() -> None:
    embedding = nn.Embedding(4, 2)
    before = embedding.weight.detach().clone()
    initialise(embedding, torch.tensor([[0.0, 0.0], [1.0, 0.0], [0.0, 0.0]]))
    assert torch.equal(embedding.weight[1], torch.tensor([1.0, 0.0]))
    assert torch.equal(embedding.weight[[0, 2, 3]], before[[0, 2, 3]])


def test_policy_starts_from_its_pairs_and_padding_stays_zero(tiny_task: Task) -> None:
    sizes = tiny_policy_config(d_model=8, decoder_layers=1, ffn_dim=16)
    policy = Seq2SeqPolicy.from_config(tiny_task.tokenizer, sizes, 0)
    pairs = tiny_task.split("train")
    align_embeddings(policy, pairs.sources, pairs.references, seed=0)
    embedding = policy.model.get_input_embeddings()
    assert isinstance(embedding, nn.Embedding)
    table = embedding.weight.detach()
    two, zwei = (tiny_task.tokenizer.encode([word])[0][0] for word in ("two", "zwei"))
    torch.testing.assert_close(table[zwei].norm(), torch.tensor(1.0))
    assert float(table[zwei] @ table[two]) > 0.9
    assert table[tiny_task.tokenizer.pad_id].abs().sum() == 0
