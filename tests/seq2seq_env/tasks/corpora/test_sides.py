"""Texts in the wrong language: what is refused, what is doubted, what passes."""

from __future__ import annotations

from pathlib import Path
from random import Random

import pytest

from seq2seq_env.tasks import load_task
from seq2seq_env.tasks.corpora.sides import Likeness, Sides
from tests.seq2seq_env.tasks.corpora.tiny_files import text_files, write

PAIRS = [*zip(*(load_task("phrasebook-de-en", train_size=400).split("train").__dict__[side]
                for side in ("sources", "references")), strict=True)]  # fmt: skip
TRAIN, VALIDATION, TEST, MORE = PAIRS[:200], PAIRS[200:230], PAIRS[230:260], PAIRS[260:]


def written(folder: Path, swapped: tuple[str, ...] = (), source_only: list[str] | None = None) -> None:
    for stem, pairs in (("train", TRAIN), ("validation", VALIDATION), ("test", TEST)):
        write(folder, stem, [pair[::-1] for pair in pairs] if stem in swapped else pairs)
    if source_only is not None:
        (folder / "source-only.de").write_text("".join(f"{text}\n" for text in source_only), "utf-8")


def load(folder: Path) -> None:
    text_files(folder, vocab_size=400, leaks="drop")


def french(seed: int) -> str:
    words = ["le", "prochain", "train", "part", "demain", "matin", "avec", "nous", "deux", "billets", "pour", "toi"]
    return " ".join(Random(seed).choices(words, k=8))


def test_texts_in_the_sources_language_pass(tmp_path: Path) -> None:
    written(tmp_path, source_only=[source for source, _ in MORE])
    load(tmp_path)


@pytest.mark.parametrize(("swapped", "named"), [(("train",), "validation"), (("test",), "test")])
def test_swapped_files_are_said(tmp_path: Path, swapped: tuple[str, ...], named: str) -> None:
    written(tmp_path, swapped)
    with pytest.raises(
        ValueError,
        match=rf"sides of the {named} split look swapped .*: of its sources, \d+% of their words .*; swap the sides",
    ):
        load(tmp_path)


def test_sources_in_the_targets_language_are_said(tmp_path: Path) -> None:
    written(tmp_path)
    (tmp_path / "test.de").write_text((tmp_path / "test.en").read_text("utf-8"), "utf-8")
    with pytest.raises(ValueError, match="the sources of the test split look like the targets' language"):
        load(tmp_path)


def test_references_in_the_sources_language_are_said(tmp_path: Path) -> None:
    written(tmp_path)
    (tmp_path / "validation.en").write_text("".join(f"{source}\n" for source, _ in MORE[: len(VALIDATION)]), "utf-8")
    with pytest.raises(ValueError, match=r"the references of the validation split look like the sources' language: \d"):
        load(tmp_path)


def test_one_text_twice_is_no_pair(tmp_path: Path) -> None:
    written(tmp_path)
    (tmp_path / "train.en").write_text((tmp_path / "train.de").read_text("utf-8"), "utf-8")
    with pytest.raises(
        ValueError, match=r"of (\d+) of the \1 pairs of the train split, both sides are the same text; give the"
    ):
        load(tmp_path)


def test_a_split_in_a_third_language_is_doubted(tmp_path: Path) -> None:
    written(tmp_path)
    (tmp_path / "test.en").write_text("".join(f"{french(n)}\n" for n in range(len(TEST))), "utf-8")
    with pytest.warns(UserWarning, match="the references of the test split may be in another language than those of"):
        load(tmp_path)


def test_source_only_sentences_in_the_targets_language_are_said(tmp_path: Path) -> None:
    written(tmp_path, source_only=[reference for _, reference in MORE])
    with pytest.raises(
        ValueError, match=r"the source-only sentences look like the targets' language: .*; give text in"
    ):
        load(tmp_path)


def test_source_only_sentences_in_another_script_are_said(tmp_path: Path) -> None:
    written(tmp_path, source_only=["Поезд отправляется завтра утром из города."] * 3 + ["Где мой билет?"])
    with pytest.raises(
        ValueError, match=r"\d+% of the tokens of the source-only sentences are unknown to the tokenizer"
    ):
        load(tmp_path)


def test_source_only_sentences_in_a_third_language_are_doubted(tmp_path: Path) -> None:
    written(tmp_path, source_only=[french(n) for n in range(40)])
    with pytest.warns(UserWarning, match="the source-only sentences may be in another language than the sources: "):
        load(tmp_path)


def test_source_only_sentences_of_the_targets_on_other_subjects_are_doubted(tmp_path: Path) -> None:
    """Of words that the targets share, such as articles, a quarter is known, and hardly one is the sources'."""
    written(tmp_path, source_only=[f"{MORE[n][1]} " + "x " * 18 for n in range(40)])
    with pytest.warns(UserWarning, match="source-only sentences may be in the targets' language, on other subjects: "):
        load(tmp_path)


@pytest.mark.parametrize("text", ["", "\n\n"])
def test_an_empty_file_of_sentences_is_said(tmp_path: Path, text: str) -> None:
    written(tmp_path)
    (tmp_path / "source-only.de").write_text(text)
    with pytest.raises(
        ValueError, match=r"nothing is left of the source-only split: 0 of .*; give other sentences, or"
    ):
        load(tmp_path)


def test_too_few_words_say_nothing() -> None:
    assert Sides(TRAIN).likeness(["the train"]) is None
    assert Sides(TRAIN[:2]).likeness([reference for _, reference in MORE]) is None


def test_words_that_do_not_stand_apart_are_counted_by_characters() -> None:
    characters = [chr(0x4E00 + n) for n in range(120)]
    chinese = ["".join(characters[n : n + 12]) for n in range(0, 120, 3)]
    sides = Sides([(text, f"{' '.join(TRAIN[n][1].split())}") for n, text in enumerate(chinese)])
    likeness = sides.likeness(["".join(reversed(text)) for text in chinese])
    assert likeness is not None
    assert likeness == Likeness(1.0, 0.0)
    assert likeness.is_of_sources


def test_a_word_is_of_the_side_that_uses_it_more_often() -> None:
    pairs = [(f"der man nennt in {source}", f"the man calls it {target}") for source, target in PAIRS]
    borrowed = [*pairs, *[("the man", "it")] * 3]  # sources that quote
    likeness = Sides(borrowed).likeness([reference for _, reference in pairs])
    assert likeness is not None
    assert likeness.is_of_targets
    assert likeness.source < 0.15
    same = Sides([(source, source) for source, _ in PAIRS]).likeness([source for source, _ in PAIRS])
    assert same == Likeness(0.5, 0.5)  # such as sentences and their corrections
    assert not same.is_of_targets
