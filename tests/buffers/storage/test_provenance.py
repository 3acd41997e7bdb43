from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from buffers import Provenance


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("temperature", 0.0),
        ("temperature", -1.0),
        ("temperature", float("nan")),
        ("candidates", -1),
        ("grow_from", "elsewhere"),
        ("references", 2),
        ("references", -1),
        ("num_sources", 0),
        ("sources_per_shard", 0),
        ("seed", -1),
        ("grow_step", -1),
        ("shard_index", -1),
        ("shard_count", 0),
    ],
)
def test_provenance_out_of_range_is_refused(provenance: Provenance, field: str, value: Any) -> None:
    with pytest.raises(ValueError, match=f"{field} (is )?'?{value}"):
        replace(provenance, **{field: value})


@pytest.mark.parametrize("grow_from", ["source-only", "both"])
def test_references_are_of_the_train_split_alone(provenance: Provenance, grow_from: str) -> None:
    assert replace(provenance, grow_from=grow_from, references=0).grow_from == grow_from
    with pytest.raises(ValueError, match=f"references is 1 and grow_from '{grow_from}', of which sentences have none"):
        replace(provenance, grow_from=grow_from)
