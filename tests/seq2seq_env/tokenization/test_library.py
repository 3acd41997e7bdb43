"""Tokenizers that come with code: it is not run, whoever sits at the terminal."""

from __future__ import annotations

import builtins
import json
from collections.abc import Callable
from pathlib import Path

import pytest

from seq2seq_env.tokenization.pretrained_tokenizer import PretrainedTokenizer
from seq2seq_env.tokenization.prompt_tokenizer import PromptTokenizer
from tests.conftest import GERMAN
from tests.tiny_decoder_only import save_decoder_only


def add_code(folder: Path) -> None:
    """Tell a tokenizer's folder that a class of its own reads it, whose code writes the file ``mark`` beside it."""
    mark = folder.parent / "mark"
    (folder / "own.py").write_text(
        f"open({str(mark)!r}, 'w').close()\n"
        "from transformers import PreTrainedTokenizerFast\n"
        "class OwnTokenizer(PreTrainedTokenizerFast): pass\n"
    )
    path = folder / "tokenizer_config.json"
    settings = json.loads(path.read_text()) if path.is_file() else {}
    code = {"tokenizer_class": "OwnTokenizer", "auto_map": {"AutoTokenizer": ["own.OwnTokenizer", "own.OwnTokenizer"]}}
    path.write_text(json.dumps(settings | code))


def chat(folder: Path) -> None:
    save_decoder_only("llama", folder, GERMAN)
    add_code(folder)
    PromptTokenizer(folder, "to English : {source}", chat=True)


def vocabulary(folder: Path) -> None:
    folder.mkdir()
    (folder / "vocab.json").write_text('{"</s>": 0, "<unk>": 1, "a": 2, "<pad>": 3}')
    (folder / "merges.txt").write_text("#version: 0.2\n")
    add_code(folder)
    PretrainedTokenizer(folder)


@pytest.mark.parametrize("read", [chat, vocabulary])
def test_code_in_a_folder_is_refused_without_a_question(
    read: Callable[[Path], None], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[str] = []

    def yes(question: str = "") -> str:
        asked.append(question)
        return "y"

    monkeypatch.setattr(builtins, "input", yes)
    with pytest.raises(ValueError, match=r"no tokenizer can be read from .* \(it takes code that comes with it, which"):
        read(tmp_path / "model")
    assert asked == []
    assert not (tmp_path / "mark").exists()


def test_another_reason_is_told(tmp_path: Path) -> None:
    folder = save_decoder_only("llama", tmp_path / "model", GERMAN, added_tokens_decoder=3)
    with pytest.raises(ValueError, match=r"no tokenizer can be read from .* \(\w+: .*\); leave chat out and give a"):
        PromptTokenizer(folder, "to English : {source}", chat=True)
