from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

import pytest

import agents
from experiments.growing_batch import Config
from experiments.runs.experiment import Experiment
from experiments.runs.finished_run import FinishedRun
from experiments.runs.stage_samples import (
    FOLDER,
    Candidates,
    Sampling,
    Wanted,
    kept_samples,
    sample_stages,
    sources_drawn,
)

SAMPLING = Sampling(sources=6, seed=0, engine="transformers")
SUPERVISED, TRAINED = Wanted("g0i0", 0.8, 32), Wanted("g1i2", 0.8, 32)

Sampled = dict[Wanted, list[Candidates]]


@pytest.fixture(scope="module")
def sampled(finished_run: Experiment[Config], tmp_path_factory: pytest.TempPathFactory) -> tuple[FinishedRun, Sampled]:
    """Two stages of a copy of the run."""
    folder = tmp_path_factory.mktemp("sampled") / "run"
    shutil.copytree(finished_run.folder.path, folder, ignore=shutil.ignore_patterns("buffer"))
    run = FinishedRun(folder, finished_run.folder.config, finished_run.task, finished_run.evaluator.scorer)
    return run, sample_stages(run, [SUPERVISED, TRAINED], SAMPLING, progress=False)


def test_every_sample_is_counted_scored_and_compared(sampled: tuple[FinishedRun, Sampled]) -> None:
    run, known = sampled
    test = list(dict.fromkeys(run.sources))
    sources = [test[row] for row in sources_drawn(len(test), 6, 0).tolist()]
    policies = {stage: agents.Seq2SeqPolicy.load(run.checkpoint(stage)) for stage in ("g0i0", "g1i2")}
    for wanted, drawn in known.items():
        assert len(drawn) == 6
        for source, each in zip(sources, drawn, strict=True):
            assert each.counts.sum() == 32
            assert len(set(each.texts)) == len(each.texts)
            assert each.reward == pytest.approx(run.scorer.score([source] * len(each.texts), each.texts))
            assert each.gold is not None
            assert set(each.gold) <= {0.0, 1.0}
        if wanted == SUPERVISED:
            assert not any(each.log_ratio.any() for each in drawn)
    # The log-ratio of a whole translation, by the two policies' own log-probabilities of its tokens.
    before, after = (policies[stage] for stage in ("g0i0", "g1i2"))
    first, encoded = known[TRAINED][0], before.encode(sources[:1])
    likeliest = first.texts[int(first.counts.argmax())]
    tokens = run.task.tokenizer.encode_targets([likeliest])
    ratio = sum(sign * policy.log_probs(encoded, tokens, 0.8)[0].sum() for sign, policy in ((1, after), (-1, before)))
    assert first.log_ratio[first.counts.argmax()] == pytest.approx(ratio, abs=1e-3)


def test_a_source_of_several_lines_is_drawn_once(
    sampled: tuple[FinishedRun, Sampled], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = sampled[0]
    folder = Path(shutil.copytree(run.path, tmp_path / "run", ignore=shutil.ignore_patterns(FOLDER)))
    lines = run.sources[:3] * 2
    monkeypatch.setattr(FinishedRun, "sources", property(lambda _: lines))
    drawn = sample_stages(replace(run, path=folder), [SUPERVISED], SAMPLING, progress=False)
    assert len(drawn[SUPERVISED]) == 3


def test_what_is_there_is_read(sampled: tuple[FinishedRun, Sampled], monkeypatch: pytest.MonkeyPatch) -> None:
    run, known = sampled
    monkeypatch.setattr(agents.Seq2SeqPolicy, "load", None)
    again = sample_stages(run, [TRAINED], SAMPLING)
    assert again[TRAINED][0].record() == known[TRAINED][0].record()
    with pytest.raises(
        FileExistsError, match=r"best-of-n' .* sources was 6 and is now 5; delete that folder to sample"
    ):
        sample_stages(run, [TRAINED], replace(SAMPLING, sources=5))


def test_the_most_samples_of_a_stage_are_kept_ones(sampled: tuple[FinishedRun, Sampled], tmp_path: Path) -> None:
    run, known = sampled
    shutil.copytree(run.path / FOLDER, tmp_path / FOLDER)
    few = tmp_path / FOLDER / "stages" / "g0i0-t0.8-n4.json"
    shutil.copy(few.with_name("g0i0-t0.8-n32.json"), few)
    assert [*kept_samples(tmp_path)] == [*known]
    with pytest.raises(FileNotFoundError, match="draw them first: rest best-of-n"):
        kept_samples(tmp_path / "other")
