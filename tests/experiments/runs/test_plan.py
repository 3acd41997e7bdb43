"""Plans for corpora of several sizes."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from agents import LoRA, TrainingConfig
from experiments.growing_batch import Config
from experiments.runs.improve_data import DataConfig
from experiments.runs.plan import CorpusStatistics, plan, planned_judge, summary
from experiments.runs.presets import with_preset

FEW = CorpusStatistics(pairs=10_000, sources=10_000, words=240_000, long_sentence=25)
CAPTIONS = CorpusStatistics(pairs=29_000, sources=28_900, words=700_000, long_sentence=25, has_splits=True)
TALKS = CorpusStatistics(pairs=160_000, sources=160_000, words=6_400_000, long_sentence=60, source_only=900_000)


def settings_of(corpus: CorpusStatistics) -> Config:
    preset = plan(corpus)
    return replace(with_preset(Config(), preset), task_options=dict(preset.task_options))


@pytest.mark.parametrize(
    ("corpus", "task_options", "width", "layers", "dropout", "supervised"),
    [
        (FEW, {"vocab_size": "4000", "max_tokens": "64", "leaks": "drop", "held_out": "1000"}, 128, 3, 0.3, 4_300_000),
        (CAPTIONS, {"vocab_size": "8000", "max_tokens": "64", "leaks": "drop"}, 256, 3, 0.1, 4_900_000),
        (
            TALKS, {"vocab_size": "32000", "max_tokens": "128", "leaks": "drop", "held_out": "1000"}, 512, 6, 0.3,
            41_000_000,
        ),
    ],
)  # fmt: skip
def test_options_fit_the_data(
    corpus: CorpusStatistics, task_options: dict[str, str], width: int, layers: int, dropout: float, supervised: int
) -> None:
    config = settings_of(corpus)
    config.check()
    assert config.task_options == task_options
    assert (config.policy.d_model, config.policy.encoder_layers, config.policy.dropout) == (width, layers, dropout)
    assert config.supervised.max_tokens == supervised
    assert config.supervised.evaluate_every == supervised // 10
    assert config.supervised.patience * config.supervised.evaluate_every >= supervised  # no early end
    assert config.improve.max_tokens < supervised / 3


def test_much_text_is_filtered_by_ranks_of_a_scorer_that_is_made() -> None:
    for corpus in (CAPTIONS, TALKS):
        config = settings_of(corpus)
        assert config.improve.learning_rate < config.supervised.learning_rate
        assert (config.candidates, config.filter, config.filter_values) == (8, "auto", None)
        assert (config.scorer, config.data.last_on_pairs) == (None, False)


@pytest.mark.parametrize(
    ("source_only", "grow_from", "sources", "most"),
    [
        (0, "auto", "auto", 8_000),
        (7_000, "auto", "auto", 8_000),
        (24_000, "source-only", None, 8_000),
        (900_000, "source-only", "auto", 32_000),  # of which the task may keep fewer
    ],
)
def test_few_pairs_learn_from_what_counts_of_words_choose(
    source_only: int, grow_from: str, sources: Any, most: int
) -> None:
    config = settings_of(replace(FEW, source_only=source_only))
    config.check()
    assert (config.grow_from, config.sources, config.auto_sources) == (grow_from, sources, most)
    # Whatever is drawn, a training source is not judged by its own counts.
    assert config.scorer == "lexical: fluency=0.25 length=0.2 folds=2"
    assert (config.candidates, config.filter, config.is_on_pairs(3)) == (16, "best", True)
    assert config.improve.learning_rate == config.supervised.learning_rate
    # To the last weights, by two samples of each source.
    assert config.improve.evaluate_every == config.improve.max_tokens
    assert not config.improve.evaluate_first
    drawn = {"source-only": min(source_only, 32_000), "auto": 8_000}[grow_from]
    assert config.improve.max_tokens == pytest.approx(drawn * 1.5 * 12 * 2, rel=0.05)


@pytest.mark.parametrize("pairs", [1, 20, 90, 250, 2_999])
def test_hardly_any_pairs_have_a_plan(pairs: int) -> None:
    config = settings_of(CorpusStatistics(pairs=pairs, sources=pairs, words=20 * pairs, long_sentence=12))
    config.check()
    assert config.policy.d_model * 4 <= max(64, pairs)
    assert 4 * int(config.task_options.get("held_out", 0)) <= pairs
    assert config.supervised.max_tokens >= 10_000


def test_a_few_sentences_more_make_no_other_plan() -> None:
    assert plan(FEW) == plan(replace(FEW, pairs=FEW.pairs + 3, sources=FEW.sources - 40, words=FEW.words + 70))


def test_a_tenth_of_the_sources_is_held_out_with_all_of_their_pairs() -> None:
    """Not of the pairs, which may be many to a source: half of the sources would be no training."""
    several = settings_of(CorpusStatistics(pairs=1_000, sources=200, words=20_000, long_sentence=12))
    assert several.task_options["held_out"] == "20"
    assert several.supervised.max_tokens == 480_000  # 30 passes of 2.0 * 10 tokens of the 800 pairs that are left


@pytest.mark.parametrize(
    ("scorer", "judge"),
    [
        (None, "lexical:"), ("runs/mine", "lexical:"), ("process: lexical: x", "lexical:"), ("lexical: length=1", None),
        ('guarded: "pool: lexical:"', None), ("ensemble: phrasebook-qe lexical:", None),
    ],
)  # fmt: skip
def test_a_judge_is_of_another_make_than_the_scorer(scorer: str | None, judge: str | None) -> None:
    assert planned_judge(scorer) == judge


@pytest.mark.parametrize(
    ("characters", "size"), [(0, 4_000), (2_000, 4_000), (2_001, 8_000), (7_000, 16_000), (90_000, 32_000)]
)
def test_a_vocabulary_has_room_for_the_characters(characters: int, size: int) -> None:
    """Chinese has thousands, and few pairs have too few words for as many tokens."""
    assert plan(replace(FEW, characters=characters)).task_options["vocab_size"] == str(size)


@pytest.mark.parametrize(("words", "longest", "tokens"), [(60_000, 29, 64), (60_000, 30, 128), (700_000, 40, 64)])
def test_a_small_vocabulary_takes_more_tokens_to_a_word(words: int, longest: int, tokens: int) -> None:
    """A German sentence of 30 words takes 63 tokens on average, of a vocabulary of 1,000."""
    corpus = replace(FEW, words=words, long_sentence=longest)
    assert plan(corpus).task_options["max_tokens"] == str(tokens)


def test_a_scorer_that_was_made_before_is_not_made_first(tmp_path: Path) -> None:
    config = replace(settings_of(CAPTIONS), out=tmp_path / "run")
    assert "made first" in summary(config, CAPTIONS)[1]
    folder = tmp_path / "run-scorer"
    folder.mkdir()
    assert "made first" in summary(config, CAPTIONS)[1]  # a report is written last
    (folder / "report.json").touch()
    assert summary(config, CAPTIONS)[1] == f"scorer: {folder.resolve()}, made before"


def test_very_long_sentences_are_left_out() -> None:
    assert plan(replace(FEW, long_sentence=5_000)).task_options["max_tokens"] == "256"


def test_a_pretrained_policy_keeps_its_size_and_learning_rates() -> None:
    preset = plan(FEW).for_pretrained()
    assert preset.nested.keys() == {"supervised", "improve"}
    assert not {"learning_rate"} & preset.nested["improve"].keys()
    assert not {"learning_rate", "patience"} & preset.nested["supervised"].keys()
    assert preset.nested["supervised"]["max_tokens"] == plan(FEW).nested["supervised"]["max_tokens"]
    assert preset.growing == plan(FEW).growing


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({}, ["10,000 pairs; 1,000 held out for validation, 1,000 for the test; up to 64 tokens, vocabulary of 4000"]),
        (
            {},
            ["3 + 3 layers of width 128, dropout 0.3", "filter best, 4 2, the last on the pairs alone"],
        ),
        (
            {"scorer": "runs/mine", "judge": "lexical:", "sources": None},
            ["scorer: runs/mine; judge: lexical:", "all sources, 16 samples of each"],
        ),
        (
            {"pretrained": "a/b", "grow_steps": 0},
            ["up to 64 tokens, tokenizer of a/b", "policy: a/b; trained", "0 steps"],
        ),
        (
            {"pretrained": "a/b", "fine_tune": False, "lora": LoRA(rank=8)},
            ["policy: a/b, as it is", "on the pairs alone, adapters of rank 8"],
        ),
        ({"pretrained": "a/b", "lora": LoRA(rank=8)}, ["policy: a/b, adapters of rank 8; trained"]),
        ({"lora": LoRA(rank=8)}, ["dropout 0.3; trained on the pairs", "on the pairs alone, adapters of rank 8"]),
        ({"sources": "auto", "auto_sources": 32_000}, ["up to 32,000 sources"]),
        ({"start": Path("runs/mine")}, ["policy: the supervised one of runs/mine"]),
        ({"scorer": None}, ["made first: 2 folds, 1 repeat,"]),
        ({}, ["trained on the pairs for 4,300,000 tokens"]),
        ({"grow_from": "source-only", "sources": None}, ["Grow: 2 steps, all source-only sentences, 16 samples"]),
        ({"grow_from": "train", "sources": 500}, ["Grow: 2 steps, 500 training sources, 16 samples"]),
        ({"agent": "dpo", "data": DataConfig()}, ["tokens; no filter"]),
        ({"task_options": {"held_out": "many"}}, ["10,000 pairs; splits as in the files"]),  # the task refuses it
        ({"supervised": TrainingConfig(max_tokens=1_000, evaluate_every=100)}, ["not risen in 3 looks"]),
        (
            {"filter": "auto", "filter_values": (0.2, 0.3, 0.4, 0.5, 0.6, 0.7), "data": DataConfig()},
            ["filter threshold, 0.2 0.3 0.4 0.5 0.6 0.7"],
        ),
    ],
)
def test_five_lines_say_what_is_done(changes: dict[str, Any], words: list[str]) -> None:
    lines = summary(replace(settings_of(FEW), **changes), FEW)
    assert len(lines) == 5
    for text in words:
        assert any(text in line for line in lines), text
