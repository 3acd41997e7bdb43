"""Sentences without references beside aligned text files."""

from __future__ import annotations

import gzip
import json
from pathlib import Path

import pytest

from seq2seq_env.tasks.corpora.cleaning import Cleaning
from tests.pickling import sent
from tests.seq2seq_env.tasks.corpora.tiny_files import TRAIN, VALIDATION, text_files, write

SENTENCES = ["das haus ist klein", "der mann ist rot", "das auto ist klein"]


def test_sentences_without_references_are_a_split_of_their_own(folder: Path) -> None:
    before = text_files(folder)
    (folder / "source-only.de").write_text("\n".join(SENTENCES) + "\n", "utf-8")
    task = text_files(folder)
    assert (task.has_source_only, task.size("source-only")) == (True, 3)
    assert task.splits == ("train", "validation", "test", "source-only")
    assert task.split("source-only").sources == SENTENCES
    assert task.pair("source-only", 1) == ("der mann ist rot", None)
    # What policies are trained on is as before, to the tokenizer; the texts are not.
    assert task.tokenizer.fingerprint == before.tokenizer.fingerprint
    assert task.split("train").sources == before.split("train").sources
    assert task.fingerprint != before.fingerprint
    assert task.notes[3] == "source-only split: 3 of 3 sentences"
    assert sent(task).fingerprint == task.fingerprint
    (folder / "source-only.de").write_text("\n".join(SENTENCES[1:]) + "\n", "utf-8")
    assert text_files(folder).fingerprint != task.fingerprint


def test_a_task_without_such_sentences_has_no_such_split(folder: Path) -> None:
    task = text_files(folder)
    assert (task.has_source_only, task.splits) == (False, ("train", "validation", "test"))
    for ask in (task.split, task.size):
        with pytest.raises(ValueError, match="no split 'source-only'; choose one of train, validation, test"):
            ask("source-only")


@pytest.mark.parametrize("form", ["gzip", "tsv", "jsonl"])
def test_sentences_without_references_come_in_the_layouts_of_pairs(folder: Path, form: str) -> None:
    lines = folder / "source-only.de"
    lines.write_text("\n".join(SENTENCES) + "\n", "utf-8")
    plain = text_files(folder).fingerprint
    lines.unlink()
    if form == "gzip":
        (folder / "source-only.de.gz").write_bytes(gzip.compress("\n".join(SENTENCES).encode()))
    elif form == "tsv":
        (folder / "source-only.tsv").write_text("".join(f"{text}\n" for text in ("de", *SENTENCES)), "utf-8")
    else:
        rows = (json.dumps({"de": text}) + "\n" for text in SENTENCES)
        (folder / "source-only.jsonl").write_text("".join(rows), "utf-8")
    assert text_files(folder).fingerprint == plain
    lines.write_text("das haus\n", "utf-8")
    with pytest.raises(ValueError, match=r"holds .*source-only\.de.*; keep one of them"):
        text_files(folder)


def test_the_file_of_sentences_may_be_named_and_then_must_be_there(folder: Path) -> None:
    (folder / "news.de").write_text("\n".join(SENTENCES) + "\n", "utf-8")
    assert not text_files(folder).has_source_only
    assert text_files(folder, source_only="news").split("source-only").sources == SENTENCES
    for stem in ("crawl", "source-only"):
        with pytest.raises(FileNotFoundError, match=rf"no {stem}\.de, and no {stem}\.tsv .* \(news\.de, test\.de"):
            text_files(folder, source_only=stem)


def test_sentences_that_teach_nothing_are_left_out_and_counted(folder: Path) -> None:
    unseen = ["\u200b", "\ufeff", " \u00ad"]
    bad = ["", " \t", *unseen, SENTENCES[0], "Der Hund  ist ALT", "der hund " * 30]
    (folder / "source-only.de").write_text("\n".join([*SENTENCES, *bad]) + "\n", "utf-8")
    task = text_files(folder, max_tokens=40)
    assert task.split("source-only").sources == SENTENCES
    assert task.cleaning["source-only"] == Cleaning(
        read=11,
        kept=3,
        dropped={
            "that are empty": 5,
            "that came before": 1,
            "that have a reference in the train split": 1,
            "of more than 40 tokens": 1,
        },
        unit="sentences",
    )
    assert task.notes[3].startswith("source-only split: 3 of 11 sentences (left out: 1 of more than 40 tokens, 5 that")


@pytest.mark.filterwarnings("ignore:.*they are not measured:UserWarning")
def test_a_line_of_nothing_seen_is_no_leak(folder: Path) -> None:
    """Although validation may have such a source, too."""
    write(folder, "validation", [*VALIDATION, ("\u200b", "nothing")])
    (folder / "source-only.de").write_text("\n".join([*SENTENCES, "\u200b"]) + "\n", "utf-8")
    assert text_files(folder).cleaning["source-only"].dropped == {"that are empty": 1}


def test_sentences_that_are_measured_on_are_refused_or_left_out(folder: Path) -> None:
    (folder / "source-only.de").write_text("\n".join([*SENTENCES, "Der Mann ist alt", "das auto ist rot"]), "utf-8")
    with pytest.raises(
        ValueError, match="2 source-only sentences are in the validation or test split too, such as 'Der Mann ist alt'"
    ):
        text_files(folder)
    task = text_files(folder, leaks="drop")
    assert task.split("source-only").sources == SENTENCES
    assert task.cleaning["source-only"].dropped == {"that are in another split": 2}


def test_a_source_whose_only_pair_is_left_out_has_no_reference(folder: Path) -> None:
    write(folder, "train", [*TRAIN, ("der mann ist klein", "x " * 60)])
    (folder / "source-only.de").write_text("der mann ist klein\n", "utf-8")
    assert text_files(folder).split("source-only").sources == ["der mann ist klein"]


def test_held_out_sources_are_no_source_only_sentences(tmp_path: Path) -> None:
    numbers = ["eins", "zwei", "drei", "vier", "sechs", "acht", "zehn", "elf"]
    write(tmp_path, "train", [(f"{number} haus", f"{place} house") for place, number in enumerate(numbers)])
    (tmp_path / "source-only.de").write_text("".join(f"{text} haus\n" for text in [*numbers, "neun"]), "utf-8")
    with pytest.raises(ValueError, match="4 source-only sentences are in the validation or test split too"):
        text_files(tmp_path, held_out=2)
    task = text_files(tmp_path, held_out=2, leaks="drop")
    assert task.split("source-only").sources == ["neun haus"]
    dropped = {"that are in another split": 4, "that have a reference in the train split": 4}
    assert task.cleaning["source-only"].dropped == dropped
    assert sent(task).fingerprint == task.fingerprint


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "nothing is left of the source-only split: 0 of 0 sentences; give other sentences, or none at all"),
        ("\n \n", r"nothing is left of the source-only split: 0 of 2 sentences \(left out: 2 that are empty\)"),
        ("Das Haus ist ROT\n", "left out: 1 that have a reference in the train split"),
        ("eins\rzwei", "the lines of .*source-only.de' end in carriage returns"),
    ],
)
def test_a_file_without_sentences_is_refused(folder: Path, text: str, message: str) -> None:
    (folder / "source-only.de").write_bytes(text.encode())
    with pytest.raises(ValueError, match=message):
        text_files(folder)
