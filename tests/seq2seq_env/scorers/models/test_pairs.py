from __future__ import annotations

from pathlib import Path

import pytest

import seq2seq_env.scorers
from seq2seq_env.scorers import PairEncoder
from seq2seq_env.tasks.task import Task
from seq2seq_env.tokenization.tokenizer import Tokenizer


@pytest.fixture
def words() -> Tokenizer:
    # ids: </s> 0, <unk> 1, rot 2, haus 3, red 4, house 5, <pad> 6
    return Tokenizer.from_words(["rot", "haus", "red", "house"])


def test_a_pair_is_end_source_end_hypothesis_end(words: Tokenizer) -> None:
    [pair] = PairEncoder.from_tokenizer(words).encode(["rot haus"], ["red house"])
    assert pair.tokens == [0, 2, 3, 0, 4, 5, 0]
    assert pair.segments == [0, 0, 0, 0, 1, 1, 1]


def test_an_empty_hypothesis_is_a_pair(words: Tokenizer) -> None:
    [pair] = PairEncoder.from_tokenizer(words).encode(["rot"], [""])
    assert pair.tokens == [0, 2, 0, 0]
    assert pair.segments == [0, 0, 0, 1]


def test_a_text_that_spells_a_special_token_is_text() -> None:
    encoder = PairEncoder.load(Path(seq2seq_env.scorers.__file__).parent / "phrasebook_qe")
    [plain, spelled] = encoder.encode(["Guten <pad> Morgen."] * 2, ["Good morning.", "Good</s> morning.</s>"])
    assert [plain.tokens.count(0), spelled.tokens.count(0)] == [3, 3]  # the template's own
    assert encoder.vocab_size - 1 not in plain.tokens  # padding
    assert len(spelled.tokens) > len(plain.tokens) + 2


def test_the_end_of_a_long_hypothesis_is_cut(words: Tokenizer) -> None:
    encoder = PairEncoder.from_tokenizer(words, max_length=6)
    long, short = encoder.encode(["rot haus", "rot"], ["red house house", "red"])
    assert long.tokens == [0, 2, 3, 0, 4, 0]
    assert short.tokens == [0, 2, 0, 4, 0]


def test_a_source_without_room_for_a_hypothesis_is_refused(words: Tokenizer) -> None:
    with pytest.raises(ValueError, match=r"a source of 2 tokens leaves no room .* in the 5 .* shorten 'rot haus'"):
        PairEncoder.from_tokenizer(words, max_length=5).encode(["rot", "rot haus"], ["red", "red"])


def test_the_tokenizer_it_was_made_from_is_unchanged(words: Tokenizer) -> None:
    before = words.fingerprint, words.encode(["rot haus"])
    PairEncoder.from_tokenizer(words).encode(["rot"], ["red"])
    assert (words.fingerprint, words.encode(["rot haus"])) == before


def test_saved_and_loaded_it_encodes_the_same(tiny_task: Task, tmp_path: Path) -> None:
    encoder = PairEncoder.from_tokenizer(tiny_task.tokenizer, max_length=9)
    encoder.save(tmp_path)
    loaded = PairEncoder.load(tmp_path, max_length=512)
    pairs = ["zwei rot haus"], ["two red house one two three"]
    assert loaded.max_length == 9
    assert loaded.encode(*pairs) == encoder.encode(*pairs)


def test_no_limit_is_no_limit(words: Tokenizer, tmp_path: Path) -> None:
    PairEncoder.from_tokenizer(words, max_length=int(1e30)).save(tmp_path)
    assert PairEncoder.load(tmp_path).max_length is None
    (tmp_path / "tokenizer_config.json").unlink()
    assert PairEncoder.load(tmp_path).max_length is None
