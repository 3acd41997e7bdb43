"""Folds of a predictor-estimator, and the hypotheses that it learns from."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from experiments.scorer_training import estimator_training
from experiments.scorer_training.estimator_config import EstimatorConfig, QualityName
from experiments.scorer_training.estimator_training import (
    TEMPERATURES,
    _part,
    _self_made,
    _translation_models,
    grouped,
    make,
)
from experiments.scorer_training.ratings import Rating
from experiments.scorer_training.reference_quality import ReferenceQuality
from experiments.scorer_training.translation_models import TranslationModel
from seq2seq_env.scorers.folds import fold_of
from seq2seq_env.tasks import Split, Task, load_task
from tests.experiments.tiny_scorer import QUICK


@pytest.fixture
def task(files: dict[str, str]) -> Task:
    return load_task("text-files", **files)


def test_no_scorer_learns_from_a_source_that_it_judges(task: Task) -> None:
    sources = set(task.split("train").sources)
    for number in range(QUICK.folds * QUICK.repeats):
        repeat, fold = divmod(number, QUICK.folds)
        part = _part(QUICK, task, None, number, seed=0)
        learned = set(part.pairs.sources) | set(part.labelled.sources)
        assert learned == {source for source in sources if fold_of(source, QUICK.folds, repeat) != fold}
        assert not set(part.pairs.sources) & set(part.labelled.sources)
        assert len(set(part.labelled.sources)) == QUICK.labelled_of(len(learned))


def test_spellings_of_a_source_are_labelled_together(files: dict[str, str], task: Task) -> None:
    """Else a translation model learns the sources that its samples are labelled for, in another case."""
    labelled = _part(QUICK, task, None, 0, seed=0).labelled.sources
    for ending, upper in (("de", True), ("en", False)):
        path = Path(files["folder"]) / f"train.{ending}"
        lines = path.read_text().splitlines()
        path.write_text("".join(f"{line}\n" for line in [*lines, *(x.upper() if upper else x for x in lines)]))
    both = load_task("text-files", **files)
    part = _part(QUICK, both, None, 0, seed=0)
    assert not {source.lower() for source in part.pairs.sources} & {source.lower() for source in part.labelled.sources}
    assert len(part.labelled) == 2 * len(labelled)
    # Ratings may spell a source in another way than the pairs do.
    rated = [Rating(source.title(), "x", 0.5) for source in labelled]
    kept = _part(QUICK, task, rated, 0, seed=0)
    assert not set(kept.pairs.sources) & set(labelled)
    assert set(kept.labelled.sources) == set(labelled)


def test_translation_models_stop_by_what_is_labelled(task: Task, tmp_path: Path) -> None:
    part = _part(QUICK, task, None, 0, seed=0)
    forward, backward = _translation_models(QUICK, task, part, tmp_path)
    assert (forward.sources, forward.targets) == (part.pairs.sources, part.pairs.references)
    assert forward.held_out == (part.labelled.sources, part.labelled.references)
    assert (backward.sources, backward.held_out) == (forward.targets, forward.held_out[::-1])
    assert (forward.network.d_model, backward.network.d_model) == (16, 8)
    assert forward.network.max_source_length == backward.network.max_target_length == 24
    assert [model.folder.name for model in (forward, backward)] == ["forward", "backward"]
    few = Split("train", part.labelled.sources[:19], part.labelled.references[:19])
    assert _translation_models(QUICK, task, part._replace(labelled=few), tmp_path)[0].held_out == ([], [])


def test_one_scorer_of_all_learns_from_all(task: Task) -> None:
    config = replace(QUICK, folds=1)
    part = _part(config, task, None, None, seed=0)
    assert set(part.pairs.sources) | set(part.labelled.sources) == set(task.split("train").sources)
    assert part.labelled != _part(config, task, None, None, seed=1).labelled


def test_rated_sources_are_kept_from_the_translation_models(task: Task) -> None:
    sources = list(dict.fromkeys(task.split("train").sources))[:60]
    ratings = [Rating(source, "text", 0.5) for source in sources]
    part = _part(QUICK, task, ratings, 0, seed=0)
    assert part.rated is not None
    assert {rating.source for rating in part.rated} == {s for s in sources if fold_of(s, QUICK.folds, 0) != 0}
    assert not set(part.pairs.sources) & {rating.source for rating in part.rated}


def test_too_few_sources_with_labels_are_refused(task: Task) -> None:
    with pytest.raises(ValueError, match=r"and 3 sources with labels are too few; give more pairs, or fewer folds"):
        _part(QUICK, task, [Rating(f"s{n}", "text", 0.5) for n in range(3)], None, seed=0)


class Echo:
    """Stands in for a policy: what it samples is known."""

    def __init__(self) -> None:
        self.asked: list[tuple[int, float]] = []

    def encode(self, sources: list[str]) -> list[list[int]]:
        return [list(source.encode()) for source in sources]

    def sample(self, sources: list[list[int]], count: int, temperature: float, seed: int) -> Any:
        self.asked.append((count, temperature))
        texts = [f"{bytes(source).decode()} {temperature} {number}" for source in sources for number in range(count)]
        return type("Samples", (), {"texts": texts})()


@pytest.mark.parametrize("label", ["chrf1", "ter"])
def test_labels_are_of_samples_and_corruptions(label: QualityName) -> None:
    pairs = Split("train", ["eins rot", "zwei blau"], ["one red thing", "two blue things"])
    policy: Any = Echo()
    config = replace(QUICK, samples_per_source=5, corrupted_per_source=3, label=label)
    labelled = _self_made(config, pairs, policy, seed=0)
    assert policy.asked == [(2, TEMPERATURES[0]), (3, TEMPERATURES[1])]
    assert [each.source for each in labelled] == pairs.sources
    quality = ReferenceQuality(pairs.sources, pairs.references, label)
    for each in labelled:
        assert 5 < len(each.hypotheses) == len(set(each.hypotheses)) <= 8
        expected = torch.from_numpy(quality([each.source] * len(each.hypotheses), each.hypotheses))
        torch.testing.assert_close(each.labels, expected)


def test_hypotheses_are_grouped_by_source_in_order() -> None:
    first, second = grouped([("a", "x"), ("b", "y"), ("a", "z")], [0.1, 0.2, 0.3])
    assert (first.source, first.hypotheses) == ("a", ["x", "z"])
    assert first.labels.tolist() == pytest.approx([0.1, 0.3])
    assert (second.source, second.hypotheses) == ("b", ["y"])


def test_a_pretrained_models_tokenizer_is_refused(task: Task, tmp_path: Any) -> None:
    class Other(type(task.tokenizer)):  # type: ignore[misc]
        """Not the tokenizer that scorers save."""

    task.tokenizer.__class__ = Other
    with pytest.raises(ValueError, match="leave out its option tokenizer here"):
        make(QUICK, task, tmp_path / "scorer", 0)


def test_few_pairs_get_a_narrower_predictor_unless_it_is_named(
    task: Task, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    widths: list[int] = []

    def stop(recipe: Any, models: list[TranslationModel], processes: int | None) -> None:
        widths.extend(model.network.d_model for model in models)
        raise InterruptedError

    monkeypatch.setattr(estimator_training, "train_models", stop)
    own = replace(QUICK, predictor=replace(QUICK.predictor, d_model=24), repeats=1)
    for config in (replace(own, predictor=EstimatorConfig().predictor), own):
        with pytest.raises(InterruptedError):
            make(config, task, tmp_path / "scorer", 0)
    # 228 pairs, of which a scorer sees half and labels a part.
    assert widths == [16, 8] * 2 + [24, 12] * 2
