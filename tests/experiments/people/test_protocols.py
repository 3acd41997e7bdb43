from __future__ import annotations

import pytest

from experiments.people.protocols import PROTOCOLS, protocol_of


def test_scales_have_their_ends_and_a_meaning_at_both() -> None:
    for protocol in PROTOCOLS.values():
        assert [protocol.check_score(score, "x") for score in (0, protocol.high)] == [0, protocol.high]
        with pytest.raises(
            ValueError, match=f"^x has the score {protocol.high + 1}; the scale of {protocol.name} is 0 to"
        ):
            protocol.check_score(protocol.high + 1, "x")
        assert {min(protocol.anchors), max(protocol.anchors)} == {0, protocol.high}
    assert {name for name, each in PROTOCOLS.items() if each.marks_errors} == {"esa", "cesa"}
    assert protocol_of("side-by-side").high == 6
    with pytest.raises(ValueError, match=r"no protocol 'mqm'; choose one of esa, cesa, da, side-by-side"):
        protocol_of("mqm")
