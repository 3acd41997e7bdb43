"""Recipes, and what the command line makes of them."""

from __future__ import annotations

import sys
from functools import partial

import pytest

from experiments import compare_agents, growing_batch
from experiments.command_line.parsing import parse
from experiments.growing_batch import Config
from experiments.runs.presets import PRESETS
from experiments.runs.recipes import RECIPES, check_recipe
from experiments.runs.script import _defaults, _implied, main


def config_of(*given: str) -> Config:
    return parse(Config, given, defaults=partial(_defaults, Config), implied=partial(_implied, Config))


@pytest.mark.parametrize("preset", ["None", "multi30k-de-en", "wmt2020-zh-en"])
@pytest.mark.parametrize("name", sorted(RECIPES))
def test_a_recipe_is_a_run_that_works(name: str, preset: str) -> None:
    config = config_of("--recipe", name, "--preset", preset)
    config.check()
    assert config.recipe == name
    assert "recipe" not in config.recorded()


def test_recipes_have_their_papers_settings() -> None:
    em = config_of("--recipe", "rest-em")
    assert (em.restart, em.data.samples_only, em.data.most_kept, em.candidates, em.temperature) == (
        True,
        True,
        10,
        32,
        0.7,
    )
    assert em.improve_at(1).learning_rate == em.improve_at(2).learning_rate
    raft = config_of("--recipe", "raft")
    assert (raft.filter, raft.filter_values, raft.candidates, raft.restart) == ("best", (1.0,), 32, False)
    noisy = config_of("--recipe", "noisy-self-training")
    assert (noisy.improve.source_drop, noisy.improve.source_blank, noisy.improve.source_shuffle) == (0.1, 0.1, 3)
    assert noisy.grow_from == "source-only"
    assert [noisy.is_on_pairs(i) for i in (1, 2)] == [False, True]
    dqo = config_of("--recipe", "dqo")
    assert (dqo.agent, dqo.agent_options) == ("dpo", {"dpo": {"rpo_alpha": 0.0}})
    assert dqo.arms == ()  # the pairs have no two candidates to compare


def test_other_options_override_a_recipe_and_it_overrides_a_preset() -> None:
    config = config_of("--recipe", "raft", "--preset", "multi30k-de-en", "--candidates", "16")
    assert (config.candidates, config.filter, config.temperature) == (16, "best", 0.8)
    assert (config.task, config.policy.d_model) == (PRESETS["multi30k-de-en"].task, 256)
    assert config_of("--recipe", "dqo", "--dpo.beta", "0.3").agent_options == {"dpo": {"beta": 0.3, "rpo_alpha": 0.0}}


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (["raft", "--filter", "threshold"], "recipe 'raft' is filter best, not threshold; leave out one of the two"),
        (["raft", "--filter-values", "2"], "recipe 'raft' is filter_values 1, not 2.0; leave out one of the two"),
        (["rest", "--restart"], "recipe 'rest' is restart False, not True; leave out one of the two"),
        (["rest-em", "--data.no-samples-only"], "recipe 'rest-em' is data.samples_only True, not False"),
        *(
            ([name, "--data.filter-by", "utility"], f"recipe '{name}' is data.filter_by reward, not utility")
            for name in ("rest", "rest-em", "raft", "rft")
        ),
        *(
            ([name, "--data.rewrite", *more], f"recipe '{name}' is data.rewrite False, not True")
            for name, *more in (["rest-em"], ["rft"], ["raft"], ["rest", "--filter", "threshold"])
        ),
        (["rft", "--data.most-kept", "2"], "recipe 'rft' is data.most_kept None, not 2"),
        (
            [
                "noisy-self-training",
                "--improve.source-drop",
                "0",
                "--improve.source-blank",
                "0",
                "--improve.source-shuffle",
                "0",
            ],
            "recipe 'noisy-self-training' trains on noisy sources, and --improve.source-drop, -blank and -shuffle are",
        ),
        (["dqo", "--agent", "bc"], "recipe 'dqo' is agent dpo, not bc; leave out one of the two"),
        (["dqo", "--dpo.rpo-alpha", "1"], "recipe 'dqo' is dpo.rpo_alpha 0.0, not 1.0; leave out one of the two"),
    ],
)
def test_an_option_that_makes_another_method_is_refused(given: list[str], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        check_recipe(config_of("--recipe", *given))


def test_one_kind_of_noise_is_enough() -> None:
    check_recipe(config_of("--recipe", "noisy-self-training", "--improve.source-drop=0", "--improve.source-blank=0"))


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (["--recipe", "rafft"], "error: there is no recipe 'rafft'; choose one of rest, rest-em"),
        (["--recipe", "raft", "--grow-from", "train", "--arms", "samples"], "error: arm 'samples' makes no sense"),
        (
            ["--agent", "dpo", "--arms", "random"],
            "error: arm 'random' draws as many samples as a filter keeps, and agent",
        ),
        (["--restart", "--data.last-on-pairs"], "error: --restart forgets what the step before"),
        (["--agent", "bc", "--data.filter-by", "utility"], "error: agent 'bc' asks for no filter"),
        (["--data.rewrite", "--filter", "threshold", "--arms", "random"], "error: arm 'random' goes by a Grow step's"),
        (["--agent", "bc", "--data.rewrite"], "error: agent 'bc' asks for no filter; leave out --data.rewrite"),
        (["--data.rewrite", "--data.filter-by", "utility"], "error: rewrite goes by the reward, and filter_by is"),
        (["--data.rewrite", "--filter", "best"], "error: --data.rewrite goes with --filter threshold, not 'best'"),
        (["--data.rewrite", "--plan", "--preset", "multi30k-de-en"], "error: --data.rewrite goes with --filter thr"),
        *(
            (["--agent", agent, "--data.rewrite"], f"error: agent '{agent}' weighs data by the policy that drew it")
            for agent in ("iw-sft", "oac", "bvmpo")
        ),
        (["--data.rewrite-value-tokens", "5"], "error: --data.rewrite-value-tokens 5 goes with --data.rewrite; give"),
        (["--agent", "bc", "--filter=best"], "error: agent 'bc' asks for no filter; leave out --filter, or choose"),
        (
            ["--recipe", "ssd", "--filter_values", "0.5"],
            "error: agent 'bc' asks for no filter; leave out --filter-values, or choose another",
        ),
        (["--agent", "d3rlpy-bc", "--improve.source-drop", "0.1"], "error: agent 'd3rlpy-bc' trains on d3rlpy's"),
    ],
)
def test_what_cannot_work_is_refused_in_a_sentence(
    given: list[str], message: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "argv", ["growing_batch.py", *given])
    with pytest.raises(SystemExit, match=r"^2$"):
        main(Config, "", growing_batch.growing_batch, growing_batch.report)
    assert capsys.readouterr().err.startswith(message)


def test_rewrites_go_with_an_actor_critic_without_a_ratio() -> None:
    config_of("--agent", "oac", "--oac.no-importance-weight", "--data.rewrite").check()


def test_a_script_without_recipes_has_none() -> None:
    assert _implied(compare_agents.Config, ["--recipe", "raft"]) == []
