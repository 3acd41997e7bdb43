"""The tokenizer: ids as Marian lays them out, round trips, and files."""

from __future__ import annotations

from pathlib import Path

import pytest
from tokenizers import Tokenizer as Backend
from tokenizers import models

from seq2seq_env.tasks import Task
from seq2seq_env.tasks.phrasebook import PhrasebookTask
from seq2seq_env.tokenization.tokenizer import Tokenizer


def test_special_tokens_lie_where_marian_puts_them(phrasebook: PhrasebookTask) -> None:
    tokenizer = phrasebook.tokenizer
    assert (tokenizer.eos_id, tokenizer.unk_id) == (0, 1)
    assert tokenizer.pad_id == tokenizer.start_id == tokenizer.vocab_size - 1


def test_all_phrasebook_text_comes_back_unchanged_and_fits(phrasebook: PhrasebookTask) -> None:
    tokenizer = phrasebook.tokenizer
    for name in ("train", "validation", "test"):
        split = phrasebook.split(name)
        for texts, limit in (
            (split.sources, phrasebook.max_source_length),
            (split.references, phrasebook.max_target_length),
        ):
            tokens = tokenizer.encode(texts)
            assert tokenizer.decode(tokens) == texts
            assert all(row.count(tokenizer.eos_id) == 1 and row[-1] == tokenizer.eos_id for row in tokens)
            assert all(tokenizer.unk_id < token < tokenizer.pad_id for row in tokens for token in row[:-1])
            if name != "train":  # a faulty reference may be longer, and is then cut
                assert max(map(len, tokens)) <= limit


def test_every_digit_is_a_token_of_its_own(phrasebook: PhrasebookTask) -> None:
    plain, longer = phrasebook.tokenizer.encode(["It costs €4.", "It costs €47.50."])
    assert len(longer) == len(plain) + 4  # 7 . 5 0


def test_an_unknown_character_is_the_unknown_token_and_is_not_decoded(phrasebook: PhrasebookTask) -> None:
    tokenizer = phrasebook.tokenizer
    [tokens] = tokenizer.encode(["the car \N{SNOWMAN}"])
    assert tokenizer.unk_id in tokens
    assert tokenizer.decode([tokens])[0].strip() == "the car"


def test_empty_text_is_only_the_end(phrasebook: PhrasebookTask) -> None:
    assert phrasebook.tokenizer.encode([""]) == [[0]]


def test_decoding_stops_at_the_first_end_and_drops_padding(tiny_task: Task) -> None:
    tokenizer = tiny_task.tokenizer
    two, red, house = (tokenizer.encode([word])[0][0] for word in ("two", "red", "house"))
    pad, end = tokenizer.pad_id, tokenizer.eos_id
    rows = [[two, red, end, house], [two, house], [two, end, pad, pad], [end, two], [], [pad, red]]
    assert tokenizer.decode(rows) == ["two red", "two house", "two", "", "", "red"]


def test_words_keep_their_order_and_repetitions_are_one_token() -> None:
    tokenizer = Tokenizer.from_words(["a", "b", "a", "c"])
    assert tokenizer.vocab_size == 6
    assert tokenizer.encode(["a b c x"]) == [[2, 3, 4, 1, 0]]


def test_save_and_load_is_exact(phrasebook: PhrasebookTask, tmp_path: Path) -> None:
    phrasebook.tokenizer.save(tmp_path)
    again = Tokenizer.load(tmp_path)
    assert again.fingerprint == phrasebook.tokenizer.fingerprint
    texts = phrasebook.split("test").sources[:50]
    assert again.encode(texts) == phrasebook.tokenizer.encode(texts)


def test_a_folder_without_a_tokenizer_is_refused(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"no tokenizer\.json in "):
        Tokenizer.load(tmp_path)


@pytest.mark.parametrize(
    ("vocabulary", "message"),
    [
        ({"<unk>": 0, "</s>": 1, "<pad>": 2}, r"'</s>' has id 1, not 0"),
        ({"</s>": 0, "<unk>": 1, "<pad>": 2, "a": 3}, r"'<pad>' has id 2, not 3"),
        ({"</s>": 0, "a": 1, "<pad>": 2}, r"'<unk>' has id None, not 1"),
    ],
)
def test_another_order_of_special_tokens_is_refused(vocabulary: dict[str, int], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Tokenizer(Backend(models.WordLevel(vocabulary, unk_token="<unk>")))
