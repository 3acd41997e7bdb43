from __future__ import annotations

import json
import sys
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from agents import Probe, Seq2SeqPolicy, TrainingConfig, probe
from agents.training import autotune
from agents.training.machine import cache_folder, device_name
from buffers import Slice

RULE = {"precision": "fp32", "attention": "eager", "optimiser": "fused", "compile": "off"}


class Machine:
    """A clock, and a ``fit`` that moves it on by what ``seconds`` says of each step's configuration."""

    def __init__(self, seconds: Callable[[TrainingConfig], float]) -> None:
        self.now, self.seconds, self.asked = 0.0, seconds, 0

    def perf_counter(self) -> float:
        return self.now

    def fit(self, agent: Any, data: Slice, config: TrainingConfig, evaluate: None, log: Callable[..., None]) -> None:
        self.asked += 1
        for tokens in range(0, config.max_tokens + 1, config.tokens_per_batch):
            log("loss", 1.0, tokens)
            log("learning_rate", config.learning_rate, tokens)
            self.now += self.seconds(config)


@pytest.fixture
def all_can_win(monkeypatch: pytest.MonkeyPatch) -> None:
    """As on a GPU, but for compilation."""
    found = autotune._alternatives

    def more(policy: Seq2SeqPolicy, config: TrainingConfig, rule: Mapping[str, str]) -> list[tuple[str, str]]:
        others = [("attention", "sdpa"), ("optimiser", "foreach")]
        return found(policy, config, rule) + [(field, value) for field, value in others if rule[field] != value]

    monkeypatch.setattr(autotune, "_alternatives", more)


@pytest.fixture
def found_on(
    policy: Seq2SeqPolicy, pairs: Slice, quick: TrainingConfig, monkeypatch: pytest.MonkeyPatch
) -> Callable[..., Probe]:
    """The probe of a machine by what a step takes on it."""

    def find(seconds: Callable[[TrainingConfig], float], *, bf16: bool = False, **changes: Any) -> Probe:
        machine = Machine(seconds)
        monkeypatch.setattr(autotune, "fit", machine.fit)
        monkeypatch.setattr(autotune, "time", machine)
        monkeypatch.setattr(autotune, "bf16_pays", lambda network: bf16)
        return probe(policy, pairs, replace(quick, **changes))

    return find


def test_a_cpu_without_bf16_trains_by_the_rule_and_tries_nothing(
    policy: Seq2SeqPolicy, pairs: Slice, quick: TrainingConfig, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(autotune, "fit", None)
    monkeypatch.setattr(autotune, "bf16_pays", lambda network: False)
    found = probe(policy, pairs, quick, tmp_path / "training.json")
    assert found == Probe(RULE, {})
    assert str(found).endswith("compile off (speed of others: nothing else to try)")
    assert not list(tmp_path.iterdir())


def test_other_architectures_try_both_attentions_on_a_cpu(
    found_on: Callable[..., Probe], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(autotune, "is_plain_marian", lambda body: False)
    assert found_on(lambda config: 0.01).ratios == {"attention sdpa": 1.0}


def test_an_attention_without_a_name_here_is_left(
    policy: Seq2SeqPolicy, pairs: Slice, quick: TrainingConfig, monkeypatch: pytest.MonkeyPatch
) -> None:
    policy.model.config._attn_implementation = "flex_attention"
    monkeypatch.setattr(autotune, "bf16_pays", lambda network: False)
    found = probe(policy, pairs, quick)
    assert found.choice == RULE | {"attention": "auto"}
    assert found.applied(quick).attention == "auto"


@pytest.mark.usefixtures("all_can_win")
def test_what_is_faster_by_far_is_chosen(found_on: Callable[..., Probe]) -> None:
    def seconds(config: TrainingConfig) -> float:
        return 0.01 * (0.8 if config.attention == "sdpa" else 1) * (0.95 if config.optimiser == "foreach" else 1)

    found = found_on(seconds)
    assert found.choice == RULE | {"attention": "sdpa"}
    assert found.ratios == {"attention sdpa": 1.25, "optimiser foreach": pytest.approx(1 / 0.95, abs=1e-3)}
    assert str(found).startswith("precision fp32, attention sdpa, optimiser fused, compile off (speed of others: ")


def test_fp32_is_tried_where_the_rule_is_bf16(found_on: Callable[..., Probe]) -> None:
    found = found_on(lambda config: 0.01 if config.precision == "bf16" else 0.008, bf16=True)
    assert found.choice["precision"] == "fp32"
    assert found.ratios["precision fp32"] == 1.25
    assert found_on(lambda config: 0.01, bf16=True).choice["precision"] == "bf16"


@pytest.mark.usefixtures("all_can_win")
@pytest.mark.parametrize(("lost", "attention"), [((), "sdpa"), ((2,), "sdpa"), ((2, 4), "eager")])
def test_a_choice_that_loses_twice_is_left(
    lost: tuple[int, ...], attention: str, found_on: Callable[..., Probe]
) -> None:
    def seconds(config: TrainingConfig) -> float:  # a pair of readings has one seed
        return 0.01 if config.attention == "eager" else 0.02 if config.seed in lost else 0.005

    assert found_on(seconds).choice["attention"] == attention


def test_what_compiling_costs_counts(found_on: Callable[..., Probe], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(autotune, "_alternatives", lambda policy, config, rule: [("compile", "on")])
    begun: list[int] = []

    def seconds(config: TrainingConfig) -> float:
        if config.compile != "on":
            return 0.032
        begun.append(1)
        return 16.0 if len(begun) == 1 else 0.016

    assert found_on(seconds, max_tokens=20_000).choice["compile"] == "off"  # 20 s become 26
    begun.clear()
    assert found_on(seconds, max_tokens=200_000).choice["compile"] == "on"  # 200 s become 116


def test_fields_that_are_given_stay(found_on: Callable[..., Probe]) -> None:
    found = found_on(
        lambda config: 0.01, bf16=True, attention="sdpa", optimiser="foreach", precision="fp32", compile="off"
    )
    assert found.choice == RULE | {"attention": "sdpa", "optimiser": "foreach"}
    assert found.ratios == {}
    mine = TrainingConfig(attention="eager", learning_rate=0.5)
    assert found.applied(mine) == replace(mine, precision="fp32", optimiser="foreach", compile="off")


@pytest.mark.usefixtures("all_can_win")
def test_a_machine_is_asked_once(
    policy: Seq2SeqPolicy, pairs: Slice, quick: TrainingConfig, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(autotune, "READING", 0.0)
    before, cache = policy.fingerprint, tmp_path / "deep" / "training.json"
    first = probe(policy, pairs, quick, cache)
    assert first.choice.keys() == RULE.keys()
    assert set(first.ratios) >= {"attention sdpa", "optimiser foreach"}
    assert not first.cached
    assert policy.fingerprint == before
    assert [path.name for path in cache.parent.iterdir()] == ["training.json"]
    monkeypatch.setattr(autotune, "fit", None)
    assert probe(policy, pairs, quick, cache) == replace(first, cached=True)
    # Other sizes and other wishes are other questions.
    with pytest.raises(TypeError):
        probe(policy, pairs, replace(quick, tokens_per_batch=64), cache)
    with pytest.raises(TypeError):
        probe(policy, pairs, replace(quick, attention="sdpa"), cache)


@pytest.mark.usefixtures("all_can_win")
@pytest.mark.parametrize(
    "damage", ["{", "[1]", '{"key": {"choice": {"precision": "fp8"}, "ratios": {}}}', '{"key": 3}']
)
def test_a_damaged_cache_is_as_good_as_none(
    damage: str, policy: Seq2SeqPolicy, pairs: Slice, quick: TrainingConfig, tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    machine = Machine(lambda config: 0.01)
    monkeypatch.setattr(autotune, "fit", machine.fit)
    monkeypatch.setattr(autotune, "time", machine)
    cache = tmp_path / "training.json"
    cache.write_text(damage)
    assert not probe(policy, pairs, quick, cache).cached
    assert len(json.loads(cache.read_text())) == 1
    assert probe(policy, pairs, quick, cache).cached


@pytest.mark.usefixtures("all_can_win")
def test_a_folder_that_cannot_be_written_is_as_good_as_none(
    policy: Seq2SeqPolicy, pairs: Slice, quick: TrainingConfig, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    machine = Machine(lambda config: 0.01)
    monkeypatch.setattr(autotune, "fit", machine.fit)
    monkeypatch.setattr(autotune, "time", machine)
    monkeypatch.setattr(autotune, "bf16_pays", lambda network: False)
    (tmp_path / "file").write_text("")
    assert probe(policy, pairs, quick, tmp_path / "file" / "training.json").choice == RULE


@pytest.mark.parametrize(
    ("system", "variables", "expected"),
    [
        ("linux", {"XDG_CACHE_HOME": "/c"}, "/c/seq2seq-env"),
        ("linux", {"HOME": "/h"}, "/h/.cache/seq2seq-env"),
        ("darwin", {"HOME": "/h"}, "/h/Library/Caches/seq2seq-env"),
        ("win32", {"LOCALAPPDATA": "/l"}, "/l/seq2seq-env"),
    ],
)
def test_the_cache_is_where_the_system_has_caches(
    system: str, variables: Mapping[str, str], expected: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "platform", system)
    for name in ("XDG_CACHE_HOME", "LOCALAPPDATA"):
        monkeypatch.delenv(name, raising=False)
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    assert cache_folder().as_posix() == expected


def test_a_processor_has_a_name() -> None:
    assert device_name(torch.device("cpu")).endswith(f", {torch.get_num_threads()} threads")
    assert device_name(torch.device("mps")) == "mps"
