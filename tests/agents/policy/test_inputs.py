from __future__ import annotations

from typing import Any

import pytest

from agents import Seq2SeqPolicy


@pytest.mark.parametrize("temperature", [0.0, -1.0, float("nan"), float("inf")])
def test_a_temperature_without_distribution_is_refused(policy: Seq2SeqPolicy, temperature: float) -> None:
    for call in (
        lambda: policy.sample(policy.encode(["zwei"]), 1, temperature, 0),
        lambda: policy.log_probs(policy.encode(["zwei"]), [[0]], temperature),
        lambda: policy.next_token_scores([[2, 0]], [[]], temperature),
    ):
        with pytest.raises(ValueError, match=f"temperature is {temperature}; give a number above 0"):
            call()


def test_bad_input_is_named(policy: Seq2SeqPolicy) -> None:
    with pytest.raises(ValueError, match="num_candidates is 0; give at least 1"):
        policy.sample(policy.encode(["zwei"]), 0, 1.0, 0)
    with pytest.raises(ValueError, match="num_beams is 0; give at least 1"):
        policy.translate(["zwei"], num_beams=0)
    with pytest.raises(ValueError, match=r"source 1 is empty \(' '\)"):
        policy.translate(["zwei", " "])
    with pytest.raises(ValueError, match="source 1 has 13 tokens, the policy reads 12 at most"):
        policy.sample(policy.encode(["zwei", "eins " * 12]), 1, 1.0, 0)
    with pytest.raises(TypeError, match="sources is the text 'zwei'; give a list"):
        policy.translate("zwei")
    with pytest.raises(ValueError, match="there are 2 sources but 1 targets"):
        policy.log_probs(policy.encode(["zwei", "eins"]), [[0]])
    with pytest.raises(ValueError, match="target 1 has 0 tokens"):
        policy.log_probs(policy.encode(["zwei", "eins"]), [[0], []])
    with pytest.raises(ValueError, match="target 0 holds token 18, which is padding"):
        policy.log_probs(policy.encode(["zwei"]), [[18, 0]])
    for bad, message in (([[]], "source 0 has 0 tokens; the policy reads 1 to 12"), ([[2, 19]], "token outside 0..18")):
        for call in (lambda: policy.sample(bad, 1, 1.0, 0), lambda: policy.log_probs(bad, [[0]])):  # noqa: B023
            with pytest.raises(ValueError, match=message):
                call()
    texts: Any = ["zwei"]
    with pytest.raises(TypeError, match=r"source 0 is the text 'zwei'; give token ids, policy\.encode\(texts\)"):
        policy.sample(texts, 1, 1.0, 0)
