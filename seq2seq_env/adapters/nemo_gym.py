"""The reward of a resources server of NeMo Gym, for its ``verify``.

NeMo Gym's servers are classes of its own, which need Python 3.13; what they ask of ours is this function.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from seq2seq_env.adapters.reward_function import RewardFunction
from seq2seq_env.messages import message_text


def verified_reward(reward: RewardFunction, body: Mapping[str, Any]) -> float:
    """The ``reward`` of a verified response.

    Args:
        reward: Of :func:`reward_function`.
        body: The request of ``/verify`` as JSON has it, ``BaseVerifyRequest.model_dump()``: ``responses_create_params``
            with the ``input``, and ``response`` with the ``output`` items, of which the last message is taken. A key
            ``source`` beside them stands for the source; without it it is read from the input.

    Raises:
        ValueError: If the source is neither there nor in the input.
    """
    messages = [item for item in body["response"]["output"] if item.get("type") == "message"]
    text = message_text(messages[-1]["content"]) if messages else None
    columns = {"source": [body["source"]]} if body.get("source") is not None else {}
    return reward([body["responses_create_params"]["input"]], [text or ""], **columns)[0]
