"""What a policy publishes."""

from __future__ import annotations

from pathlib import Path

from agents import Seq2SeqPolicy
from seq2seq_env import Constraint
from seq2seq_env.publishing import ModelCard


def test_a_policy_publishes_its_folder_with_a_card(policy: Seq2SeqPolicy, tmp_path: Path) -> None:
    cards: list[ModelCard] = []
    for each in (policy, policy.constrained(Constraint(prefix=(2,)))):
        save, card, replaces = each.publication("mit")
        folder = tmp_path / str(len(cards))
        save(folder)
        assert Seq2SeqPolicy.load(folder).fingerprint == each.fingerprint
        # A constraint of an earlier push must not bind the policy of a later one.
        assert replaces == ["constraint.json", "*.safetensors"]
        cards.append(card)
    text = cards[0].text("me/mine")
    assert "MarianMTModel of 0.0 million parameters that reads 19 tokens and writes 12" in text
    assert "license: mit" in text
    for call in ('Seq2SeqPolicy.load(snapshot_download("me/mine"))', 'AutoTokenizer.from_pretrained("me/mine")'):
        assert call in text
    # The library's classes alone would translate otherwise.
    assert "AutoTokenizer" not in cards[1].text("me/mine")
