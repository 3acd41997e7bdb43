from __future__ import annotations

import pytest

from seq2seq_env import bleu_tokenizer as module
from seq2seq_env.bleu_tokenizer import bleu_tokenizer


@pytest.mark.parametrize(
    ("references", "libraries", "tokenizer"),
    [
        (["The house is red.", "他 said nothing at all, and went home."], True, "13a"),
        (["我昨天买了七个苹果。", "OK"], True, "zh"),
        (["昨日りんごを買いました。"], True, "ja-mecab"),
        (["昨日りんごを買いました。"], False, "char"),
        (["저는 사과를 먹었습니다."], True, "ko-mecab"),
        (["저는 사과를 먹었습니다."], False, "13a"),
        (["ฉันกินข้าว"], True, "char"),
        ([], True, "13a"),
    ],
)
def test_the_tokenizer_fits_the_references(
    references: list[str], libraries: bool, tokenizer: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "is_installed", lambda name: libraries)
    assert bleu_tokenizer(references) == tokenizer
