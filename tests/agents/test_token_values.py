from __future__ import annotations

import torch
from torch import Tensor

from agents.token_values import TokenValues
from buffers import Slice, TokenBatch


def test_what_is_known_is_not_computed_again(grown: Slice) -> None:
    computed: list[int] = []

    def tokens(part: TokenBatch) -> Tensor:
        computed.append(len(part))
        return part.target.float().masked_fill(~part.target_mask, 0.0)

    values = TokenValues.for_slice(grown, None)
    for _ in range(2):
        for batch in grown.batches(100, seed=0):
            assert torch.equal(values.of(batch, tokens), batch.target.float().masked_fill(~batch.target_mask, 0.0))
    assert sum(computed) == len(grown.distinct())
    assert TokenValues.for_slice(grown.distinct(), values) is values
    other = Slice.from_trajectories(grown.read(), grown.pad_id)
    assert TokenValues.for_slice(other, values) is not values
