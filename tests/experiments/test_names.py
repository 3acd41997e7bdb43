from __future__ import annotations

from typing import get_args

import pytest

from agents import AGENTS
from buffers.filters import FILTERS
from experiments.names import AgentName, AgentNames, AnyTaskName, FilterName, TaskName
from seq2seq_env.tasks.loading import TASKS


@pytest.mark.parametrize(
    ("kind", "names"),
    [
        (TaskName, TASKS),
        (AnyTaskName, TASKS),
        (AgentName, AGENTS),
        (AgentNames, AGENTS),
        (FilterName, ["auto", *FILTERS]),
    ],
)
def test_the_help_shows_every_name(kind: object, names: list[str]) -> None:
    _, shown = get_args(kind)
    assert "{" + ",".join(names) + "}" in shown.metavar
