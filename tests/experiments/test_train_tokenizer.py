"""The tokenizer that the embedded task ships, on a small scale."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from experiments.train_tokenizer import Config, main, train
from seq2seq_env import Tokenizer

SMALL = Config(vocab_size=300, sentences=400)


def test_it_reads_both_languages_without_loss() -> None:
    tokenizer = train(SMALL)
    assert tokenizer.vocab_size == 300
    for text in ("Der Zug fährt um 15:40 Uhr ab.", "The train leaves at 3:40 p.m.", "It's €47.50."):
        assert tokenizer.decode(tokenizer.encode([text])) == [text]


def test_the_command_writes_what_it_says(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    options = ["--vocab-size", "300", "--sentences", "400", "--out", str(tmp_path)]
    monkeypatch.setattr(sys, "argv", ["train_tokenizer.py", *options])
    main()
    assert f"wrote {tmp_path / 'tokenizer.json'}: 300 tokens" in capsys.readouterr().out
    assert Tokenizer.load(tmp_path).fingerprint == train(SMALL).fingerprint
