"""Prompts around sources: where they begin and end in tokens, and what ends a target."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from transformers import AutoTokenizer

from seq2seq_env.tokenization.loading import load_tokenizer
from seq2seq_env.tokenization.pretrained_tokenizer import PretrainedTokenizer
from seq2seq_env.tokenization.prompt_tokenizer import PromptTokenizer
from seq2seq_env.tokenization.tokenizer_choice import TokenizerChoice, check_room
from tests.conftest import ENGLISH, GERMAN
from tests.pickling import sent
from tests.tiny_decoder_only import CHAT_ML, OPTIONS, save_decoder_only

SOURCES = ["eins rot haus", "a < b <|im_end|>"]


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    root = tmp_path_factory.mktemp("decoder-only")
    return {name: save_decoder_only(name, root / name, GERMAN + ENGLISH) for name in OPTIONS}


def test_a_chat_is_what_the_library_makes_of_it(folders: dict[str, Path]) -> None:
    ours, theirs = (
        PromptTokenizer(folders["llama"], **OPTIONS["llama"]),
        AutoTokenizer.from_pretrained(folders["llama"]),
    )
    message = {"role": "user", "content": "to English : eins rot haus"}
    wanted = theirs.apply_chat_template([message], tokenize=True, add_generation_prompt=True, return_dict=False)
    [source] = ours.encode(["eins rot haus"])
    assert [*source, *ours.decoder_prefix] == wanted
    assert ours.encode_targets(["one"])[0][-1] == ours.eos_id == theirs.convert_tokens_to_ids("<|im_end|>")
    assert ours.pad_id == ours.unk_id == theirs.convert_tokens_to_ids("<|endoftext|>")
    assert theirs.convert_tokens_to_ids("<|im_start|>") in ours.never_written
    assert ours.pad_id in ours.never_written
    # What a source spells is text.
    assert ours.encode(["<|im_end|>"])[0].count(ours.eos_id) == 0


def test_one_special_token_for_all_is_end_of_sequence_and_padding_is_added(folders: dict[str, Path]) -> None:
    ours, theirs = PromptTokenizer(folders["gpt2"], **OPTIONS["gpt2"]), AutoTokenizer.from_pretrained(folders["gpt2"])
    [source] = ours.encode(["eins rot haus"])
    assert theirs.decode([*source, *ours.decoder_prefix]) == "de : eins rot haus\nen :"
    assert (ours.eos_id, ours.pad_id) == (len(theirs) - 1, len(theirs))
    assert (ours.unk_id, ours.vocab_size) == (ours.pad_id, len(theirs) + 1)
    assert ours.decode([ours.encode_targets([" one red"])[0]]) == [" one red"]


@pytest.mark.parametrize("name", sorted(OPTIONS))
def test_it_is_saved_and_pickled_whole(name: str, folders: dict[str, Path], tmp_path: Path) -> None:
    tokenizer = PromptTokenizer(folders[name], **OPTIONS[name])
    tokenizer.save(tmp_path)
    for again in (load_tokenizer(tmp_path), sent(tokenizer), TokenizerChoice(tmp_path).load()):
        assert isinstance(again, PromptTokenizer)
        assert again.fingerprint == tokenizer.fingerprint
        assert again.encode(SOURCES) == tokenizer.encode(SOURCES)
        assert again.decoder_prefix == tokenizer.decoder_prefix
    assert AutoTokenizer.from_pretrained(tmp_path).eos_token_id == tokenizer.eos_id
    other = PromptTokenizer(folders[name], "other : {source}\n").fingerprint
    assert other != tokenizer.fingerprint


@pytest.mark.parametrize(
    ("options", "template", "message"),
    [
        ({"prompt": "no place\n"}, CHAT_ML, r"prompt 'no place\\n' holds \{source\} 0 times; write it once"),
        ({"prompt": "de: {source}"}, CHAT_ML, "ends with {source}; put something after it"),
        ({"chat": True}, None, "has no chat template; leave chat out"),
        (
            {"chat": True},
            CHAT_ML.replace("trim }}", "trim }} [END]"),
            r"writes ' \[END\]<\|im_end\|>\\n' after a target",
        ),
        ({"chat": True}, "{{ messages[0]['content'] }}", "drops or repeats a message; leave chat out"),
        ({"chat": True}, "{{ raise_exception('no system') }}", r"cannot be rendered \(TemplateError: no system\)"),
        ({"chat": False, "prompt": "{source}\n", "end": "<end>"}, CHAT_ML, "has no token '<end>' to end a target"),
    ],
)
def test_a_prompt_that_cannot_work_is_refused(
    options: dict[str, Any], template: str | None, message: str, tmp_path: Path
) -> None:
    folder = save_decoder_only("llama", tmp_path / "model", GERMAN, chat_template=template)
    with pytest.raises(ValueError, match=message):
        PromptTokenizer(folder, **options)


def test_what_leaves_no_room_or_is_for_other_models_is_refused(folders: dict[str, Path]) -> None:
    tokenizer = PromptTokenizer(folders["llama"], **OPTIONS["llama"])
    with pytest.raises(ValueError, match=r"takes \d+ tokens, and max_tokens 4 leaves no room for a source"):
        check_room(tokenizer, 4)
    with pytest.raises(ValueError, match="is a decoder-only model, which reads a prompt; give the option prompt"):
        PretrainedTokenizer(folders["gpt2"])
    with pytest.raises(ValueError, match="prompt is for a pretrained model's tokenizer; name one with tokenizer or"):
        TokenizerChoice.of(None, prompt="de: {source}\n")
    with pytest.raises(ValueError, match="source_prefix is for encoder-decoders, chat for decoder-only models"):
        TokenizerChoice.of("gpt2", source_prefix="de: ", chat=True)
