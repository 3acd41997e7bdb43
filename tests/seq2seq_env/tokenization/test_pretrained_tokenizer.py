"""Tokenizers in the hub's own formats: what they make of texts is what their library makes of them."""

from __future__ import annotations

import json
import shutil
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from transformers import AutoTokenizer

from seq2seq_env.constraint import Constraint
from seq2seq_env.mdp.hypothesis_text import hypothesis_text
from seq2seq_env.mdp.sources import Sources
from seq2seq_env.tasks.task import Task
from seq2seq_env.tokenization.loading import load_tokenizer
from seq2seq_env.tokenization.pretrained_tokenizer import PretrainedTokenizer
from seq2seq_env.tokenization.tokenizer_choice import TokenizerChoice
from tests.pickling import sent
from tests.tiny_models import MAKERS, OPTIONS, write_pieces

MakeFolder = Callable[[str], Path]
NAMES = sorted(MAKERS)
TEXTS = ["one red house", "three dog", "car  zz blue", ""]


@pytest.fixture(params=NAMES)
def name(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def tokenizer(name: str, pretrained_folder: MakeFolder) -> PretrainedTokenizer:
    return PretrainedTokenizer(pretrained_folder(name), **OPTIONS[name])


@pytest.mark.parametrize("kind", ["bart", "m2m100", "mbart", "nllb", "t5"])
def test_sources_targets_and_texts_are_the_librarys(kind: str, pretrained_folder: MakeFolder) -> None:
    ours = PretrainedTokenizer(pretrained_folder(kind), **OPTIONS[kind])
    languages = OPTIONS[kind] if "source_language" in OPTIONS[kind] else {}
    told = dict(zip(("src_lang", "tgt_lang"), languages.values(), strict=False))
    theirs: Any = AutoTokenizer.from_pretrained(pretrained_folder(kind), **told)
    prefix = OPTIONS[kind].get("source_prefix", "")
    assert ours.encode(TEXTS) == theirs([prefix + text for text in TEXTS])["input_ids"]
    labels = theirs(text_target=TEXTS)["input_ids"]
    special = {*theirs.all_special_ids, *ours.decoder_prefix} - {theirs.unk_token_id}
    targets = [[token for token in row if token not in special] for row in labels]
    assert [row[:-1] for row in ours.encode_targets(TEXTS)] == targets
    assert ours.decode(ours.encode_targets(TEXTS)) == theirs.batch_decode(targets, skip_special_tokens=True)
    assert (ours.eos_id, ours.pad_id, ours.unk_id) == (theirs.eos_token_id, theirs.pad_token_id, theirs.unk_token_id)


def test_marian_splits_each_side_by_its_own_pieces(pretrained_folder: MakeFolder) -> None:
    tokenizer = PretrainedTokenizer(pretrained_folder("marian"))
    known = json.loads((pretrained_folder("marian") / "vocab.json").read_text())
    # "hund" is a piece of the target's model alone, "eins" of the source's alone.
    assert tokenizer.encode(["eins rot"]) == [[known["▁eins"], known["▁rot"], 0]]
    assert tokenizer.encode_targets(["one car"]) == [[known["▁one"], known["▁car"], 0]]
    assert len(tokenizer.encode_targets(["eins"])[0]) > 3
    assert tokenizer.encode(["</s>"])[0] != [0, 0]
    assert (tokenizer.decoder_prefix, tokenizer.pad_id, tokenizer.never_written) == ((), 37, frozenset({37}))


def test_m2m100_puts_its_codes_first(pretrained_folder: MakeFolder) -> None:
    tokenizer = PretrainedTokenizer(pretrained_folder("m2m100"), "de", "en")
    base = len(json.loads((pretrained_folder("m2m100") / "vocab.json").read_text()))
    assert tokenizer.encode(["eins"])[0][0] == base + 16  # German is the 17th of its languages
    assert tokenizer.decoder_prefix == (base + 18,)
    assert tokenizer.vocab_size == base + 100


def test_multilingual_marian_is_told_the_target_in_the_source(pretrained_folder: MakeFolder, tmp_path: Path) -> None:
    folder = shutil.copytree(pretrained_folder("marian"), tmp_path / "marian")
    vocabulary = json.loads((folder / "vocab.json").read_text())
    (folder / "vocab.json").write_text(json.dumps(vocabulary | {">>eng<<": 38, ">>fra<<": 39}))
    assert PretrainedTokenizer(folder, target_language="fra").encode(["eins"]) == [[39, vocabulary["▁eins"], 0]]
    with pytest.raises(ValueError, match="must be told its languages; give target_language, one of eng, fra"):
        PretrainedTokenizer(folder)


def test_what_is_written_decodes_as_it_grows(tokenizer: PretrainedTokenizer) -> None:
    for text in ("one red house", "dog car blue two three red one"):
        row = tokenizer.encode_targets([text])[0]
        writing = hypothesis_text(tokenizer)
        for end, token in enumerate(row, start=1):
            assert writing.append(token) == tokenizer.decode([row[:end]])[0]
        assert tokenizer.decode([row])[0].strip() == text


def test_special_tokens_are_never_written_and_ids_fit(tokenizer: PretrainedTokenizer) -> None:
    never = tokenizer.never_written
    assert tokenizer.pad_id in never
    assert not {tokenizer.eos_id, tokenizer.unk_id} & never
    assert set(tokenizer.decoder_prefix) <= never
    allowed = Constraint().allowed(tokenizer)
    assert len(allowed) == tokenizer.vocab_size
    assert allowed.sum() == tokenizer.vocab_size - len(never)
    for row in tokenizer.encode(["eins <s> </s> <pad> rot"]):
        inner = row[len(tokenizer.source_prefix) : -len(tokenizer.source_suffix)]
        assert not never & set(inner)
    with pytest.raises(ValueError, match="which cannot be written there"):
        Constraint(prefix=(tokenizer.pad_id,)).check(tokenizer, 12)


def test_it_is_saved_and_pickled_whole(name: str, tokenizer: PretrainedTokenizer, tmp_path: Path) -> None:
    tokenizer.save(tmp_path)
    for again in (load_tokenizer(tmp_path), sent(tokenizer), TokenizerChoice(tmp_path).load()):
        assert isinstance(again, PretrainedTokenizer)
        assert again.fingerprint == tokenizer.fingerprint
        assert again.encode(["zwei auto"]) == tokenizer.encode(["zwei auto"])
        assert again.decoder_prefix == tokenizer.decoder_prefix


def test_the_fingerprint_follows_languages_and_prefix(pretrained_folder: MakeFolder) -> None:
    nllb, t5 = pretrained_folder("nllb"), pretrained_folder("t5")
    prints = [
        PretrainedTokenizer(nllb, "deu_Latn", "eng_Latn").fingerprint,
        PretrainedTokenizer(nllb, "deu_Latn", "fra_Latn").fingerprint,
        PretrainedTokenizer(t5).fingerprint,
        PretrainedTokenizer(t5, source_prefix="one ").fingerprint,
    ]
    assert len(set(prints)) == 4


def test_long_sources_keep_what_ends_them(pretrained_task: Callable[[str], Task]) -> None:
    task = pretrained_task("mbart")
    long = Sources(task, "train", "truncate").free_text("eins rot haus " * 12)
    assert long.truncated.tolist() == [True]
    assert long.lengths.tolist() == [task.max_source_length]
    assert tuple(long.tokens[0, -2:]) == task.tokenizer.source_suffix == (2, 42)
    assert Sources(task, "train").free_text("eins rot").truncated.tolist() == [False]


def test_a_corrupt_sentence_piece_file_is_refused(pretrained_folder: MakeFolder, tmp_path: Path) -> None:
    folder = shutil.copytree(pretrained_folder("marian"), tmp_path / "marian")
    (folder / "source.spm").write_bytes(b"\xff\xff\xff")
    with pytest.raises(ValueError, match=r"source.spm' is no SentencePiece model .*; download it again"):
        PretrainedTokenizer(folder)


@pytest.mark.parametrize(
    ("kind", "options", "message"),
    [
        ("nllb", {}, "must be told its languages; give source_language, one of deu_Latn, eng_Latn, fra_Latn"),
        ("nllb", {"source_language": "deu_Latn"}, "give target_language"),
        (
            "nllb",
            {"source_language": "de", "target_language": "eng_Latn"},
            "no source_language 'de'; it knows deu_Latn",
        ),
        ("m2m100", {"source_language": "de", "target_language": "klingon"}, "knows no target_language 'klingon'"),
        ("bart", {"source_language": "de_DE"}, "knows no language codes; leave source_language 'de_DE' out"),
        ("marian", {"target_language": "eng"}, "knows no language codes; leave target_language 'eng' out"),
    ],
)
def test_languages_that_do_not_fit_are_refused(
    kind: str, options: dict[str, str], message: str, pretrained_folder: MakeFolder
) -> None:
    with pytest.raises(ValueError, match=message):
        PretrainedTokenizer(pretrained_folder(kind), **options)


def test_missing_and_corrupt_files_are_refused(
    pretrained_folder: MakeFolder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(FileNotFoundError, match=r"no tokenizer in .*; name a model's folder"):
        PretrainedTokenizer(tmp_path)
    marian = shutil.copytree(pretrained_folder("marian"), tmp_path / "marian")
    (marian / "target.spm").unlink()
    with pytest.raises(FileNotFoundError, match=r"no target.spm in .*; download the tokenizer whole"):
        PretrainedTokenizer(marian)
    (marian / "vocab.json").unlink()
    with pytest.raises(FileNotFoundError, match=r"no vocab.json in"):
        PretrainedTokenizer(marian)
    (marian / "vocab.json").write_text("{")
    with pytest.raises(ValueError, match=r"vocab.json of .* is corrupt"):
        PretrainedTokenizer(marian)
    t5 = shutil.copytree(pretrained_folder("t5"), tmp_path / "t5")
    (t5 / "tokenizer.json").unlink()
    with pytest.raises(FileNotFoundError, match=r"no tokenizer.json and no vocabulary in .*; download the tokenizer"):
        PretrainedTokenizer(t5)
    write_pieces(t5 / "spiece.model", ["a"])
    monkeypatch.setitem(sys.modules, "sentencepiece", None)
    for folder, file in ((t5, "spiece.model"), (pretrained_folder("marian"), "source.spm")):
        with pytest.raises(ImportError, match=rf"{file}' needs sentencepiece, .*\.\[sentencepiece\]"):
            PretrainedTokenizer(folder)
    with pytest.raises(ValueError, match="target_language is for a pretrained model's tokenizer; name one"):
        TokenizerChoice.of(None, None, "eng_Latn", "")


@pytest.fixture
def told_by_a_token(pretrained_folder: MakeFolder, tmp_path: Path) -> Path:
    """A T5 that is told its target language by a special token that was added."""
    folder = shutil.copytree(pretrained_folder("t5"), tmp_path / "t5")
    tokenizer: Any = AutoTokenizer.from_pretrained(folder)
    tokenizer.add_special_tokens({"additional_special_tokens": ["<2en>"]})
    tokenizer.save_pretrained(folder)
    return folder


@pytest.mark.parametrize("prefix", ["<2en> ", "<2en>", "eins <2en> zu: "])
def test_a_special_token_of_the_prefix_is_that_token(prefix: str, told_by_a_token: Path) -> None:
    ours, theirs = PretrainedTokenizer(told_by_a_token, source_prefix=prefix), AutoTokenizer.from_pretrained(
        told_by_a_token
    )  # fmt: skip
    texts = ["zwei rot haus", "rot"]
    expected = theirs([prefix + text for text in texts])["input_ids"]
    assert ours.encode(texts) == expected
    assert theirs.convert_tokens_to_ids("<2en>") in expected[0]
    # In a source it is text as before.
    assert theirs.convert_tokens_to_ids("<2en>") not in ours.encode(["<2en>"])[0][len(ours.source_prefix) :]
    assert sent(ours).encode(texts) == expected


def test_a_prefix_that_the_tokenizer_does_not_know_is_refused(told_by_a_token: Path) -> None:
    with pytest.raises(ValueError, match="does not know all of source_prefix '<2de> '; write it in its tokens"):
        PretrainedTokenizer(told_by_a_token, source_prefix="<2de> ")


def test_a_vocabulary_for_each_side_is_refused(pretrained_folder: MakeFolder, tmp_path: Path) -> None:
    folder = shutil.copytree(pretrained_folder("marian"), tmp_path / "marian")
    (folder / "target_vocab.json").write_text("{}")
    with pytest.raises(ValueError, match="has a vocabulary for each side; choose a model that shares one"):
        PretrainedTokenizer(folder)


@pytest.mark.parametrize("kind", ["bart", "nllb", "t5"])
def test_a_target_that_spells_special_tokens_ends_once(kind: str, pretrained_folder: MakeFolder) -> None:
    tokenizer = PretrainedTokenizer(pretrained_folder(kind), **OPTIONS[kind])
    (row,) = tokenizer.encode_targets(["one</s> car <pad> dog"])
    assert (row.count(tokenizer.eos_id), row[-1]) == (1, tokenizer.eos_id)
    assert tokenizer.never_written.isdisjoint(row)
