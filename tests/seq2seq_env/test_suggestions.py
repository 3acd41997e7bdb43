from __future__ import annotations

import pytest

from seq2seq_env.suggestions import check_name, suggestion


def test_the_nearest_name_is_suggested_and_none_where_none_is_near() -> None:
    names = ["bvmpo", "bc", "gold"]
    assert suggestion("bvmp", names) == "; did you mean 'bvmpo'?"
    assert suggestion("xyz", names) == suggestion("bc", []) == ""


def test_a_name_is_refused_with_the_good_ones_in_their_order() -> None:
    check_name("agent", "bc", ["gold", "bc"])
    with pytest.raises(ValueError, match=r"^there is no agent 'glod'; choose one of gold, bc; did you mean 'gold'\?$"):
        check_name("agent", "glod", ["gold", "bc"])
