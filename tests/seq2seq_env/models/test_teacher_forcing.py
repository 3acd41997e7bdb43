"""Teacher forcing, padding and decoder start of small pretrained models."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from transformers import AutoConfig, AutoModelForSeq2SeqLM

from seq2seq_env.models.decoder_start import decoder_inputs, decoder_start
from seq2seq_env.models.padding import pad
from seq2seq_env.models.teacher_forcing import teacher_forced_logits
from seq2seq_env.tasks import Task

CPU = torch.device("cpu")


def test_shorter_rows_are_padded_at_their_end() -> None:
    tokens, mask = pad([[5, 6, 7], [], [8]], 9, CPU)
    assert tokens.tolist() == [[5, 6, 7], [9, 9, 9], [8, 9, 9]]
    assert mask.tolist() == [[True, True, True], [False, False, False], [True, False, False]]


def test_the_decoder_reads_start_and_all_but_the_last_token() -> None:
    target = torch.tensor([[5, 6, 7], [8, 9, 9]])
    assert decoder_inputs(target, (1,)).tolist() == [[1, 5, 6], [1, 8, 9]]
    assert decoder_inputs(target, (1, 2)).tolist() == [[1, 2, 5, 6], [1, 2, 8, 9]]


# The start token alone, before the language's code, and the code in its place.
@pytest.mark.parametrize(("name", "start"), [("t5", (0,)), ("nllb", (2, None)), ("mbart", (None,))])
def test_logits_predict_each_token_from_those_before_it(
    name: str,
    start: tuple[int | None, ...],
    pretrained_folder: Callable[[str], Path],
    pretrained_task: Callable[[str], Task],
) -> None:
    folder, tokenizer = pretrained_folder(name), pretrained_task(name).tokenizer
    given = decoder_start(AutoConfig.from_pretrained(folder), tokenizer)
    code = tokenizer.decoder_prefix[-1:]
    assert given == tuple(token for each in start for token in (code if each is None else (each,)))
    model: Any = AutoModelForSeq2SeqLM.from_pretrained(folder).eval()
    source, source_mask = pad(tokenizer.encode(["eins rot", "zwei blau haus"]), tokenizer.pad_id, CPU)
    target, target_mask = pad(tokenizer.encode_targets(["one red", "two blue house"]), tokenizer.pad_id, CPU)
    with torch.inference_mode():
        logits = teacher_forced_logits(model, source, source_mask, target, given)
        assert logits.shape[:2] == target.shape
        for row, length in enumerate(target_mask.sum(1).tolist()):
            for place in range(length):
                before = torch.tensor([[*given, *target[row, :place].tolist()]])
                read = source[row : row + 1][:, source_mask[row]]
                alone = model(input_ids=read, decoder_input_ids=before).logits[0, -1]
                torch.testing.assert_close(logits[row, place], alone, atol=1e-4, rtol=1e-4)


def test_a_model_without_a_start_token_is_refused(pretrained_task: Callable[[str], Task]) -> None:
    config: Any = AutoConfig.for_model("t5")
    config.decoder_start_token_id = None
    with pytest.raises(ValueError, match=r"config\.json names no decoder_start_token_id; take an encoder-decoder"):
        decoder_start(config, pretrained_task("t5").tokenizer)
