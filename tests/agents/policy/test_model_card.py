"""What a policy publishes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

import seq2seq_env.publishing
from agents import Seq2SeqPolicy
from seq2seq_env import Constraint
from seq2seq_env.publishing import ModelCard


def test_a_policy_publishes_its_folder_with_a_card(
    policy: Seq2SeqPolicy, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    published: list[dict[str, Any]] = []

    def publish(repo: str, save: Any, card: ModelCard, **options: Any) -> str:
        save(tmp_path / str(len(published)))
        published.append({"repo": repo, "card": card, **options})
        return "https://there"

    monkeypatch.setattr(seq2seq_env.publishing, "publish", publish)
    narrow = policy.constrained(Constraint(prefix=(2,)))
    assert policy.push_to_hub("mine", private=True, licence="mit", token="t") == "https://there"
    narrow.push_to_hub("mine")
    for number, each in enumerate((policy, narrow)):
        assert Seq2SeqPolicy.load(tmp_path / str(number)).fingerprint == each.fingerprint
    first, second = published
    cards = [first.pop("card"), second.pop("card")]
    # A constraint of an earlier push must not bind the policy of a later one.
    files = ["constraint.json", "*.safetensors"]
    assert first == {"repo": "mine", "private": True, "token": "t", "replaces": files}
    assert second == {"repo": "mine", "private": False, "token": None, "replaces": files}
    text = cards[0].text("me/mine")
    assert "MarianMTModel of 0.0 million parameters that reads 19 tokens and writes 12" in text
    assert "license: mit" in text
    for call in ('Seq2SeqPolicy.load(snapshot_download("me/mine"))', 'AutoTokenizer.from_pretrained("me/mine")'):
        assert call in text
    # The library's classes alone would translate otherwise.
    assert "AutoTokenizer" not in cards[1].text("me/mine")
