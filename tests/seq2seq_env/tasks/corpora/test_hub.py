from __future__ import annotations

import json
from dataclasses import astuple
from pathlib import Path
from typing import Any

import datasets
import pytest

from seq2seq_env.tasks import load_task
from seq2seq_env.tasks.corpora.aliases import ALIASES, resolve_dataset
from seq2seq_env.tasks.corpora.hub import _pairs
from tests.pickling import sent

PAIRS = {
    "train": [("das haus ist rot", "the house is red"), ("der hund ist alt", "the dog is old")],
    "dev": [("das auto ist rot", "the car is red")],
    "test": [("der mann ist alt", "the man is old")],
}


@pytest.fixture(autouse=True)
def cache(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", tmp_path_factory.mktemp("cache"))


def as_translation(folder: Path) -> Path:
    """As the hub holds it: a card that names the files of each split, and Parquet with the feature "translation"."""
    features = datasets.Features({"translation": datasets.Translation(languages=("de", "en"))})
    lines = ["---", "configs:", "- config_name: de-en", "  data_files:"]
    for name, pairs in PAIRS.items():
        rows = [{"translation": {"de": source, "en": target}} for source, target in pairs]
        datasets.Dataset.from_list(rows, features=features).to_parquet(folder / "de-en" / f"{name}.parquet")
        lines += [f"  - split: {name}", f"    path: de-en/{name}.parquet"]
    (folder / "README.md").write_text("\n".join([*lines, "---", ""]))
    return folder


def as_columns(folder: Path) -> Path:
    """A folder of JSON lines, which needs no card; its file called dev becomes the split "validation"."""
    for name, pairs in PAIRS.items():
        rows = [json.dumps({"de": source, "en": target}) for source, target in pairs]
        (folder / f"{name}.jsonl").write_text("\n".join(rows) + "\n")
    return folder


def on_disk(folder: Path) -> Path:
    """What ``save_to_disk`` writes."""
    columns = {name: [{"de": source, "en": target} for source, target in pairs] for name, pairs in PAIRS.items()}
    splits = {name: datasets.Dataset.from_list(rows) for name, rows in columns.items()}
    datasets.DatasetDict(splits).save_to_disk(folder / "saved")
    return folder / "saved"


def hub(place: Path, **options: Any) -> Any:
    known = {"dataset": str(place), "source": "de", "target": "en", "vocab_size": 60}
    return load_task("hub", **known | options)


@pytest.mark.parametrize(
    ("layout", "options"),
    [(as_translation, {"config": "de-en", "validation": "dev"}), (as_columns, {}), (on_disk, {"validation": "dev"})],
)
def test_a_local_copy_is_read(layout: Any, options: dict[str, str], tmp_path: Path) -> None:
    task = hub(layout(tmp_path), **options)
    for name, there in (("train", "train"), ("validation", "dev"), ("test", "test")):
        split = task.split(name)
        assert list(zip(split.sources, split.references, strict=True)) == PAIRS[there]
    assert task.notes[0] == "train split: 2 of 2 pairs"
    assert sent(task).fingerprint == task.fingerprint


def test_sentences_without_references_are_a_split_of_one_column(tmp_path: Path) -> None:
    saved = on_disk(tmp_path)
    rows = [{"de": text} for text in ("das haus ist alt", None, "", "das haus ist alt", "der hund ist rot")]
    datasets.DatasetDict(
        {**datasets.load_from_disk(saved), "mono": datasets.Dataset.from_list(rows)}
    ).save_to_disk(tmp_path / "more")  # fmt: skip
    assert not hub(saved, validation="dev").has_source_only
    task = hub(tmp_path / "more", validation="dev", source_only="mono")
    assert task.split("source-only").sources == ["das haus ist alt", "der hund ist rot"]
    assert task.cleaning["source-only"].dropped == {"that are empty": 2, "that came before": 1}
    assert sent(task).fingerprint == task.fingerprint
    with pytest.raises(ValueError, match="no split 'news' for source-only; its splits are train, dev, test, mono"):
        hub(tmp_path / "more", validation="dev", source_only="news")
    with pytest.raises(ValueError, match=r"1 source-only sentences are .* such as 'das auto ist rot'; take them out"):
        hub(tmp_path / "more", validation="dev", source_only="dev")


def csv(folder: Path, *rows: str) -> Path:
    (folder / "train.csv").write_text("de,en\n" + "".join(f"{row}\n" for row in rows), "utf-8")
    return folder


def test_rows_without_text_are_left_out_and_counted(tmp_path: Path) -> None:
    # A reader of CSV takes "NA" for nothing.
    task = hub(
        csv(tmp_path, *(f"haus {n},house {n}" for n in range(8)), "NA,not there", '"",empty', "leer,"), held_out=1
    )
    assert task.cleaning["train"].dropped == {"with an empty side": 3}
    assert (len(task.split("train")), len(task.split("validation")), len(task.split("test"))) == (6, 1, 1)
    assert sent(task).fingerprint == task.fingerprint


def test_held_out_repeats_are_counted(tmp_path: Path) -> None:
    task = hub(csv(tmp_path, *(f"haus {n},house {n}" for n in range(8) for _ in range(3))), held_out=1)
    assert [(each.read, each.kept) for each in task.cleaning.values()] == [(18, 6), (3, 1), (3, 1)]
    assert task.cleaning["test"].dropped == {"that came before": 2}


def test_what_is_no_text_is_refused_with_its_row() -> None:
    rows = datasets.Dataset.from_list([{"de": 1, "en": "one"}, {"de": None, "en": "none"}])
    with pytest.raises(ValueError, match="row 0 of here has 1 under 'de', which is no text; name another column"):
        _pairs(rows, "de", "en", "here")
    rows = datasets.Dataset.from_list([{"translation": {"de": "haus", "en": None}}, {"translation": None}])
    assert _pairs(rows, "de", "en", "here") == [("haus", ""), ("", "")]


def test_splits_out_of_the_training_split(tmp_path: Path) -> None:
    folder = csv(tmp_path, *(f"haus {n},house {n}" for n in range(8)))
    with pytest.raises(ValueError, match="no split 'validation' for validation; its splits are train"):
        hub(folder)
    with pytest.raises(ValueError, match="held_out 2 takes both splits out of the training split; leave out 'dev'"):
        hub(folder, held_out=2, validation="dev")
    with pytest.raises(ValueError, match="held_out is 3, for each of two splits; give 0 to 2"):
        hub(folder, held_out=3)
    own = on_disk(tmp_path / "own")
    unread = "yet data set '.*' has 'test', which would be left unread; leave out held_out, or name a copy of the"
    with pytest.raises(ValueError, match=unread):
        hub(own, held_out=1)


def test_what_is_missing_is_named(tmp_path: Path) -> None:
    saved = on_disk(tmp_path)
    with pytest.raises(ValueError, match="no split 'validation' for validation; its splits are train, dev, test"):
        hub(saved)
    with pytest.raises(ValueError, match="has no text under 'fr'; its columns are de, en"):
        hub(saved, validation="dev", target="fr")
    with pytest.raises(ValueError, match="has no text under 'fr'; its columns are de, en"):
        hub(saved, validation="dev", source="fr", target="it")
    translated = as_translation(tmp_path)
    with pytest.raises(ValueError, match="has no text under 'fr'; its columns are de, en"):
        hub(translated, config="de-en", validation="dev", source="fr")


def test_an_empty_split_has_no_pairs() -> None:
    features = datasets.Features({"translation": datasets.Translation(languages=("de", "en"))})
    whole = datasets.Dataset.from_list([{"translation": {"de": "haus", "en": "house"}}], features=features)
    assert _pairs(whole, "de", "en", "whole") == [("haus", "house")]
    empty = datasets.Dataset.from_list([{"de": "haus", "en": "house"}]).select([])
    assert _pairs(empty, "de", "en", "empty") == []


def test_local_copies_that_are_corrupt_or_something_else_are_refused(tmp_path: Path) -> None:
    translated = as_translation(tmp_path)
    with pytest.raises(OSError, match=r"cannot be read .*de-en.*; check the folder, config and splits"):
        hub(translated, config="fr-en")
    saved = on_disk(tmp_path)
    (saved / "train" / "dataset_info.json").write_text("{")
    with pytest.raises(OSError, match=r"cannot be read .*; check the folder, config and splits"):
        hub(saved, validation="dev")


def test_what_cannot_be_reached_says_how_to_pass_a_copy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(datasets.config, "HF_HUB_OFFLINE", True)
    message = r"'nobody/nothing' cannot be read .*hf download nobody/nothing --repo-type dataset --local-dir FOLDER"
    with pytest.raises(OSError, match=message):
        load_task("hub", dataset="nobody/nothing", source="de", target="en")


def test_a_published_test_set_takes_the_place_of_a_split(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for side, text in (("src", "das haus ist alt"), ("ref", "the house is old")):
        (tmp_path / side).write_text(text + "\n")
    asked = []

    def source_file(*wanted: str) -> str:
        asked.append(wanted)
        return str(tmp_path / "src")

    monkeypatch.setattr("sacrebleu.get_source_file", source_file)
    monkeypatch.setattr("sacrebleu.get_reference_files", lambda *wanted: [str(tmp_path / "ref")])
    folder = tmp_path / "data"
    folder.mkdir()
    task = hub(as_columns(folder), test="sacrebleu:wmt20")
    assert task.split("test").sources == ["das haus ist alt"]
    assert task.split("test").references == ["the house is old"]
    assert asked == [("wmt20", "de-en")]
    monkeypatch.undo()
    with pytest.raises(OSError, match=r"'wmt99' for de-en cannot be had from sacrebleu \(Exception: No such test set"):
        hub(folder, test="sacrebleu:wmt99")


def test_a_published_sentence_may_hold_other_separators_of_lines(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sides = {"src": ["das haus\u2028ist alt", "der hund"], "ref": ["the house\u0085is old", "the dog"]}
    for side, texts in sides.items():
        (tmp_path / side).write_text("".join(f"{text}\n" for text in texts), "utf-8", newline="\n")
    monkeypatch.setattr("sacrebleu.get_source_file", lambda *wanted: str(tmp_path / "src"))
    monkeypatch.setattr("sacrebleu.get_reference_files", lambda *wanted: [str(tmp_path / "ref")])
    folder = tmp_path / "data"
    folder.mkdir()
    split = hub(as_columns(folder), test="sacrebleu:wmt20").split("test")
    assert (split.sources, split.references) == (sides["src"], sides["ref"])


def test_ready_names_say_where_the_pairs_are(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert set(ALIASES) >= {"iwslt2014-de-en", "iwslt2017-de-en", "wmt2020-zh-en", "multi30k-de-en"}
    asked: list[Any] = []

    def nothing(*given: Any, **options: Any) -> dict[str, Any]:
        asked.append((given, options))
        return {}

    monkeypatch.setattr(datasets, "load_dataset", nothing)
    with pytest.raises(ValueError, match="data set 'bbaaaa/iwslt14-de-en' has no split 'train' for train"):
        load_task("hub", dataset="iwslt2014-de-en")
    assert asked == [(("bbaaaa/iwslt14-de-en", "de-en"), {"revision": "refs/convert/parquet"})]
    with pytest.raises(ValueError, match="has no split 'dev' for train"):
        load_task("hub", dataset="multi30k-de-en", train="dev", revision="main")
    assert asked[1] == (("bentrevett/multi30k", None), {"revision": "main"})
    with pytest.raises(ValueError, match=r"task 'hub' cannot do without source, target; .* an alias: iwslt2014"):
        load_task("hub", dataset="some/pairs")
    # A folder of that name is meant before the name.
    monkeypatch.chdir(tmp_path)
    (tmp_path / "multi30k-de-en").mkdir()
    assert resolve_dataset("multi30k-de-en", source="de", target="en")["dataset"] == str(tmp_path / "multi30k-de-en")


def test_null_is_no_text_and_none_is_one(tmp_path: Path) -> None:
    rows: list[dict[str, str | None]] = [{"de": f"haus {n}", "en": f"house {n}"} for n in range(8)]
    rows += [{"de": None, "en": "x"}, {"de": "keiner", "en": "None"}, {"en": "y"}]
    (tmp_path / "train.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    task = hub(tmp_path, held_out=1)
    assert task.cleaning["train"].dropped == {"with an empty side": 2}
    every = [pair for name in task.splits for pair in zip(*astuple(task.split(name))[1:], strict=True)]
    assert sorted(every) == sorted((row["de"], row["en"]) for row in rows if row.get("de"))
