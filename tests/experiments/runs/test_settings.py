"""Options of a run: what they record, refuse and stand for."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from agents import LoRA, TrainingConfig
from buffers import Best
from experiments.growing_batch import Config
from experiments.runs.improve_data import DataConfig
from experiments.runs.settings import DEFAULT_VALUES, Settings
from seq2seq_env.tasks import Task, load_task


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"temperature": 0.0}, "temperature is 0.0; give a number above 0"),
        ({"temperature": float("nan")}, "temperature is nan"),
        ({"start": Path("run"), "pretrained": "model"}, "both --start and --pretrained name the policy"),
        ({"fine_tune": False}, "--no-fine-tune is for a pretrained policy"),
        ({"candidates": 0}, "candidates is 0; give 1 or more"),
        ({"improve_steps": 0}, "improve_steps is 0; give 1 or more"),
        ({"seed": -1}, "seed is -1; give 0 to 4294967295"),
        (
            {"improve": TrainingConfig(seed=7)},
            "--improve.seed is 7, and the order of batches follows from --seed; give",
        ),
        ({"learning_rate_decay": 1.5}, "learning_rate_decay is 1.5; give a factor above 0 and at most 1"),
    ],
)
def test_numbers_out_of_range_are_refused(options: dict[str, Any], message: str) -> None:
    Settings().check()
    with pytest.raises(ValueError, match=re.escape(message)):
        replace(Settings(), **options).check()


def test_a_tracker_that_is_not_installed_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    Settings(log_with=("tensorboard",)).check()
    monkeypatch.setattr("experiments.runs.run_log.is_installed", lambda name: False)
    with pytest.raises(ImportError, match=r"--log-with wandb needs the package wandb, .*: pip install wandb"):
        Settings(log_with=("wandb",)).check()


def test_adapters_are_for_networks_of_ours() -> None:
    Settings().check_adapters(["bc", "bvmpo"])
    adapted = Settings(lora=LoRA(rank=4))
    adapted.check_adapters(["bc", "dpo"])
    with pytest.raises(
        ValueError, match=r"agent 'd3rlpy-bc' trains whole networks, no adapters; leave --lora\.rank at 0"
    ):
        adapted.check_adapters(["bc", "d3rlpy-bc"])
    with pytest.raises(ValueError, match="agent 'reward-conditioned' trains whole networks"):  # and their embeddings
        adapted.check_adapters(["reward-conditioned"])


def test_noise_is_for_agents_without_a_ratio() -> None:
    noisy = Settings(improve=TrainingConfig(source_drop=0.1))
    noisy.check_adapters(["bc", "gold"])
    replace(noisy, agent_options={"oac": {"importance_weight": False}}).check_adapters(["oac"])
    for name in ("iw-sft", "oac", "bvmpo"):
        with pytest.raises(ValueError, match=f"agent '{name}' trains without noise on its sources; leave source_drop"):
            noisy.check_adapters(["bc", name])


def test_what_determines_the_results_is_recorded() -> None:
    first = Settings()
    free: list[dict[str, Any]] = [{"out": Path("elsewhere")}, {"device": "cuda"}, {"log_with": ()}]
    free += [{"preset": "multi30k-de-en"}]
    for name, training in (("supervised", first.supervised), ("improve", first.improve)):
        changes: list[dict[str, Any]] = [{"progress": False}, {"workers": 2}, {"log_every": 5}]
        free += [{name: replace(training, **each)} for each in changes]
    bound: list[dict[str, Any]] = [{"seed": 1}, {"start": Path("run")}, {"judge": "other"}, {"lora": LoRA(rank=2)}]
    assert all(replace(first, **changes).recorded() == first.recorded() for changes in free)
    assert all(replace(first, **changes).recorded() != first.recorded() for changes in bound)
    assert replace(first, start=Path("runs") / "a").recorded()["start"] == str(Path("runs") / "a")


def test_a_pretrained_policy_brings_its_tokenizer_where_the_task_takes_one() -> None:
    text = Settings(task="text-files", task_options={"folder": "data"}, pretrained="some/model")
    assert text.options_of_task() == {"tokenizer": "some/model", "folder": "data"}
    own = replace(text, task_options={"tokenizer": "other/model"})
    assert own.options_of_task() == {"tokenizer": "other/model"}
    assert Settings(pretrained="some/model").options_of_task() == {}
    assert load_task("phrasebook-de-en", **Settings().options_of_task()).name == "phrasebook-de-en"


def test_a_grow_step_draws_from_all_sources_there_are(tiny_task: Task, monolingual_task: Task) -> None:
    choices = ("auto", "train", "source-only", "both")
    drawn = [Settings(grow_from=choice).drawn_from(monolingual_task) for choice in choices]  # type: ignore[arg-type]
    assert drawn == ["both", "train", "source-only", "both"]
    assert Settings().drawn_from(tiny_task) == "train"
    with pytest.raises(ValueError, match="grow_from is 'both', and task 'tiny' has no sentences without references"):
        Settings(grow_from="both").with_sources(tiny_task)


def test_the_default_number_of_sources_fits_the_data(tiny_task: Task, monolingual_task: Task) -> None:
    few = Settings().with_sources(tiny_task)
    assert (few.sources, few.grow_from) == (None, "train")
    # So that a folder of such a run goes on with --sources None.
    assert few.recorded() == Settings(sources=None).with_sources(tiny_task).recorded()
    most = Settings(auto_sources=18)
    assert most.with_sources(monolingual_task).sources == 18
    assert replace(most, grow_from="train").with_sources(monolingual_task).sources is None  # of 18
    assert Config(auto_sources=17).with_sources(tiny_task).sources == 17


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"sources": 25}, "sources is 25, and there are 24 to draw from 'both'; give 1 to 24, or None for all"),
        ({"sources": 0}, "sources is 0, and there are 24 to draw from 'both'"),
        ({"sources": 19, "grow_from": "train"}, "sources is 19, and there are 18 to draw from 'train'"),
        ({"sources": 7, "grow_from": "source-only"}, "sources is 7, and there are 6 to draw from 'source-only'"),
    ],
)
def test_more_sources_than_there_are_are_refused(monolingual_task: Task, options: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Settings(**options).with_sources(monolingual_task)


def test_the_learning_rate_falls_over_all_improve_steps() -> None:
    config = Config(learning_rate_decay=0.5, seed=2)
    first = config.improve
    steps = [config.improve_at(step) for step in (1, 2, 5)]
    assert [step.learning_rate for step in steps] == [first.learning_rate * share for share in (1, 0.5, 0.5**4)]
    assert [step.seed for step in steps] == [2001, 2002, 2005]
    assert config.improve_at(1, seed=9).seed == 9001
    assert replace(steps[1], learning_rate=first.learning_rate, seed=first.seed) == first


def values_of(config: Config, grow_steps: int) -> list[list[float]]:
    return [[each.value for each in schedule] for schedule in config.schedules(grow_steps)]


def test_values_are_given_for_one_grow_step_or_for_each() -> None:
    config = Config(improve_steps=2, filter="threshold", filter_values=(0.5, 0.6, 0.7, 0.8))
    assert values_of(config, 2) == [[0.5, 0.6], [0.7, 0.8]]
    assert values_of(replace(config, filter_values=(0.5, 0.6)), 3) == [[0.5, 0.6]] * 3
    assert values_of(replace(config, filter_values=(0.5, 0.6)), 0) == []
    with pytest.raises(ValueError, match="does not rise"):
        replace(config, filter_values=(0.6, 0.5)).schedules(2)
    with pytest.raises(ValueError, match="filter_values has 3 values; give 2"):
        replace(config, filter_values=(0.5, 0.6, 0.7)).schedules(2)
    with pytest.raises(
        ValueError, match="there is no filter 'luck'; choose one of threshold, percentile, interpolation"
    ):
        replace(config, filter="luck").schedules(2)


def test_an_agent_that_asks_for_no_filter_has_steps_whatever_values_there_are() -> None:
    config = Config(agent="bc", grow_steps=2, improve_steps=6, filter="best", filter_values=(3, 2, 1))
    config.check()
    assert config.step_filters == [(None,) * 6] * 2
    filtering = Config(grow_steps=1, filter="best", filter_values=(3, 2, 1))
    assert filtering.step_filters == [(Best(3), Best(2), Best(1))]


def test_thresholds_are_the_highest_of_the_papers() -> None:
    assert values_of(Config(improve_steps=3), 2) == [[0.9, 0.95, 0.99]] * 2
    assert values_of(Config(improve_steps=5), 2) == [list(DEFAULT_VALUES["threshold"])] * 2
    # Within a source a better policy's best are best all the same.
    assert values_of(Config(filter="percentile", improve_steps=2), 2) == [[50, 70]] * 2
    assert values_of(Config(filter="interpolation", improve_steps=1), 2) == [[0.5]] * 2
    assert values_of(Config(filter="best", improve_steps=2), 2) == [[2, 1]] * 2


@pytest.mark.parametrize(
    ("options", "default_scorer", "kind"),
    [
        ({}, "phrasebook-qe", "threshold"),
        ({}, None, "percentile"),  # a scorer is made of the task's pairs, whose rewards may all be low
        ({"scorer": "other"}, "phrasebook-qe", "percentile"),
        ({"scorer": "other", "filter_values": (0.3, 0.4, 0.5)}, None, "threshold"),
        ({"filter": "interpolation"}, None, "interpolation"),
    ],
)
def test_the_filter_fits_the_scorer(
    tiny_task: Any, monkeypatch: pytest.MonkeyPatch, options: dict[str, Any], default_scorer: str | None, kind: str
) -> None:
    monkeypatch.setattr(tiny_task, "default_scorer", default_scorer)
    config = Settings(**options).with_filter(tiny_task)
    assert config.filter == kind
    assert len(config.schedules(2)) == 2
    assert Settings(**options).schedules(1)  # known before there is a task


def test_rewrites_want_thresholds_that_fit_the_scorer(tiny_task: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    config = Config(data=DataConfig(rewrite=True))
    monkeypatch.setattr(tiny_task, "default_scorer", "phrasebook-qe")
    assert config.with_filter(tiny_task).filter == "threshold"
    for uncalibrated, default_scorer in ((replace(config, scorer="other"), "phrasebook-qe"), (config, None)):
        monkeypatch.setattr(tiny_task, "default_scorer", default_scorer)
        with pytest.raises(ValueError, match=r"all rewards of a named or home-made scorer may lie below .*; give --fi"):
            uncalibrated.with_filter(tiny_task)
        given = replace(uncalibrated, filter_values=(0.3, 0.4, 0.5))
        assert given.with_filter(tiny_task).filter == "threshold"
