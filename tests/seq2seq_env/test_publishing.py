"""Publishing on the hub, with its client replaced by one that remembers."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import huggingface_hub
import pytest
import transformers.utils.hub  # noqa: F401  # looks at HfApi when it is imported, so before it is replaced
from huggingface_hub import RepoUrl
from huggingface_hub.errors import HFValidationError, OfflineModeIsEnabled

from seq2seq_env.publishing import ModelCard, Publication, Publishable
from seq2seq_env.scorers import LearnedScorer, checked_scores, load_scorer
from seq2seq_env.tasks import load_task

CARD = ModelCard("A thing.", 'load("{repo}")', "translation", ("one", "two"), "")


class Hub:
    """Stands for ``HfApi``: keeps calls, and the files of the last upload."""

    def __init__(self) -> None:
        self.calls: list[tuple[str, dict[str, Any]]] = []
        self.files: dict[str, bytes] = {}
        self.there: set[str] = set()
        self.private = True
        self.failure: Exception | None = None

    def __call__(self, token: str | None = None) -> Hub:
        self.calls.append(("log in", {"token": token}))
        return self

    def create_repo(self, repo_id: str, **options: Any) -> RepoUrl:
        if self.failure is not None:
            raise self.failure
        self.calls.append(("create", {"repo_id": repo_id, **options}))
        return RepoUrl(f"https://huggingface.co/me/{repo_id.removeprefix('me/')}")

    def repo_info(self, repo_id: str) -> SimpleNamespace:
        assert repo_id == "me/mine"
        return SimpleNamespace(private=self.private)

    def file_exists(self, repo_id: str, name: str) -> bool:
        assert repo_id == "me/mine"
        return name in self.there

    def upload_folder(self, *, folder_path: Path, **options: Any) -> None:
        self.calls.append(("upload", options))
        self.files = {path.name: path.read_bytes() for path in folder_path.iterdir()}


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch) -> Hub:
    hub = Hub()
    monkeypatch.setattr(huggingface_hub, "HfApi", hub)
    return hub


class Thing(Publishable):
    """Two bytes."""

    def publication(self, licence: str) -> Publication:
        """One file."""
        return Publication(self.save, replace(CARD, licence=licence), ["old*"])

    def save(self, folder: Path) -> None:
        """Write it."""
        (folder / "weights").write_bytes(b"12")


def publish(repo: str, **options: Any) -> str:
    return Thing().push_to_hub(repo, licence="mit", **options)


def test_what_is_saved_is_uploaded_with_a_card(hub: Hub) -> None:
    assert publish("mine", token="t") == "https://huggingface.co/me/mine"
    assert hub.calls == [
        ("log in", {"token": "t"}),
        ("create", {"repo_id": "mine", "private": None, "exist_ok": True}),
        ("upload", {"repo_id": "me/mine", "delete_patterns": ["old*"], "commit_message": "Publish with seq2seq-env"}),
    ]
    assert hub.files.keys() == {"weights", "README.md"}
    card: Any = huggingface_hub.ModelCard(hub.files["README.md"].decode())
    assert card.data.to_dict() == {
        "license": "mit",
        "library_name": "transformers",
        "pipeline_tag": "translation",
        "tags": ["one", "two"],
    }
    assert card.text.startswith('\n# mine\n\nA thing.\n\n## Use\n\n```python\nload("me/mine")\n```\n')
    assert "`mit`" in card.text


def test_what_is_known_of_its_evaluation_is_in_the_card(hub: Hub) -> None:
    for evaluation, there, missing in (
        (None, "To be completed: data", "0.9"),
        ("BLEU 0.9", "BLEU 0.9", "data, scorer"),
    ):
        publish("mine", evaluation=evaluation)
        _, _, section = hub.files["README.md"].decode().partition("## Training and evaluation")
        assert there in section
        assert missing not in section


def test_a_card_that_is_there_stays(hub: Hub) -> None:
    hub.there = {"README.md"}
    publish("me/mine")
    assert hub.files.keys() == {"weights"}


def test_private_is_private_or_nothing_is_uploaded(hub: Hub) -> None:
    publish("mine", private=True)
    assert hub.calls[1][1]["private"] is True
    assert hub.files
    hub.files, hub.private = {}, False
    with pytest.raises(ValueError, match="'me/mine' is there already and public; make it private"):
        publish("mine", private=True)
    assert not hub.files
    publish("mine")
    assert hub.files


def test_a_hub_out_of_reach_is_told_in_a_sentence(hub: Hub) -> None:
    hub.failure = OfflineModeIsEnabled("offline\nmode is on")
    message = r"'mine' was not published \(OfflineModeIsEnabled: offline mode is on\); log in with hf auth login"
    with pytest.raises(ConnectionError, match=message):
        publish("mine")
    hub.failure = HFValidationError("no")
    with pytest.raises(ValueError, match=r"'a b' is no name for a repository \(no\)"):
        publish("a b")
    assert not hub.files


def test_a_published_scorer_is_a_scorer(hub: Hub, tmp_path: Path) -> None:
    scorer = load_scorer("phrasebook-qe")
    assert isinstance(scorer, LearnedScorer)
    assert scorer.push_to_hub("mine", licence="apache-2.0") == "https://huggingface.co/me/mine"
    # What else lies in its folder is nobody's business.
    assert hub.files.keys() == {
        "README.md", "config.json", "model.safetensors", "tokenizer.json", "tokenizer_config.json"
    }  # fmt: skip
    assert hub.calls[-1][1]["delete_patterns"] == ["model*.safetensors*"]
    card = hub.files["README.md"].decode()
    assert 'load_scorer(snapshot_download("me/mine"))' in card
    assert "license: apache-2.0" in card
    for name, content in hub.files.items():
        (tmp_path / name).write_bytes(content)
    again = load_scorer(tmp_path)
    assert again.fingerprint == scorer.fingerprint
    pairs = load_task("phrasebook-de-en").split("validation")
    sources, references = pairs.sources[:3], pairs.references[:3]
    assert checked_scores(again, sources, references).tolist() == checked_scores(scorer, sources, references).tolist()
    assert json.loads(hub.files["config.json"])["score_activation"] == "sigmoid"
