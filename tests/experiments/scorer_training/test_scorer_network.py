"""The scorer's network: its examples, its batches and its training."""

from __future__ import annotations

from random import Random

import torch

from experiments.scorer_training.oracle_config import NetworkConfig
from experiments.scorer_training.scorer_network import (
    Example,
    ScorerNetwork,
    batches,
    corrupt,
    mask,
    plausible_tokens,
    train,
)
from seq2seq_env.tasks import Task


def test_damage_tags_what_is_wrong_and_scores_what_is_left() -> None:
    target, other = list(range(10, 20)), list(range(50, 60))
    for seed in range(300):
        example = corrupt(Random(seed), [1, 2, 3], target, other, {2: 98, 7: 99})
        assert len(example.tags) == len(example.hypothesis) + 1
        assert example.score is not None
        assert 0 <= example.score <= 1
        assert (example.score == 1) == (list(example.hypothesis) == target)
        if list(example.hypothesis) == target:
            assert not any(example.tags)
        for token, wrong in zip(example.hypothesis, example.tags, strict=False):
            assert wrong or token in target


def test_masked_tokens_are_those_that_are_hidden() -> None:
    source, target = [1, 2, 3], list(range(10, 20))
    sourceless = 0
    for seed in range(200):
        example = mask(Random(seed), source, target, mask_id=99)
        sourceless += not example.source
        for token, shown, hidden in zip(target, example.hypothesis, example.masked, strict=True):
            assert (shown, hidden) in ((token, -1), (99, token))
        assert any(hidden >= 0 for hidden in example.masked)
    assert 10 <= sourceless <= 50  # 30 expected


def test_plausible_tokens_are_other_tokens_that_the_network_likes(tiny_task: Task) -> None:
    torch.manual_seed(0)
    network = ScorerNetwork(
        tiny_task.tokenizer, NetworkConfig(width=16, layers=1, heads=2, feed_forward=32, dropout=0.0, max_tokens=32)
    )
    targets = [[10, 11], [12, 11]] * 20
    epochs = [[mask(Random(seed), [], target, 1) for target in targets] for seed in range(40)]
    train(network, epochs, learning_rate=1e-2, batch_size=8, seed=0, name="test")
    found = plausible_tokens(network, targets, 1, Random(0))
    first = [tokens[0] for tokens in found if 0 in tokens]
    for target, tokens in zip(targets, found, strict=True):
        assert all(target[place] != token for place, token in tokens.items())
    # Of the two first words of the language the other one fits; that 90 % are it leaves room for a small network.
    assert len(first) > 3
    assert sum(token in (10, 12) for token in first) >= 0.9 * len(first)
    assert plausible_tokens(network, targets, 1, Random(0)) == found


def test_fluent_damage_takes_only_the_given_tokens() -> None:
    target = list(range(10, 20))
    changed = 0
    for seed in range(300):
        example = corrupt(Random(seed), [1, 2, 3], target, list(range(50, 60)), {4: 77})
        if 77 in example.hypothesis:
            place = list(example.hypothesis).index(77)
            assert example.tags[place]
            assert 14 not in example.hypothesis or list(example.hypothesis).index(14) != place
            changed += 1
    assert changed > 50


def test_batches_hold_each_example_once() -> None:
    examples = [Example([1], [2] * (i % 7 + 1), i / 40) for i in range(40)]
    seen = [example for batch in batches(examples, 8, Random(0)) for example in batch]
    assert sorted(example.score or 0.0 for example in seen) == [i / 40 for i in range(40)]


def test_network_learns_and_padding_does_not_matter(tiny_task: Task) -> None:
    torch.manual_seed(0)
    network = ScorerNetwork(
        tiny_task.tokenizer, NetworkConfig(width=16, layers=1, heads=2, feed_forward=32, dropout=0.0, max_tokens=32)
    )
    good, bad = Example([2, 3], [10, 11], 1.0), Example([2, 3], [13, 12, 14, 15], 0.0)
    network.eval()
    alone = (network.loss([good]) + network.loss([bad])) / 2
    torch.testing.assert_close(network.loss([good, bad]), alone)
    losses = train(network, [[good, bad] * 8] * 80, learning_rate=1e-2, batch_size=8, seed=0, name="test")
    assert losses[-1] < 0.1 < losses[0]
