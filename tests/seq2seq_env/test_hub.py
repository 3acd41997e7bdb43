"""Model files from a folder or the hub, whose client is replaced."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import huggingface_hub
import pytest

from seq2seq_env.hub import local_copy


def test_a_folder_comes_first_and_has_no_revision(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "model").mkdir()
    monkeypatch.chdir(tmp_path)
    assert local_copy("model", ["*"]) == tmp_path / "model"
    with pytest.raises(ValueError, match="'model' is a folder, which has no revision 'main'; leave it out"):
        local_copy("model", ["*"], "main")


@pytest.mark.parametrize("name", ["t5-small", "Helsinki-NLP/opus-mt-de-en"])
def test_a_name_on_the_hub_is_downloaded(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def download(*asked: str, **options: Any) -> str:
        assert (asked, options) == ((name,), {"repo_type": "model", "revision": "a", "allow_patterns": ["*.json"]})
        return "/cache"

    monkeypatch.setattr(huggingface_hub, "snapshot_download", download)
    assert local_copy(name, ["*.json"], "a") == Path("/cache")


@pytest.mark.parametrize("name", ["./nowhere", "/nowhere", "~/models", "a/b/c", "../x"])
def test_what_can_be_no_name_is_not_asked_for(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(huggingface_hub, "snapshot_download", None)
    with pytest.raises(FileNotFoundError, match=f"there is no folder '{name}'; name a model's folder, or its name"):
        local_copy(name, ["*"])


def test_a_hub_out_of_reach_says_how_to_get_a_copy(monkeypatch: pytest.MonkeyPatch) -> None:
    def unreachable(*_: Any, **__: Any) -> str:
        raise RuntimeError("no\nnetwork")

    monkeypatch.setattr(huggingface_hub, "snapshot_download", unreachable)
    with pytest.raises(ConnectionError, match=r"`hf download some/data --include '\*' --repo-type dataset --local-dir"):
        local_copy("some/data", ["*"], kind="dataset")
    message = r"no network\).* `hf download some/model --include '\*.json' --revision a --local-dir COPY`"
    with pytest.raises(ConnectionError, match=message):
        local_copy("some/model", ["*.json"], "a")
