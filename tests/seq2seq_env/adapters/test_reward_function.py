"""A scorer as TRL calls reward functions."""

from __future__ import annotations

from typing import Any

import pytest

from seq2seq_env.adapters import reward_function, verified_reward
from tests.conftest import OverlapScorer


def test_texts_and_messages_are_scored_with_the_sources_of_columns_or_prompts(fake_scorer: OverlapScorer) -> None:
    reward = reward_function(fake_scorer, prompt_template="Translate: {source}")
    said = [{"role": "assistant", "content": "dog"}]
    called: list[dict[str, Any]] = [{"role": "assistant", "content": None, "tool_calls": []}]
    prompts = [[{"role": "user", "content": "Translate: hund"}]] * 3
    assert reward(prompts=prompts, completions=[said, called, []], completion_ids=[[1]] * 3) == [1, 0, 0]
    assert reward(["?", "?"], ["dog", "car"], source=["hund", "auto"], trainer_state=None) == [1, 1]
    assert reward.__name__ == "OverlapScorer"
    assert reward_function(fake_scorer, name="fidelity").__name__ == "fidelity"
    with pytest.raises(
        ValueError, match=r"the prompt 'hund' does not match the template 'Translate: \{source\}'; give"
    ):
        reward(["hund"], ["dog"])


def test_a_verified_response_of_nemo_gym_has_the_reward_of_its_last_message(fake_scorer: OverlapScorer) -> None:
    reward = reward_function(fake_scorer)
    message = {"type": "message", "role": "assistant", "content": [{"type": "output_text", "text": "dog"}]}
    body = {
        "responses_create_params": {"input": [{"role": "user", "content": "hund"}]},
        "response": {"output": [{"type": "reasoning", "summary": []}, message]},
    }
    assert verified_reward(reward, body) == 1
    assert verified_reward(reward, {**body, "source": "auto"}) == 0
    assert verified_reward(reward, {**body, "response": {"output": []}}) == 0
