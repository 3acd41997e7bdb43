"""Options of low-rank adapters, without the library that makes them."""

from __future__ import annotations

from dataclasses import dataclass

from seq2seq_env.ranges import above_zero, zero_or_more


@dataclass(frozen=True)
class LoRA:
    """Options of low-rank adapters (Hu et al. 2021, arXiv 2106.09685); they need the extra "lora".

    Raises:
        ValueError: If a value is out of range.
    """

    rank: int = 0
    """Rank of each adapter; 0 trains all weights."""
    alpha: float = 16.0
    """Scale of what an adapter adds, times its rank: it is scaled by alpha / rank."""
    dropout: float = 0.0
    """Dropout of an adapter's inputs in training, a share from 0 to below 1."""
    layers: tuple[str, ...] = ()
    """Endings of the names of the linear layers that get one (q_proj v_proj; of T5 q v); by default all but the
    last."""

    def __post_init__(self) -> None:
        zero_or_more(self, "rank")
        above_zero(self, "alpha")
        if not 0 <= self.dropout < 1:
            raise ValueError(f"dropout is {self.dropout}; give a share from 0 to below 1")
