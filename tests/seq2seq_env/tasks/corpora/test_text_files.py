from __future__ import annotations

import gzip
import json
import unicodedata
from pathlib import Path
from typing import Any

import pytest

from seq2seq_env.tasks import load_task
from seq2seq_env.tasks.corpora.cleaning import Cleaning
from tests.pickling import posted, sent
from tests.seq2seq_env.tasks.corpora.tiny_files import TEST, TRAIN, VALIDATION, text_files, write


def test_splits_out_of_one_file(tmp_path: Path) -> None:
    numbers = ["eins", "zwei", "drei", "vier", "sechs", "acht", "zehn", "elf"]
    pairs = [(f"{number} haus", f"{place} house") for place, number in enumerate(numbers)]
    write(tmp_path, "train", [*pairs, ("ACHT  haus", "again a house")])
    task = text_files(tmp_path, held_out=2)
    splits = {name: task.split(name).sources for name in ("train", "validation", "test")}
    # A source's other spellings are where it is.
    homes = {source.lower().split()[0]: name for name, sources in splits.items() for source in sources}
    assert sorted(homes) == sorted(numbers)
    assert [sum(home == name for home in homes.values()) for name in splits] == [4, 2, 2]
    assert sum(map(len, splits.values())) == len(pairs) + 1
    # More pairs elsewhere in the file move none from one split to another.
    write(tmp_path, "train", [("neun hunde", "nine dogs"), *reversed(pairs)])
    more = text_files(tmp_path, held_out=2)
    moved = {source.split()[0]: name for name in splits for source in more.split(name).sources}
    assert sum(moved[number] != homes[number] for number in numbers) <= 2
    assert sent(more).fingerprint == more.fingerprint
    with pytest.raises(ValueError, match="held_out is 3, for each of two splits; give 0 to 2, a quarter"):
        text_files(tmp_path, held_out=3)
    with pytest.raises(
        ValueError, match="held_out 2 takes both splits out of the training files; leave out validation"
    ):
        text_files(tmp_path, held_out=2, validation="dev")
    with pytest.raises(FileNotFoundError, match=r"no validation.de and .*; give them, or take .* option held_out N"):
        text_files(tmp_path)
    write(tmp_path, "test", pairs)
    with pytest.raises(ValueError, match=r"held_out 2 .* yet test.de, test.en would be left unread"):
        text_files(tmp_path, held_out=2)


def test_what_is_held_out_is_measured_once(tmp_path: Path) -> None:
    """Else a test split is mostly one sentence that the file has hundreds of times."""
    pairs = [(f"haus {n} fähre", f"house {n} ferry") for n in range(40)]
    write(tmp_path, "train", pairs)
    once = text_files(tmp_path, held_out=10)
    again = [pair for pair in pairs for _ in range(5)]
    decomposed = [(unicodedata.normalize("NFD", source), target) for source, target in pairs]
    write(tmp_path, "train", [*again, *decomposed, *((source, "") for source, _ in pairs)])
    with pytest.warns(UserWarning, match="they are not measured"):
        task = text_files(tmp_path, held_out=10)
    for name, left in (("train", 20), ("validation", 10), ("test", 10)):
        assert task.split(name).sources == once.split(name).sources
        dropped = {"that came before": 5 * left, "with an empty side": left}
        assert task.cleaning[name] == Cleaning(7 * left, left, dropped)
    assert "test split: 10 of 70 pairs (left out: 50 that came before, 10 with an empty side)" in task.notes
    assert once.cleaning["test"] == Cleaning(10, 10, {})
    # Files of their own are measured as they are.
    for name in ("train", "validation", "test"):
        write(tmp_path, name, [(f"{name} {source}", target) for source, target in again])
    assert len(text_files(tmp_path).split("test")) == len(again)


def test_splits_are_the_files(folder: Path) -> None:
    task = text_files(folder)
    for name, pairs in (("train", TRAIN), ("validation", VALIDATION), ("test", TEST)):
        split = task.split(name)
        assert list(zip(split.sources, split.references, strict=True)) == pairs
    assert task.pair("test", 1) == TEST[1]
    assert task.oracle is None
    assert task.default_scorer is None
    encoded = task.tokenizer.encode(["der hund ist rot"])
    assert task.tokenizer.decode(encoded) == ["der hund ist rot"]
    assert task.tokenizer.vocab_size <= 60
    with pytest.raises(ValueError, match="no split 'dev'; choose one of train, validation, test"):
        task.split("dev")


def test_texts_are_read_in_composed_form(folder: Path) -> None:
    """Else a tokenizer that writes composed letters could write no such reference, whatever the policy learned."""
    split = unicodedata.normalize("NFD", "Tür")
    write(folder, "test", [("the door", split), (split, "the door")])
    (folder / "source-only.de").write_text(f"die {split}\n", "utf-8")
    task = text_files(folder)
    assert (task.split("test").references[0], task.split("test").sources[1]) == ("Tür", "Tür")
    assert task.split("source-only").sources == ["die Tür"]
    assert task.notes[4:] == ["3 texts are not in Unicode's composed form; they are read in it (NFC)"]


def packed(folder: Path) -> None:
    for path in list(folder.iterdir()):
        path.with_name(path.name + ".gz").write_bytes(gzip.compress(path.read_bytes()))
        path.unlink()


def as_tables(folder: Path, ending: str) -> None:
    for stem, pairs in (("train", TRAIN), ("validation", VALIDATION), ("test", TEST)):
        for side in ("de", "en"):
            (folder / f"{stem}.{side}").unlink()
        rows = [["id", "en", "de"], *([str(i), reference, source] for i, (source, reference) in enumerate(pairs))]
        if ending == "tsv":
            text = "".join("\t".join(row) + "\n" for row in rows)
        else:
            text = "".join(json.dumps(dict(zip(rows[0], row, strict=True))) + "\n" for row in rows[1:])
        (folder / f"{stem}.{ending}").write_text(text, "utf-8")


@pytest.mark.parametrize("form", ["gzip", "tsv", "jsonl", "packed tsv", "windows"])
def test_other_layouts_hold_the_same_task(folder: Path, form: str) -> None:
    plain = text_files(folder)
    if "tsv" in form or "jsonl" in form:
        as_tables(folder, form.split()[-1])
    if form == "windows":
        for path in folder.iterdir():
            path.write_bytes(b"\xef\xbb\xbf" + path.read_bytes().replace(b"\n", b"\r\n"))
    if form in ("gzip", "packed tsv"):
        packed(folder)
    assert text_files(folder).fingerprint == plain.fingerprint


def test_names_of_the_files_may_be_given(folder: Path) -> None:
    for ending in ("de", "en"):
        (folder / f"test.{ending}").rename(folder / f"2016.{ending}")
    assert text_files(folder, test="2016").split("test").sources == [source for source, _ in TEST]


def test_what_teaches_nothing_is_left_out_and_counted(folder: Path) -> None:
    bad = [("", "the"), ("x", " "), TRAIN[0], ("rot", "red " * 9), ("der hund " * 30, "the dog " * 30)]
    write(folder, "train", TRAIN + bad)
    task = text_files(folder, max_tokens=40)
    assert task.split("train").sources == [source for source, _ in TRAIN]
    assert task.cleaning["train"] == Cleaning(
        read=9,
        kept=4,
        dropped={
            "with an empty side": 2,
            "that came before": 1,
            "with sides of very different length (over 4 to 1)": 1,
            "of more than 40 tokens": 1,
        },
    )
    assert str(task.cleaning["train"]).startswith(
        "4 of 9 pairs (left out: 1 of more than 40 tokens, 1 that came before"
    )
    assert task.notes[2] == "test split: 2 of 2 pairs"


def test_of_the_test_split_only_what_cannot_be_translated_is_left_out_and_said(folder: Path) -> None:
    write(folder, "test", [*TEST, TEST[0], ("rot", "red " * 9), ("der hund " * 30, "the dog " * 30)])
    with pytest.warns(UserWarning, match=r"test split: 4 of 5 pairs \(left out: 1 of more than 40 tokens\); they are"):
        task = text_files(folder, max_tokens=40)
    assert len(task.split("test")) == 4


def test_sources_of_other_splits_are_refused_or_left_out(folder: Path) -> None:
    write(folder, "train", [*TRAIN, ("Das  auto ist ROT", "the car is red"), ("der mann ist alt", "an old man")])
    with pytest.raises(
        ValueError, match="2 training sources are in the validation or test split too, such as 'Das  auto"
    ):
        text_files(folder)
    task = text_files(folder, leaks="drop")
    assert task.split("train").sources == [source for source, _ in TRAIN]
    assert task.cleaning["train"].dropped == {"whose source is in another split": 2}


def test_validation_sources_of_the_test_are_refused_or_left_out(folder: Path) -> None:
    """The validation split chooses weights, which the test measures."""
    tested = text_files(folder).split("test")
    write(folder, "validation", [*VALIDATION, (tested.sources[0].upper(), "another")])
    with pytest.raises(ValueError, match="1 validation sources are in the test split too, such as"):
        text_files(folder)
    with pytest.warns(UserWarning, match=r"validation split: .*1 whose source is in another split"):
        task = text_files(folder, leaks="drop")
    assert task.split("validation").sources == [source for source, _ in VALIDATION]
    assert task.split("test").sources == tested.sources


@pytest.mark.parametrize("invisible", ["\u200b", "\u00ad", "\ufeff", "\u2060"])
def test_what_is_not_seen_hides_no_leak(folder: Path, invisible: str) -> None:
    source = text_files(folder).split("test").sources[0]
    write(folder, "train", [*TRAIN, (source[:3] + invisible + source[3:], "hidden"), (invisible, "nothing")])
    with pytest.raises(ValueError, match="1 training sources are in the validation or test split too"):
        text_files(folder)
    assert text_files(folder, leaks="drop").cleaning["train"].dropped == {
        "whose source is in another split": 1, "with an empty side": 1
    }  # fmt: skip


def test_a_tokenizer_may_be_given(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    place = tmp_path_factory.mktemp("tokenizer")
    first = text_files(folder)
    first.tokenizer.save(place)
    assert text_files(folder, tokenizer=str(place), vocab_size=10).fingerprint == first.fingerprint
    assert text_files(folder, vocab_size=40).fingerprint != first.fingerprint


def test_a_pickle_reads_the_files_again(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(folder.parent)
    task = text_files(Path(folder.name), max_tokens=30)
    monkeypatch.chdir(folder)
    again = sent(task)
    assert (again.fingerprint, again.max_source_length) == (task.fingerprint, 30)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"target": "de"}, "source and target are both 'de'"),
        ({"max_tokens": 1}, "max_tokens is 1; give 2 or more"),
        ({"max_ratio": 0.5}, "max_ratio is 0.5; give 1 or more"),
        ({"leaks": "keep"}, "no leaks 'keep'; choose one of refuse, drop"),
        ({"vocab_size": 3}, "vocab_size is 3; three tokens are special, give 4 or more"),
        ({"max_tokens": 2}, r"nothing is left of the train split: 0 of 4 pairs \(left out: 4 of more than 2 tokens\)"),
    ],
)
def test_bad_options_are_refused(folder: Path, options: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        text_files(folder, **options)


def test_files_that_do_not_fit_are_refused_in_a_sentence(folder: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"no dev.de and dev.en, .* \(test.de, test.en, train.de"):
        text_files(folder, validation="dev")
    with pytest.raises(FileNotFoundError, match="no such folder"):
        text_files(folder / "elsewhere")
    (folder / "test.de").write_text("eins\n", "utf-8")
    with pytest.raises(ValueError, match=r"test.de has 1 lines but test.en 2; align them line by line"):
        text_files(folder)
    (folder / "test.de").write_bytes("das haus\nschöner hund\n".encode("latin-1"))
    with pytest.raises(ValueError, match=r"test.de' is not UTF-8 \(line 2: .*iconv"):
        text_files(folder)
    (folder / "test.de").unlink()
    (folder / "test.de.gz").write_bytes(gzip.compress(b"das haus\nder hund\n")[:-9])
    with pytest.raises(ValueError, match=r"test.de.gz' cannot be unpacked"):
        text_files(folder)


@pytest.mark.parametrize(
    ("ending", "text", "message"),
    [
        ("tsv", "de\tfr\nhaus\tmaison\n", "line 2 of .* has no text in column 'en'; its columns are de, fr"),
        ("tsv", "de\ten\nhaus\n", "line 2 of .* has 1 cells, the header 2; give every column a cell"),
        ("tsv", "de\ten\nhaus\thouse\thome\n", "line 2 of .* has 3 cells, the header 2; take tabs out of the text"),
        ("tsv", "de\ten\ten\nhaus\thouse\thome\n", "names a column twice: de, en, en"),
        ("jsonl", '{"de": "haus", "en": 3}\n', "line 1 of .* has no text in column 'en'; its columns are de, en"),
        ("jsonl", '\n{"de": "haus", "en": "\\ud800"}\n', "line 2 of .* holds half a character in column 'en'"),
        ("jsonl", "[" * 9_000, "line 1 of .* is not JSON"),
        ("jsonl", "haus\n", "line 1 of .* is not JSON"),
        ("jsonl", "[1]\n", "line 1 of .* is no JSON object; write one with a key for each column"),
    ],
)
def test_bad_tables_are_refused(folder: Path, ending: str, text: str, message: str) -> None:
    (folder / "test.de").unlink()
    (folder / f"test.{ending}").write_text(text, "utf-8")
    with pytest.raises(ValueError, match=message):
        text_files(folder)


def test_text_that_could_be_meant_twice_is_refused(folder: Path) -> None:
    (folder / "test.de.gz").write_bytes(gzip.compress(b"eins\n"))
    with pytest.raises(ValueError, match=r"holds both test\.de and test\.de\.gz; keep one of them"):
        text_files(folder)
    (folder / "test.de.gz").unlink()
    (folder / "test.tsv").write_text("de\ten\n")
    with pytest.raises(ValueError, match=r"holds 'test' more than once: test\.de, test\.en, test\.tsv; keep one"):
        text_files(folder)


@pytest.mark.parametrize(
    ("raw", "message"),
    [
        ("eins\nzwei\n".encode("utf-16"), "is not UTF-8 .* iconv -f utf-16 -t utf-8"),
        (b"eins\rzwei\r", "end in carriage returns; write line feeds"),
        (b"", r"test\.de has 0 lines but test\.en 2"),
    ],
)
def test_other_line_ends_and_encodings_are_refused(folder: Path, raw: bytes, message: str) -> None:
    (folder / "test.de").write_bytes(raw)
    with pytest.raises(ValueError, match=message):
        text_files(folder)


def test_a_packed_file_that_is_corrupt_inside_is_refused(folder: Path) -> None:
    raw = bytearray(gzip.compress(b"das haus ist rot\n" * 9))
    raw[12] ^= 255
    (folder / "test.de").unlink()
    (folder / "test.de.gz").write_bytes(raw)
    with pytest.raises(ValueError, match=r"test.de.gz' cannot be unpacked"):
        text_files(folder)


def test_a_pickle_of_texts_that_have_changed_is_refused(folder: Path) -> None:
    post = posted(text_files(folder))
    write(folder, "train", TRAIN[1:])
    with pytest.raises(ValueError, match="the texts of task 'text-files' have changed since it was pickled"):
        post.recv()


def test_empty_lines_are_no_leak(folder: Path) -> None:
    write(folder, "train", [*TRAIN, ("", "the")])
    write(folder, "validation", [*VALIDATION, ("", "a")])
    with pytest.warns(UserWarning, match="validation split: 1 of 2 pairs"):
        assert len(text_files(folder).split("train")) == 4


def test_the_vocabulary_is_no_larger_than_asked(folder: Path) -> None:
    assert [text_files(folder, vocab_size=size).tokenizer.vocab_size for size in (5, 10)] == [5, 10]


def test_numbers_may_be_text_as_a_command_line_gives_them(folder: Path) -> None:
    task = text_files(folder, vocab_size="40", max_tokens="30", max_ratio="3.5", seed="1")
    assert (task.max_source_length, task.fingerprint) == (
        30,
        text_files(folder, vocab_size=40, max_tokens=30).fingerprint,
    )
    for option, value, wanted in (("vocab_size", "1e4", "whole number"), ("max_ratio", "much", "number")):
        with pytest.raises(ValueError, match=f"{option} is '{value}'; give a {wanted}"):
            text_files(folder, **{option: value})


def test_a_corrupt_tokenizer_is_refused(folder: Path) -> None:
    (folder / "tokenizer.json").write_text("{")
    with pytest.raises(ValueError, match=r"tokenizer.json' is no tokenizer \(.*save or download it again"):
        text_files(folder, tokenizer=str(folder))


def test_what_the_task_cannot_do_without_is_named() -> None:
    with pytest.raises(
        ValueError, match="task 'text-files' cannot do without folder, source, target; give its options"
    ):
        load_task("text-files")
    with pytest.raises(
        TypeError, match="task 'text-files' has no option 'lang'; it has seed, folder, source, target, train"
    ):
        load_task("text-files", lang="de")
