from __future__ import annotations

import math
from collections.abc import Sequence
from random import Random

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from experiments.scorer_training.corruptions import CORRUPTIONS, UNIT_TESTS
from experiments.scorer_training.estimator_fitting import CROSS_ENTROPY, estimator_loss
from experiments.scorer_training.oracle_config import NetworkConfig
from experiments.scorer_training.scorer_network import (
    Example,
    ScorerNetwork,
    batches,
    damaged,
    masked,
    plausible_tokens,
    train,
)
from experiments.scorer_training.scorer_report import agreement, unit_tests
from seq2seq_env.tasks import Split, Task

RIGHT = "We will not buy seven red apples at the market tomorrow."


@pytest.mark.parametrize("name", CORRUPTIONS)
def test_every_corruption_changes_the_text(name: str) -> None:
    random = Random(0)
    for _ in range(50):
        text = CORRUPTIONS[name](random, "Wir kaufen morgen sieben rote Äpfel nicht.", RIGHT, "She is asleep.")
        assert text is not None
        assert text != RIGHT


@pytest.mark.parametrize("name", CORRUPTIONS)
@pytest.mark.parametrize("text", ["", ".", "?!", "ja", "7"])
def test_corruptions_take_what_a_weak_policy_writes(name: str, text: str) -> None:
    damaged_text = CORRUPTIONS[name](Random(0), "Er lacht.", text, "She is asleep.")
    assert damaged_text is None or isinstance(damaged_text, str)


def test_corruptions_say_where_they_do_not_fit() -> None:
    random = Random(0)
    assert UNIT_TESTS["changed number"](random, "Er lacht.", "He laughs.", "x") is None
    assert UNIT_TESTS["flipped negation"](random, "Er lacht.", "He laughs.", "x") is None
    assert UNIT_TESTS["other source's translation"](random, "a", "b", "b") is None
    assert UNIT_TESTS["flipped negation"](random, "", "He does not laugh.", "") == "He does laugh."
    assert UNIT_TESTS["flipped negation"](random, "", "He is here.", "") == "He is not here."


def test_damage_tags_what_is_wrong_and_scores_what_is_left() -> None:
    target, other = list(range(10, 20)), list(range(50, 60))
    for seed in range(300):
        example = damaged(Random(seed), [1, 2, 3], target, other, {2: 98, 7: 99})
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
        example = masked(Random(seed), source, target, mask_id=99)
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
    epochs = [[masked(Random(seed), [], target, 1) for target in targets] for seed in range(40)]
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
        example = damaged(Random(seed), [1, 2, 3], target, list(range(50, 60)), {4: 77})
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


def test_agreement_by_hand() -> None:
    # Source a: qualities 1, .5, 0 with scores .9, .2, .3: two of three pairs right. Source b: a tie counts half.
    sources = ["a", "a", "a", "b", "b"]
    qualities = np.array([1, 0.5, 0, 1, 0], dtype=np.float32)
    found = agreement(sources, qualities, np.array([0.9, 0.2, 0.3, 0.4, 0.4], dtype=np.float32))
    assert found.pairs == 5
    assert found.pairwise == pytest.approx((2 + 0.5) / 4)
    # Of 0.625: source a has 2 right where 1.875 were expected of 3, source b 0.5 where 0.625 were.
    assert found.pairwise_error == pytest.approx((0.125**2 + 0.125**2) ** 0.5 / 4)
    assert found.exact_auc == pytest.approx((2 + 0.5) / 3)


def test_agreement_where_nothing_can_be_compared() -> None:
    found = agreement(["a", "a"], np.zeros(2, dtype=np.float32), np.array([0.1, 0.2], dtype=np.float32))
    assert (found.pearson, found.kendall, found.pairwise, found.exact_auc) == (None, None, None, None)
    assert found.pairwise_error is None


def test_unit_tests_count_falls() -> None:
    class LengthScorer:
        fingerprint = "length"

        def score(self, sources: Sequence[str], hypotheses: Sequence[str]) -> NDArray[np.float32]:
            return np.array([min(len(h), 100) / 100 for h in hypotheses], dtype=np.float32)

    split = Split("test", ["Er lacht nicht laut."] * 5, ["He does not laugh loudly."] * 5)

    def oracle(sources: Sequence[str], hypotheses: Sequence[str]) -> NDArray[np.float32]:
        return np.zeros(len(sources), dtype=np.float32)

    found = unit_tests(LengthScorer(), split, oracle, 0)
    assert found["truncated"].falls == 1.0
    assert found["repeated phrase"].falls == 0.0
    assert found["changed number"].cases == 0


def test_estimators_loss_is_of_the_order_and_of_the_scores() -> None:
    first, second = torch.tensor([1.0, 0.0]), torch.tensor([0.5, 0.5])
    logits = torch.tensor([1.0, 0.0, 0.0, 2.0])
    # One pair has an order, log(1 + e^-1). Cross-entropies: the same, log 2 twice, (log(1 + e^-2) + log(1 + e^2)) / 2.
    order = math.log1p(math.exp(-1))
    entropy = (order + 2 * math.log(2) + (math.log1p(math.exp(-2)) + math.log1p(math.exp(2))) / 2) / 4
    assert float(estimator_loss(logits, [first, second])) == pytest.approx(order + CROSS_ENTROPY * entropy, abs=1e-6)
    # Where nothing has an order, the scores alone count.
    assert float(estimator_loss(logits[2:], [second])) == pytest.approx(
        CROSS_ENTROPY * (math.log(2) + (math.log1p(math.exp(-2)) + math.log1p(math.exp(2))) / 2) / 2, abs=1e-6
    )
