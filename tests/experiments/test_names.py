from __future__ import annotations

from typing import get_args

import pytest

from agents import AGENTS, ONLINE, agent_class
from buffers.filters import FILTERS
from experiments.names import STORED, AgentName, AgentNames, AnyTaskName, FilterName, OnlineAgentName, TaskName
from seq2seq_env.tasks.loading import TASKS


@pytest.mark.parametrize(
    ("kind", "names"),
    [
        (TaskName, TASKS),
        (AnyTaskName, TASKS),
        (AgentName, STORED),
        (AgentNames, STORED),
        (OnlineAgentName, ONLINE),
        (FilterName, ["auto", *FILTERS]),
    ],
)
def test_the_help_shows_every_name(kind: object, names: list[str]) -> None:
    _, shown = get_args(kind)
    assert "{" + ",".join(names) + "}" in shown.metavar


def test_every_agent_is_of_one_kind() -> None:
    assert set(ONLINE) | set(STORED) == set(AGENTS)
    assert tuple(name for name in AGENTS if agent_class(name).online) == ONLINE
