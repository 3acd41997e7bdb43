from __future__ import annotations

from typing import Any

import pytest

from agents import PolicyConfig


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"num_heads": 3}, "d_model 128 is no multiple of num_heads 3"),
        ({"dropout": 1.0}, "dropout is 1.0"),
        ({"decoder_layers": 0}, "decoder_layers is 0; give at least 1"),
        (
            {"architecture": "encoder-only"},
            "there is no architecture 'encoder-only'; choose one of encoder-decoder, dec",
        ),
    ],
)
def test_sizes_out_of_range_are_refused(change: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        PolicyConfig(**change)
