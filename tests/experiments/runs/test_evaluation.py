from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from unittest.mock import Mock

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from sacrebleu.metrics.bleu import BLEU
from sacrebleu.metrics.chrf import CHRF
from sacrebleu.metrics.ter import TER

import experiments.runs.evaluation as module
from agents import PolicyConfig, Seq2SeqPolicy
from experiments.runs.evaluation import Evaluator, Translations
from seq2seq_env.tasks import Task

SIZES = PolicyConfig(d_model=16, num_heads=2, encoder_layers=1, decoder_layers=1, ffn_dim=32, max_source_length=12,
                     max_target_length=12)  # fmt: skip


@pytest.fixture
def policy(tiny_task: Task) -> Seq2SeqPolicy:
    return Seq2SeqPolicy.from_config(tiny_task.tokenizer, SIZES, seed=0)


@pytest.fixture
def evaluator(tiny_task: Task, fake_scorer: Any) -> Evaluator:
    return Evaluator(tiny_task, fake_scorer, temperature=0.8, seed=0)


@pytest.fixture
def drawn(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """How many sources each call of ``sample`` was given."""
    calls: list[int] = []
    sample = Seq2SeqPolicy.sample

    def counting(self: Seq2SeqPolicy, sources: list[list[int]], *arguments: Any) -> Any:
        calls.append(len(sources))
        return sample(self, sources, *arguments)

    monkeypatch.setattr(Seq2SeqPolicy, "sample", counting)
    return calls


def change(policy: Seq2SeqPolicy) -> None:
    with torch.no_grad():
        policy.model.lm_head.weight.mul_(-1)


def test_the_same_weights_are_sampled_once(evaluator: Evaluator, policy: Seq2SeqPolicy, drawn: list[int]) -> None:
    reward = evaluator.validation_reward(policy)
    assert evaluator.validation_reward(policy.clone()) == reward
    found = evaluator.translations(policy, "validation", "sample")
    assert float(found.rewards.mean()) == reward
    assert len(drawn) == 1
    change(policy)
    changed = evaluator.translations(policy, "validation", "sample")
    assert len(drawn) == 2
    assert changed.texts != found.texts
    evaluator.translations(policy, "test", "sample")
    assert len(drawn) == 3


def test_only_so_many_are_remembered(
    evaluator: Evaluator, policy: Seq2SeqPolicy, drawn: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "REMEMBERED", 2)
    kept = policy.clone()
    evaluator.validation_reward(kept)
    for _ in range(2):
        change(policy)
        policy.model.lm_head.weight.data.mul_(1.5)
        evaluator.validation_reward(policy)
    evaluator.validation_reward(kept)
    assert len(drawn) == 4
    evaluator.validation_reward(policy)
    assert len(drawn) == 4


def test_another_seed_has_other_samples_and_the_same_scores(
    evaluator: Evaluator, policy: Seq2SeqPolicy, drawn: list[int]
) -> None:
    first, again = (each.translations(policy, "test", "sample") for each in (evaluator, evaluator.reseeded(0)))
    other = evaluator.reseeded(1).translations(policy, "test", "sample")
    assert first.texts == again.texts != other.texts
    assert len(drawn) == 3
    assert evaluator.seed == 0


@pytest.mark.parametrize(
    ("nats", "temperature"),
    [(0.4, 0.4), (0.8, 0.8), (2.0, 2.0), (9.0, module.HOTTEST)],  # below the Grow temperature, at it, above, unreached
)
def test_the_temperature_of_an_entropy_is_looked_for_on_both_sides_of_the_grow_temperature(
    evaluator: Evaluator, nats: float, temperature: float
) -> None:
    def as_hot(sources: object, candidates: int, temperature: float, seed: int) -> Any:
        return Mock(log_prob=np.array([-temperature], dtype=np.float32))

    policy = Mock(fingerprint="as hot", sample=as_hot)
    assert evaluator.temperature_of(policy, nats, "test") == pytest.approx(temperature, abs=0.01)


def test_divergence_is_of_the_samples_that_are_known(
    evaluator: Evaluator, policy: Seq2SeqPolicy, drawn: list[int]
) -> None:
    other = policy.clone()
    change(other)
    evaluator.translations(policy, "test", "sample")
    assert evaluator.kl(policy, policy.clone(), "test") == pytest.approx(0.0, abs=1e-5)
    assert evaluator.kl(policy, other, "test") > 0.01
    assert len(drawn) == 1


def test_measures_are_sacrebleus(evaluator: Evaluator, policy: Seq2SeqPolicy, tiny_task: Task) -> None:
    for split in ("validation", "test", "validation"):
        found = evaluator.translations(policy, split, "greedy")
        measures, references = evaluator.measures(found, split), tiny_task.split(split).references
        assert measures["bleu"] == BLEU().corpus_score(found.texts, [references]).score
        assert measures["chrf"] == CHRF().corpus_score(found.texts, [references]).score
        assert measures["ter"] == TER().corpus_score(found.texts, [references]).score
    assert evaluator.measures(evaluator.translations(policy, "test", "sample"), "test")["ter"] is None
    assert all(signature.startswith("nrefs:1|") for signature in evaluator.signatures().values())


def test_beam_search_is_measured_where_it_is_asked_for(
    evaluator: Evaluator, policy: Seq2SeqPolicy, tiny_task: Task, fake_scorer: Any
) -> None:
    by_beam = Evaluator(tiny_task, fake_scorer, temperature=0.8, seed=0, beams=3)
    assert evaluator.decodes == ("sample", "greedy")
    assert by_beam.decodes == ("sample", "greedy", "beam")
    likeliest = by_beam.translations(policy, "test", "beam")
    assert likeliest.texts == policy.translate(tiny_task.split("test").sources, num_beams=3)
    assert by_beam.translations(policy, "test", "greedy").texts != likeliest.texts


def test_the_judge_measures_and_decides_nothing(
    evaluator: Evaluator, policy: Seq2SeqPolicy, tiny_task: Task, fake_scorer: Any
) -> None:
    class Opposite:
        fingerprint = "opposite"

        def score(self, sources: Sequence[str], hypotheses: Sequence[str]) -> NDArray[np.float32]:
            return 1 - np.asarray(fake_scorer.score(sources, hypotheses))

    judged = Evaluator(tiny_task, fake_scorer, judge=Opposite(), temperature=0.8, seed=0)
    assert judged.validation_reward(policy) == evaluator.validation_reward(policy)
    found = judged.measures(judged.translations(policy, "test", "sample"), "test")
    assert found["reward"] is not None
    assert found["judge"] == pytest.approx(1 - found["reward"], abs=1e-6)
    assert evaluator.measures(evaluator.translations(policy, "test", "sample"), "test")["judge"] is None


def test_the_best_of_n_by_hand(evaluator: Evaluator, policy: Seq2SeqPolicy, tiny_task: Task) -> None:
    sources = tiny_task.split("test").sources
    texts = policy.sample(policy.encode(sources), 4, 0.8, 0).texts
    rewards = [evaluator.scorer.score([source] * 4, texts[4 * i : 4 * i + 4]) for i, source in enumerate(sources)]
    found = evaluator.best_of(policy, "test", 4)
    assert found["mean"] == pytest.approx(np.mean(rewards), abs=1e-6)
    assert found["best"] == pytest.approx(np.mean([max(each) for each in rewards]), abs=1e-6)


def test_chinese_is_counted_in_its_own_words(fake_scorer: Any) -> None:
    references = ["我昨天在市场买了七个苹果。", "火车明天早上八点出发。"]
    hypotheses = ["我昨天在市场买了七个梨。", "火车明天早上八点出发。"]

    task = Mock(oracle=None)
    task.split.return_value = Mock(references=references)
    evaluator = Evaluator(task, fake_scorer, temperature=0.8, seed=0)
    ones = np.ones(2, dtype=np.float32)
    measures = evaluator.measures(Translations(hypotheses, ones, None, None), "test")
    expected = BLEU(tokenize="zh").corpus_score(hypotheses, [references]).score
    assert measures["bleu"] == pytest.approx(expected)
    assert expected > 70
    assert measures["length_ratio"] == pytest.approx(23 / 24)
    assert "tok:zh" in evaluator.signatures()["bleu"]


def test_a_chinese_word_that_differs_costs_a_fifth(fake_scorer: Any) -> None:
    """By 13a, which knows no words without spaces, BLEU is 0."""
    references = ["我昨天在市场买了七个红苹果。", "谢谢。"]
    hypotheses = ["我昨天在市场买了八个红苹果。", "谢谢。"]
    task = Mock(oracle=None)
    task.split.return_value = Mock(references=references)
    evaluator = Evaluator(task, fake_scorer, temperature=0.8, seed=0)
    measures = evaluator.measures(Translations(hypotheses, np.ones(2, dtype=np.float32), None, None), "test")
    assert measures["bleu"] == pytest.approx(79.5, abs=0.05)
    assert measures["length_ratio"] == 1
    assert BLEU(tokenize="13a").corpus_score(hypotheses, [references]).score == 0
