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
    with pytest.raises(ValueError, match=f"{field} (is )?{value}"):
        replace(provenance, **{field: value})
