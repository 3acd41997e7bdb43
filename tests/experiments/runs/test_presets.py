"""Presets, and what the command line makes of them."""

from __future__ import annotations

import sys
from dataclasses import replace

import pytest

from agents import PolicyConfig
from experiments import compare_agents, growing_batch, online
from experiments.runs.presets import PRESETS, Preset, check_sizes, preset_settings, with_preset, with_task_options
from experiments.runs.script import _defaults, main
from experiments.runs.settings import Settings
from seq2seq_env.tasks import load_task
from seq2seq_env.tasks.corpora.aliases import ALIASES, resolve_dataset


@pytest.mark.parametrize("name", sorted(PRESETS))
def test_a_preset_says_only_what_differs(name: str) -> None:
    defaults = growing_batch.Config()
    for section, changes in PRESETS[name].nested.items():  # type: ignore[index]
        for key, value in changes.items():
            assert getattr(getattr(defaults, section), key) != value, (section, key)
    for key, value in PRESETS[name].growing.items():  # type: ignore[index]
        assert getattr(defaults, key) != value, key
    chosen = with_task_options(preset_settings(defaults, name, None))
    chosen.check()
    assert (chosen.task, chosen.preset) == (PRESETS[name].task, name)  # type: ignore[index]
    compared = preset_settings(compare_agents.Config(), name, None)
    assert compared.policy == chosen.policy
    assert compared.candidates == compare_agents.Config().candidates


@pytest.mark.parametrize(("settings", "rate"), [(compare_agents.Config(), 1e-3), (online.Config(), 5e-5)])
def test_online_rl_keeps_its_rate_and_all_scripts_have_the_scorer(settings: Settings, rate: float) -> None:
    """ReST's learning rate would be twenty times that of online RL."""
    preset = Preset(
        nested={"policy": {"d_model": 32}, "improve": {"learning_rate": 1e-3, "evaluate_every": 7}},
        growing={"scorer": "lexical:", "judge": "phrasebook-qe", "candidates": 16, "grow_steps": 3},
    )
    chosen = with_preset(settings, preset)
    policy = replace(settings.policy, d_model=32)
    improve = chosen.improve
    assert improve.learning_rate == rate
    assert chosen == replace(
        settings, task="hub", policy=policy, improve=improve, scorer="lexical:", judge="phrasebook-qe"
    )
    growing = with_preset(growing_batch.Config(), preset)
    assert (growing.improve.learning_rate, growing.candidates, growing.scorer) == (1e-3, 16, "lexical:")


@pytest.mark.parametrize("name", sorted(name for name, preset in PRESETS.items() if preset.task == "phrasebook-de-en"))
def test_a_regime_has_a_preset(name: str) -> None:
    chosen = with_task_options(preset_settings(growing_batch.Config(), name, None))
    assert chosen.task_options == {"regime": f"{name.removeprefix('phrasebook-')}-v1"}
    assert load_task(chosen.task, **chosen.task_options, train_size=1).size("train") == 1


@pytest.mark.parametrize("name", sorted(name for name, preset in PRESETS.items() if preset.task == "hub"))
def test_a_data_set_has_a_preset(name: str) -> None:
    chosen = with_task_options(preset_settings(growing_batch.Config(), name, None))
    where = resolve_dataset(**chosen.task_options | dict.fromkeys(("vocab_size", "max_tokens", "leaks")))  # type: ignore[arg-type]
    assert (where["source"], where["target"]) == tuple(name.split("-")[-2:])
    assert where["dataset"] == ALIASES[name]["dataset"]


def test_the_papers_sizes_are_the_papers() -> None:
    iwslt = preset_settings(growing_batch.Config(), "iwslt2014-de-en", None)
    assert (iwslt.policy.d_model, iwslt.policy.ffn_dim, iwslt.policy.num_heads) == (512, 1024, 4)
    wmt = preset_settings(growing_batch.Config(), "wmt2020-zh-en", None)
    assert (wmt.policy.d_model, wmt.policy.ffn_dim, wmt.policy.num_heads) == (512, 2048, 8)
    for preset, candidates, steps in ((iwslt, 100, 3), (wmt, 25, 4)):
        assert (preset.policy.encoder_layers, preset.policy.decoder_layers) == (6, 6)
        assert (preset.candidates, preset.improve_steps, preset.temperature) == (candidates, steps, 0.8)
        assert with_task_options(preset).task_options["vocab_size"] == "32000"
        assert with_task_options(preset).task_options["max_tokens"] == "128"


def test_options_override_a_preset() -> None:
    defaults = _defaults(growing_batch.Config, ["--seed", "3", "--preset", "multi30k-de-en"])
    assert defaults.policy.d_model == 256
    own = with_task_options(replace(defaults, task_options={"dataset": "a/copy", "source": "de", "target": "en"}))
    assert own.task_options == {"dataset": "a/copy", "leaks": "drop", "source": "de", "target": "en"}
    assert with_task_options(replace(defaults, task="text-files")).task_options == {}
    assert "preset" not in own.recorded()
    with pytest.raises(ValueError, match=r"there is no preset 'wmt13'; choose one of phrasebook-domain"):
        _defaults(growing_batch.Config, ["--preset=wmt13"])


def test_a_pretrained_policy_has_budgets_and_sizes_of_its_own() -> None:
    fresh, pretrained = (_defaults(growing_batch.Config, given) for given in ([], ["--pretrained", "some/model"]))
    assert fresh == growing_batch.Config()
    assert pretrained.supervised.learning_rate < 1e-4 < fresh.supervised.learning_rate
    assert pretrained.improve.learning_rate < pretrained.supervised.learning_rate
    check_sizes(pretrained)
    adapted = _defaults(growing_batch.Config, ["--pretrained", "some/model", "--lora.rank=4"])
    assert adapted.improve.learning_rate == pytest.approx(10 * pretrained.improve.learning_rate)
    check_sizes(_defaults(growing_batch.Config, ["--pretrained", "some/model", "--preset", "multi30k-de-en"]))
    with pytest.raises(ValueError, match=r"--policy options are sizes of a new network"):
        check_sizes(replace(pretrained, policy=PolicyConfig(d_model=64)))


def test_help_shows_presets_and_their_values(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "argv", ["growing_batch.py", "--preset", "multi30k-de-en", "--help"])
    monkeypatch.setenv("COLUMNS", "200")
    with pytest.raises(SystemExit):
        main(growing_batch.Config, "", growing_batch.growing_batch, growing_batch.report)
    shown = capsys.readouterr().out
    for text in ("iwslt2014-de-en", "wmt2020-zh-en", "--lora.rank", "--pretrained", "(default: 256)", "fine-tune"):
        assert text in shown, text
    monkeypatch.setattr(sys, "argv", ["growing_batch.py", "--preset", "wmt13"])
    with pytest.raises(SystemExit, match=r"^2$"):
        main(growing_batch.Config, "", growing_batch.growing_batch, growing_batch.report)
    assert capsys.readouterr().err.startswith("error: there is no preset 'wmt13'")
