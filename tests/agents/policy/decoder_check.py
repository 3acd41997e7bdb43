"""A check that every decoder stands: its logits are those of the network's own forward."""

from __future__ import annotations

import torch
from torch import Tensor

from agents import Seq2SeqPolicy
from agents.policy.decoders import Decoder, Opener
from seq2seq_env.tokenization.tokenizer import Tokenizer

MOST_ROWS, LONGEST = 5, 20


def encode(tokenizer: Tokenizer, sources: list[str]) -> tuple[Tensor, Tensor]:
    rows = tokenizer.encode(sources)
    width = max(map(len, rows))
    source = torch.tensor([row + [tokenizer.pad_id] * (width - len(row)) for row in rows])
    return source, source != tokenizer.pad_id


@torch.no_grad()
def check_against_forward(policy: Seq2SeqPolicy, opener: Opener, atol: float = 1e-4) -> Decoder:
    """Every step's logits are those of one forward pass over the whole prefix, also of rows copied and dropped."""
    source, mask = encode(policy.tokenizer, ["eins rot haus", "zwei", "drei blau"])
    source_row = torch.tensor([0, 0, 1, 2, 2])
    decoder = opener(source, mask)
    decoder.step(torch.full((3,), policy.start[0]))
    decoder.keep(source_row)
    generator = torch.Generator().manual_seed(0)
    written = torch.full((MOST_ROWS, 1), policy.start[0])
    kept = torch.arange(MOST_ROWS)
    written = torch.cat([written, torch.tensor([[3], [4], [5], [6], [7]])], dim=1)
    for position in range(LONGEST - 3):
        logits = decoder.step(written[kept, -1])
        expected = policy.model(
            input_ids=source[source_row[kept]],
            attention_mask=mask[source_row[kept]].long(),
            decoder_input_ids=written[kept],
            use_cache=False,
        ).logits[:, -1]
        torch.testing.assert_close(logits, expected, rtol=0, atol=atol)
        written = torch.cat([written, torch.randint(1, 18, (MOST_ROWS, 1), generator=generator)], dim=1)
        if position in (3, 15):
            # The second source goes, later all but one.
            rows = torch.tensor([0, 1, 3]) if position == 3 else torch.tensor([2])
            decoder.keep(rows)
            kept = kept[rows]
    return decoder
