from __future__ import annotations

from collections.abc import Sequence
from copy import copy
from errno import ENOSPC
from pathlib import Path
from unittest.mock import Mock

import pytest
import torch

from agents import Seq2SeqPolicy
from experiments.datasets.behaviours import (
    FOLDER,
    behaviour_names,
    load_behaviour,
    packed,
    save_behaviour,
    unpacked,
)
from experiments.datasets.recipes import DATASETS
from seq2seq_env.tasks import Task
from seq2seq_env.tokenization.tokenizer import Tokenizer


def test_weights_are_multiples_of_their_groups_scale() -> None:
    weight = torch.zeros(2, 64)
    weight[0, :4] = torch.tensor([7.5, -7.5, 1.1, 0.4])
    weight[1, 0] = -15.0
    codes, scales = packed(weight)
    again = unpacked(codes, scales, weight)
    assert codes.shape == (64,)
    assert scales[0] == 1.0
    assert again[0, :4].tolist() == [7, -8, 1, 0]  # which half an even number of steps rounds to
    assert again[1, 0] == pytest.approx(-15, abs=0.25)
    filled_up = torch.full((3, 5), -0.7)
    assert unpacked(*packed(filled_up), filled_up).numpy() == pytest.approx(filled_up.numpy(), rel=0.02)


def test_more_bits_are_nearer() -> None:
    weight = torch.linspace(-1, 1, 640).view(10, 64)
    far = {bits: (unpacked(*packed(weight, bits), weight, bits) - weight).abs().max() for bits in (4, 8)}
    assert far[8] < far[4] / 12


def test_a_policy_is_rounded_once(policies: Sequence[Seq2SeqPolicy], monolingual_task: Task, tmp_path: Path) -> None:
    save_behaviour(policies[0], "one", tmp_path)
    once = load_behaviour("one", monolingual_task, tmp_path)
    assert once.fingerprint == load_behaviour("one", monolingual_task, tmp_path).fingerprint != policies[0].fingerprint
    sources = once.encode(monolingual_task.split("test").sources)
    for near, exact in zip(once.log_probs(sources, sources), policies[0].log_probs(sources, sources), strict=True):
        assert near == pytest.approx(exact, abs=0.5)


def test_a_policy_of_another_tokenizer_is_refused(
    policies: Sequence[Seq2SeqPolicy], monolingual_task: Task, tmp_path: Path
) -> None:
    save_behaviour(policies[0], "one", tmp_path)
    with pytest.raises(ValueError, match="no behaviour policy 'two'; choose one of one"):
        load_behaviour("two", monolingual_task, tmp_path)
    other = copy(monolingual_task)
    other.tokenizer = Tokenizer.from_words(["a"])
    with pytest.raises(ValueError, match=r"behaviour policy 'one' is of tokenizer .*, task 'monolingual' has .*; take"):
        load_behaviour("one", other, tmp_path)


def test_a_policy_that_cannot_be_written_leaves_the_one_before(
    policies: Sequence[Seq2SeqPolicy], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = save_behaviour(policies[0], "one", tmp_path)
    before = file.read_bytes()
    monkeypatch.setattr("os.fsync", Mock(side_effect=OSError(ENOSPC, "No space left on device")))
    with pytest.raises(OSError, match=r"one.safetensors' cannot be written \(No space left on device\); make room"):
        save_behaviour(policies[1], "one", tmp_path)
    assert list(tmp_path.iterdir()) == [file]
    assert file.read_bytes() == before


def test_every_recipes_policies_are_shipped_and_small() -> None:
    assert {name for recipe in DATASETS.values() for name in recipe.policies} == set(behaviour_names())
    assert sum(file.stat().st_size for file in FOLDER.iterdir()) < 3_000_000
