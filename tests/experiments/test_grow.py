"""A Grow step by its own command, whole and in shares."""

from __future__ import annotations

import os
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import fsspec  # type: ignore[import-untyped]
import pytest

from agents import Seq2SeqPolicy
from buffers.__main__ import Info
from buffers.admin.maintenance import describe
from experiments import grow
from experiments.grow import Config, grow_share
from seq2seq_env.tasks import Task, load_task
from tests.buffers.conftest import contents
from tests.tiny_models import tiny_policy_config


@pytest.fixture
def config(tiny_task: Task, fake_scorer: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Config:
    monkeypatch.setattr(grow, "load_task", lambda name, **options: tiny_task)
    monkeypatch.setattr(grow, "load_scorer", lambda name, **options: fake_scorer)
    Seq2SeqPolicy.from_config(tiny_task.tokenizer, tiny_policy_config(), seed=0).save(tmp_path / "policy")
    return Config(
        tmp_path / "policy", str(tmp_path / "whole"), scorer="fake", candidates=2, sources_per_shard=4, threads=1,
        device="cpu", progress=False,
    )  # fmt: skip


def test_shares_in_any_order_give_the_same_bytes_as_one_machine(config: Config, tmp_path: Path) -> None:
    whole = grow_share(config)
    assert whole.shards_missing == 0
    reports = []
    for share in ("5/7", "2/7", "6/7", "0/7", "1/7", "1/7", "4/7", "3/7"):
        reports.append(grow_share(replace(config, shards=share, out=str(tmp_path / "shares"))))
    assert contents(tmp_path / "shares") == contents(tmp_path / "whole")
    assert [each.shards_written for each in reports] == [1, 1, 0, 1, 1, 0, 1, 1]  # there are six
    assert [each.shards_missing for each in reports] == [5, 4, 4, 3, 2, 2, 1, 0]
    assert reports[-1].mean_reward_samples == whole.mean_reward_samples


def test_shares_in_an_object_store_are_the_same_bytes(
    config: Config, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    grow_share(config)
    monkeypatch.setenv("SEQ2SEQ_ENV_CACHE", str(tmp_path / "one machine"))
    url = "memory://shares/buffer"
    assert grow_share(replace(config, shards="0/2", out=url)).shards_missing == 3
    monkeypatch.setenv("SEQ2SEQ_ENV_CACHE", str(tmp_path / "another"))
    assert grow_share(replace(config, shards="1/2", out=url)).shards_missing == 0
    with pytest.raises(ValueError, match=r"does not fit .*seed"):
        grow_share(replace(config, shards="1/2", out=url, seed=9))
    files = fsspec.filesystem("memory")
    stored = {name: files.cat(f"/shares/buffer/{name}") for name in contents(Path(config.out))}
    assert stored == contents(Path(config.out))
    (here, there) = describe(config.out), describe(url)
    assert replace(there[0], seconds_per_shard=None) == replace(here[0], seconds_per_shard=None)
    assert Info(path=url).run() == 0
    assert "Grow step 1: 6 shards, 48 trajectories" in capsys.readouterr().out


def test_a_share_without_a_shard_ends_with_an_empty_report(config: Config) -> None:
    report = grow_share(replace(config, shards="63/64"))
    assert (report.trajectories, report.shards_written, report.shards_missing) == (0, 0, 6)


def test_what_is_left_is_told_with_the_time_it_takes(config: Config, capsys: pytest.CaptureFixture[str]) -> None:
    for share in ("0/3", "1/3"):
        grow_share(replace(config, shards=share))
    for number, file in enumerate(sorted(Path(config.out).glob("*.h5"))):
        os.utime(file, (0, 1_000 + 10 * number))
    (step,) = describe(config.out)
    assert (step.missing_shards, step.seconds_per_shard) == ([2, 5], 10)
    assert Info(path=config.out).run() == 0
    assert "shards 2, 5 are missing, 0:00:20 (h:mm:ss) more at the pace" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"shards": "5/4"}, "there is no share 5/4; 4 workers take 0/4 to 3/4"),
        ({"shards": "0/0"}, "there is no share 0/0; give the number of workers"),
        ({"shards": "3 of 4"}, "shards is '3 of 4'; give the worker's number and how many there are: 3/64"),
        ({"temperature": 0.0}, "temperature is 0.0; give a number above 0"),
        ({"candidates": -1}, "candidates is -1; give 0 or more"),
        ({"sources_per_shard": 0}, "sources_per_shard is 0; give a number above 0"),
    ],
)
def test_what_cannot_be_meant_is_refused(config: Config, changes: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=re.escape(message)):
        replace(config, **changes).check()


def test_workers_with_other_options_are_refused(config: Config) -> None:
    grow_share(replace(config, shards="0/2"))
    with pytest.raises(ValueError, match=r"does not fit .*seed"):
        grow_share(replace(config, shards="1/2", seed=1))


def test_a_policy_of_another_tokenizer_is_refused(config: Config, monkeypatch: pytest.MonkeyPatch) -> None:
    other = load_task("phrasebook-de-en", train_size=4, source_only_size=0)
    monkeypatch.setattr(grow, "load_task", lambda name, **options: other)
    with pytest.raises(ValueError, match=r"reads tokenizer .*, task 'phrasebook-de-en' has .*give the --task-options"):
        grow_share(config)


def test_a_task_without_a_scorer_asks_for_one(config: Config) -> None:
    with pytest.raises(ValueError, match="has no scorer of its own; make one"):
        grow_share(replace(config, scorer=None))
