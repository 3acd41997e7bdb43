"""The plan on the command line: which text it is for, and what it leaves to who names an option."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from experiments import compare_agents, growing_batch
from experiments.runs import script
from experiments.runs.own_text import planned_options, statistics, with_plan
from experiments.runs.plan import CorpusStatistics

ARGUMENTS = ["--task", "text-files", "--task-options", "source", "de", "target", "en", "folder"]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for ending, words in (("de", "drei kleine Hunde"), ("en", "three little dogs")):
        (tmp_path / f"train.{ending}").write_text("".join(f"{words} {n}\n" for n in range(200)) + "\n")
    return tmp_path


def test_statistics_are_of_the_files(folder: Path) -> None:
    options = {"folder": str(folder), "source": "de", "target": "en"}
    letters = set("drei kleine Hundethree little dogs0123456789")
    assert statistics(options) == CorpusStatistics(
        pairs=200, sources=200, words=1_600, long_sentence=4, characters=len(letters)
    )


def test_pairs_are_counted_as_the_task_keeps_them(folder: Path) -> None:
    """Once, in one form of Unicode, and where both sides have text that is seen."""
    pairs = [("ein Hund", "a dog"), ("Ein  Hund", "a dog")] * 100
    pairs += [("ein Ba\u0308r", "a bear"), ("ein B\u00e4r", "a bear"), ("\u200b", "nothing"), ("nichts", " \ufeff")]
    for side, ending in enumerate(("de", "en")):
        (folder / f"again.{ending}").write_text("".join(f"{pair[side]}\n" for pair in pairs), "utf-8")
    again = statistics({"folder": str(folder), "source": "de", "target": "en", "train": "again"})
    assert again is not None
    assert (again.pairs, again.sources, again.words) == (3, 2, 12)
    assert again.characters == len(set("ein Hund Ein Bär a dog a bear"))


def test_sentences_alone_are_counted_as_the_task_keeps_them(folder: Path) -> None:
    """What is a source of a pair, twice there, or over-long will not be sampled."""
    for ending in ("de", "en"):
        (folder / f"test.{ending}").write_text("ein Hund\n")
    known = ["Drei kleine  Hunde 7", "Ein Hund", "", "\u00ad", "noch ein Hund", "noch ein Hund", "Hund " * 50]
    (folder / "more.de").write_text("".join(f"{text}\n" for text in [*known, "und noch einer"]))
    options = {"folder": str(folder), "source": "de", "target": "en", "source_only": "more"}
    numbers = [statistics(options | more) for more in ({}, {"max_tokens": "128"}, {"max_tokens": "many"})]
    assert [each and (each.source_only, each.has_splits) for each in numbers] == [(2, True), (3, True), (2, True)]


def test_what_is_wrong_with_a_file_is_what_is_said(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """And not that there is no file of validation, which a plan would have taken out of the pairs."""
    (folder / "source-only.de").write_text("für\n", "latin1")
    for option, end, said in ((["--help"], 0, ""), ([], 2, "source-only.de' is not UTF-8 (line 1: ")):
        with pytest.raises(SystemExit) as raised:
            run(monkeypatch, folder, *option)
        assert raised.value.code == end
        assert said in capsys.readouterr().err
    for ending in ("de", "en"):
        (folder / f"train.{ending}").write_text("\n\n")
    options = {"folder": str(folder), "source": "de", "target": "en"}
    with pytest.raises(ValueError, match=r"no line of 'train' in .* has text on both sides; give some pairs"):
        planned_options("text-files", options)
    with pytest.raises(FileNotFoundError, match=r"no train.de and train.en, .* in '.*no/such' \(no such folder\)"):
        planned_options("text-files", options | {"folder": "no/such"})
    assert planned_options("text-files", {}) == {}


@pytest.mark.parametrize(
    ("option", "value", "said"),
    [
        # Nobody named held_out, which the plan is not to bring in then.
        ("validation", "dve", "no dve.de and dve.en"),
        ("held_out", "abc", "held_out is 'abc'"),
    ],
)
def test_what_is_wrong_with_an_option_is_what_is_said(
    folder: Path, monkeypatch: pytest.MonkeyPatch, option: str, value: str, said: str
) -> None:
    with pytest.raises(SystemExit, match=said):
        script.main(
            growing_batch.Config, "A run.", lambda run: None, lambda run: None,
            arguments=[*ARGUMENTS, str(folder), option, value, "--device", "cpu", "--out", str(folder / "run")],
        )  # fmt: skip


@pytest.mark.parametrize("form", ["apart", "underscore", "config file"])
def test_defaults_fit_the_text(folder: Path, form: str) -> None:
    arguments = [*ARGUMENTS, str(folder)]
    if form == "underscore":
        arguments[2] = "--task_options"
    planned = with_plan(growing_batch.Config(), arguments)
    assert (planned.task, planned.candidates, planned.policy.d_model) == ("text-files", 16, 32)
    compared = with_plan(compare_agents.Config(), arguments)
    assert (compared.policy, compared.scorer) == (planned.policy, planned.scorer)
    assert compared.improve == compare_agents.Config().improve  # whose steps are other ones


@pytest.mark.parametrize("other", [["--preset", "multi30k-de-en"], ["--task", "phrasebook-de-en"], None])
def test_other_texts_have_none(folder: Path, other: list[str] | None) -> None:
    arguments = [] if other is None else [*ARGUMENTS, str(folder), *other]
    assert with_plan(growing_batch.Config(), arguments) == growing_batch.Config()


def test_a_pretrained_policy_has_its_own_size(folder: Path) -> None:
    arguments = [*ARGUMENTS, str(folder), "--pretrained", "some/model"]
    fresh, whole, adapted = (
        script._defaults(growing_batch.Config, each)
        for each in (arguments[:-2], arguments, [*arguments, "--lora.rank", "8"])
    )
    assert whole.policy == growing_batch.Config().policy != fresh.policy
    assert (whole.pretrained, whole.candidates) == ("some/model", 16)
    for part in ("supervised", "improve"):
        new, old, few = (getattr(each, part) for each in (fresh, whole, adapted))
        assert (old.max_tokens, old.evaluate_every) == (new.max_tokens, new.evaluate_every)
        assert old.learning_rate < 5e-5 < few.learning_rate == pytest.approx(10 * old.learning_rate)
    assert whole.supervised.evaluate_first


def test_who_names_options_of_an_estimator_gets_one(folder: Path) -> None:
    arguments = [*ARGUMENTS, str(folder)]
    planned = with_plan(growing_batch.Config(), arguments)
    named = with_plan(growing_batch.Config(), [*arguments, "--estimator.epochs", "5"])
    assert planned.scorer == "lexical: fluency=0.25 length=0.2 folds=2"
    # Which a judge of another make goes with.
    assert named == replace(planned, scorer=None, judge="lexical:")
    assert planned.judge is None
    assert with_plan(growing_batch.Config(), [*arguments, "--scorer", "None"]).judge == "lexical:"
    assert with_plan(growing_batch.Config(), [*arguments, "--scorer=guarded: lexical:"]).judge is None


@pytest.mark.parametrize(
    ("options", "out"),
    [
        ("--improve-steps 1", {"data"}),
        ("--restart", {"data"}),
        ("--improve_steps 2 --no-restart", set()),
        ("--filter-values 0.7 0.8 0.9", {"filter"}),
        ("--filter-values 8 4 2", set()),
        ("--data.rewrite --filter threshold", {"filter", "arms"}),
        ("--refresh-scorer ratings-{grow}.csv", {"scorer"}),
    ],
)
def test_what_is_named_takes_out_of_the_plan_what_would_refuse_it(folder: Path, options: str, out: set[str]) -> None:
    arguments = [*ARGUMENTS, str(folder)]
    usual, planned = growing_batch.Config(), with_plan(growing_batch.Config(), arguments)
    named = with_plan(growing_batch.Config(), [*arguments, *options.split()])
    changed = {name for name in ("scorer", "filter", "arms", "data") if getattr(named, name) != getattr(planned, name)}
    assert changed == out
    assert all(getattr(named, name) == getattr(usual, name) for name in out)
    script.options(growing_batch.Config, [*arguments, *options.split()]).check()


def test_the_sources_that_one_names_are_those_that_improve_is_planned_for(folder: Path) -> None:
    """Two samples of each, a step; and planned numbers of other sources are out."""
    (folder / "source-only.de").write_text("".join(f"ein kleiner Hund {n}\n" for n in range(20_000)))

    def drawing(*options: str) -> tuple[Any, ...]:
        planned = with_plan(growing_batch.Config(), [*ARGUMENTS, str(folder), *options])
        return planned.grow_from, planned.sources, planned.improve.max_tokens, planned.improve.evaluate_every

    of_each = 2 * 2.0 * 4  # samples, tokens to a word, words
    assert drawing() == ("source-only", None, 20_000 * of_each, 20_000 * of_each)
    assert drawing("--sources", "2_000") == ("source-only", None, 2_000 * of_each, 2_000 * of_each)
    assert drawing("--sources", "auto")[2] == 130_000
    # With no planned number in its way.
    assert drawing("--auto-sources", "1000") == ("source-only", "auto", 1_000 * of_each, 1_000 * of_each)
    assert drawing("--grow-from", "both", "--sources", "None")[1:3] == ("auto", 320_000)
    assert drawing("--grow-from", "train") == ("source-only", "auto", 10_000, 10_000)
    assert drawing("--sources", "few") == drawing()


@pytest.mark.parametrize("option", ["--supervised.max-tokens", "--supervised.max_tokens"])
@pytest.mark.parametrize("tokens", ["20000", "20_000"])
def test_a_budget_of_ones_own_has_its_warmup_and_looks(folder: Path, option: str, tokens: str) -> None:
    """Else a short training would end at the beginning of its planned warmup."""
    arguments = [*ARGUMENTS, str(folder), option, tokens, "--improve.max-tokens=3000"]
    planned = with_plan(growing_batch.Config(), arguments)
    supervised, improve = planned.supervised, planned.improve
    assert (supervised.max_tokens, supervised.warmup_tokens, supervised.evaluate_every) == (20_000, 1_000, 2_000)
    assert (improve.max_tokens, improve.warmup_tokens, improve.evaluate_every) == (3_000, 150, 3_000)


def test_a_recipe_is_what_it_is_on_few_pairs_too(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (rest,) = run(monkeypatch, folder, "--recipe", "rest", "--device", "cpu")
    assert not rest.data.last_on_pairs
    (raft,) = run(monkeypatch, folder, "--recipe", "raft", "--device", "cpu")
    assert (raft.candidates, raft.filter_values, raft.data.samples_only) == (32, (1,), True)
    (dqo,) = run(monkeypatch, folder, "--recipe", "dqo", "--device", "cpu")
    assert "random" not in dqo.arms
    # Their one Improve step is on samples.
    assert not raft.data.last_on_pairs
    assert not dqo.data.last_on_pairs


def test_arms_are_such_as_the_agent_can_have(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    arms = {agent: run(monkeypatch, folder, "--agent", agent)[0].arms for agent in ("bvmpo", "dpo")}
    assert arms == {"bvmpo": ("unfiltered", "random"), "dpo": ("unfiltered", "filtered")}


def test_the_users_options_come_first(folder: Path) -> None:
    options = {"folder": str(folder), "source": "de", "target": "en", "vocab_size": "77"}
    planned = planned_options("text-files", options)
    assert planned == {**options, "max_tokens": "64", "leaks": "drop", "held_out": "20"}
    assert planned_options("phrasebook-de-en", options) == options


def run(monkeypatch: pytest.MonkeyPatch, folder: Path, *more: str) -> list[Any]:
    done: list[Any] = []
    monkeypatch.setattr(script, "execute", lambda config, work, report: done.append(config))
    arguments = [*ARGUMENTS, str(folder), "--out", str(folder / "run"), *more]
    script.main(growing_batch.Config, "A run.", lambda run: None, lambda run: None, arguments=arguments)
    return done


def test_a_run_says_its_plan_in_five_lines(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (config,) = run(monkeypatch, folder, "--supervised.max-tokens", "123", "--device", "cpu")
    assert config.supervised.max_tokens == 123
    assert config.improve.max_tokens == 10_000
    assert json.loads(json.dumps(config.recorded()))["task_options"]["held_out"] == "20"
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 5
    assert (
        lines[0] == "texts: 200 pairs; 20 held out for validation, 20 for the test; up to 64 tokens, vocabulary of 1000"
    )
    assert "for 123 tokens" in lines[2]


def test_a_plan_is_shown_with_times_and_nothing_is_done(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(monkeypatch, folder, "--plan", "--device", "cpu") == []
    printed = capsys.readouterr().out
    assert "\ntrain split: 160 of 161 pairs (left out: 1 with an empty side)\n" in printed
    assert "target tokens of training per second, measured on this machine just now" in printed
    for stage in (
        "scorer: ",
        "supervised policy: ",
        "Grow: ",
        "Improve: ",
        "controls, or the other agents: ",
        "in all: ",
    ):
        assert f"\n{stage}" in printed
    assert [path.name for path in folder.iterdir() if path.is_dir()] == []


@pytest.mark.parametrize("plan", [[], ["--plan"]])
def test_rewrites_without_thresholds_are_refused_before_a_scorer_is_made(folder: Path, plan: list[str]) -> None:
    arguments = [*ARGUMENTS, str(folder), "--scorer", "None", "--data.rewrite", *plan]
    with pytest.raises(SystemExit, match=r"--data\.rewrite goes by thresholds, .*; give --filter-values"):
        script.main(
            growing_batch.Config, "A run.", growing_batch.growing_batch, growing_batch.report,
            arguments=[*arguments, "--device", "cpu", "--out", str(folder / "run")],
        )  # fmt: skip
    assert [path.name for path in folder.iterdir() if path.is_dir()] == []


def test_a_plan_refuses_a_judge_that_the_run_would_refuse(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(SystemExit, match="there is no scorer 'nobody'"):
        run(monkeypatch, folder, "--plan", "--device", "cpu", "--scorer", "lexical:", "--judge", "nobody")
