"""MetricX's network: an mT5 of which one output for the first decoder position is read.

Shape letters: B pairs, L tokens of a pair, D width.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import torch
from safetensors import safe_open
from torch import Tensor
from transformers import MT5Model

TOKEN = 250_089
"""``<extra_id_10>`` in mT5's vocabulary, whose logit is the error."""

_HEAD = "lm_head.weight"


class MT5Regression(MT5Model):  # type: ignore[no-untyped-call]
    """Encoder and decoder without the table of outputs, of which one row is enough.

    transformers takes mT5's outputs for its embeddings, whatever its configuration says; MetricX's are a table of their
    own, so the row is read from the files by :func:`output_row`.
    """

    _keys_to_ignore_on_load_unexpected = [*MT5Model._keys_to_ignore_on_load_unexpected, r"^lm_head\.weight$"]  # noqa: RUF012

    def errors(self, tokens: Tensor, row: Tensor) -> Tensor:
        """The logit of ``TOKEN``, before it is clipped to MetricX's range.

        Args:
            tokens: int64 [B,L], without padding.
            row: float32 [D], of the table of outputs.

        Returns:
            float32 [B].
        """
        # MetricX's code starts the decoder with token 0 whatever the configuration says.
        start = torch.zeros(len(tokens), 1, dtype=torch.long, device=tokens.device)
        states = self(
            input_ids=tokens, attention_mask=torch.ones_like(tokens), decoder_input_ids=start, use_cache=False
        ).last_hidden_state  # [B,1,D]
        logits: Tensor = states[:, 0].float() @ row
        return logits


def output_row(files: Iterable[Path]) -> Tensor:
    """Row ``TOKEN`` of the table of outputs, float32 [D].

    Raises:
        ValueError: If the files have no such table, or it has no such row.
    """
    for path in files:
        with safe_open(path, framework="pt") as file:
            if _HEAD in file.keys():  # noqa: SIM118  # it is no mapping
                table: Any = file.get_slice(_HEAD)
                rows = table.get_shape()[0]
                if rows <= TOKEN:
                    raise ValueError(f"{_HEAD} has {rows:,} rows, and none for token {TOKEN:,}")
                row: Tensor = table[TOKEN : TOKEN + 1]
                return row[0].float()
    raise ValueError(f"its files have no {_HEAD}")
