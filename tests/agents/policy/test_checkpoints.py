from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from transformers import AutoModelForSeq2SeqLM, AutoTokenizer

from agents import Seq2SeqPolicy
from seq2seq_env import Constraint
from seq2seq_env.tasks.task import Task
from tests.full_disk import full_disk
from tests.tiny_models import tiny_policy_config

SOURCES = ["eins rot haus", "zwei", "drei blau hund", "auto", "zwei rot", "rot auto"]


def test_save_and_load_are_exact(trained: Seq2SeqPolicy, tmp_path: Path) -> None:
    trained.save(tmp_path / "policy")
    loaded = Seq2SeqPolicy.load(tmp_path / "policy")
    assert loaded.fingerprint == trained.fingerprint
    assert loaded.max_target_length == 12
    for name, parameter in trained.model.named_parameters():
        assert torch.equal(loaded.model.get_parameter(name), parameter)
    np.testing.assert_array_equal(
        loaded.sample(loaded.encode(SOURCES), 2, 1.0, 0).log_prob,
        trained.sample(trained.encode(SOURCES), 2, 1.0, 0).log_prob,
    )


def test_a_saved_policy_is_a_hugging_face_folder(trained: Seq2SeqPolicy, tmp_path: Path) -> None:
    trained.save(tmp_path)
    names = {path.name for path in tmp_path.iterdir()}
    assert names == {
        "config.json",
        "generation_config.json",
        "model.safetensors",
        "tokenizer.json",
        "tokenizer_config.json",
    }
    tokenizer: Any = AutoTokenizer.from_pretrained(tmp_path)
    assert (tokenizer.eos_token_id, tokenizer.unk_token_id, tokenizer.pad_token_id) == (0, 1, trained.tokenizer.pad_id)
    assert json.loads((tmp_path / "generation_config.json").read_text())["max_new_tokens"] == 12


def test_the_librarys_own_classes_translate_as_the_policy_does(policy: Seq2SeqPolicy, tmp_path: Path) -> None:
    policy.save(tmp_path)
    tokenizer: Any = AutoTokenizer.from_pretrained(tmp_path)
    model: Any = AutoModelForSeq2SeqLM.from_pretrained(tmp_path)
    sources = [*SOURCES, "eins </s> haus <pad>"]
    batch = tokenizer(sources, return_tensors="pt", padding=True)
    rows = [row[: sum(mask)] for row, mask in zip(batch["input_ids"].tolist(), batch["attention_mask"], strict=True)]
    assert rows == policy.tokenizer.encode(sources)
    assert tokenizer.batch_decode(model.generate(**batch), skip_special_tokens=True) == policy.translate(sources)
    assert len(set(policy.translate(sources))) > 1


def test_the_fingerprint_follows_the_weights(policy: Seq2SeqPolicy, tiny_task: Task) -> None:
    before = policy.fingerprint
    assert Seq2SeqPolicy.from_config(tiny_task.tokenizer, tiny_policy_config(), seed=3).fingerprint == before
    assert Seq2SeqPolicy.from_config(tiny_task.tokenizer, tiny_policy_config(), seed=4).fingerprint != before
    kept = policy.clone()
    with torch.no_grad():
        next(policy.model.parameters())[0, 0] += 1.0
    assert policy.fingerprint != before
    assert kept.fingerprint == before


def test_a_constraint_is_saved_and_told_by_the_fingerprint(policy: Seq2SeqPolicy, tmp_path: Path) -> None:
    constraint = Constraint(frozenset({3, 4}), (5,))
    narrow = policy.constrained(constraint)
    assert len({policy.fingerprint, narrow.fingerprint, policy.constrained(Constraint(prefix=(5,))).fingerprint}) == 3
    narrow.save(tmp_path)
    loaded = Seq2SeqPolicy.load(tmp_path)
    assert (loaded.constraint, loaded.fingerprint) == (constraint, narrow.fingerprint)
    assert loaded.clone().constraint == constraint
    policy.save(tmp_path)
    assert Seq2SeqPolicy.load(tmp_path).fingerprint == policy.fingerprint
    with pytest.raises(ValueError, match="prefix holds token 18"):
        policy.constrained(Constraint(prefix=(18,)))


@pytest.mark.parametrize("name", ["config.json", "generation_config.json", "model.safetensors", "tokenizer.json"])
def test_a_folder_that_lacks_a_file_is_refused(policy: Seq2SeqPolicy, tmp_path: Path, name: str) -> None:
    policy.save(tmp_path)
    (tmp_path / name).unlink()
    with pytest.raises(FileNotFoundError, match=f"no {name} in"):
        Seq2SeqPolicy.load(tmp_path)


def test_corrupt_weights_are_named(policy: Seq2SeqPolicy, tmp_path: Path) -> None:
    policy.save(tmp_path)
    weights = tmp_path / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:1000])
    with pytest.raises(ValueError, match=r"model\.safetensors in .* is corrupt \(.*; save or download it again"):
        Seq2SeqPolicy.load(tmp_path)


def test_what_is_fixed_stays_fixed_when_loaded(policy: Seq2SeqPolicy, tmp_path: Path) -> None:
    policy.save(tmp_path)
    trained = [
        {name for name, parameter in each.model.named_parameters() if parameter.requires_grad}
        for each in (policy, Seq2SeqPolicy.load(tmp_path))
    ]
    assert trained[0] == trained[1]
    assert not any("embed_positions" in name for name in trained[0])


def test_a_full_disk_is_one_sentence_and_the_policy_before_stays(
    policy: Seq2SeqPolicy, trained: Seq2SeqPolicy, tmp_path: Path
) -> None:
    trained.save(tmp_path / "policy")
    with (
        full_disk(4_000),
        pytest.raises(OSError, match=r"policy' cannot be written \(.*\); make room or choose another"),
    ):
        policy.save(tmp_path / "policy")
    assert Seq2SeqPolicy.load(tmp_path / "policy").fingerprint == trained.fingerprint
    assert [path.name for path in tmp_path.iterdir()] == ["policy"]
