"""Padding on the left, by hand."""

from __future__ import annotations

import torch
from transformers import LlamaConfig

from seq2seq_env.models.decoder_only import forward_arguments, left_padded, positions


def test_sources_move_to_the_right_and_positions_count_their_tokens() -> None:
    source = torch.tensor([[5, 6, 9], [7, 9, 9]])
    mask = source != 9
    before, moved = left_padded(source, mask)
    assert before.tolist() == [[9, 5, 6], [9, 9, 7]]
    assert moved.tolist() == [[False, True, True], [False, False, True]]
    assert positions(moved).tolist() == [[0, 0, 1], [0, 0, 0]]
    arguments = forward_arguments(LlamaConfig(), source, mask, torch.tensor([[1, 2], [1, 9]]))
    assert arguments["input_ids"].tolist() == [[9, 5, 6, 1, 2], [9, 9, 7, 1, 9]]
    assert arguments["attention_mask"].tolist() == [[0, 1, 1, 1, 1], [0, 0, 1, 1, 1]]
    assert arguments["position_ids"].tolist() == [[0, 0, 1, 2, 3], [0, 0, 0, 1, 2]]
