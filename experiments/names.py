"""Names that options choose from, shown as choices in the help; each option's own check refuses others."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Annotated

import tyro

from agents import AGENTS, ONLINE
from buffers.filters import FILTERS
from seq2seq_env.tasks.loading import TASKS


def _choices(names: Iterable[str]) -> str:
    return "{" + ",".join(names) + "}"


TaskName = Annotated[str, tyro.conf.arg(metavar=_choices(TASKS))]
"""A key of ``TASKS``."""

AnyTaskName = Annotated[str | None, tyro.conf.arg(metavar=_choices(TASKS))]
"""A key of ``TASKS``, or none."""

STORED = tuple(name for name in AGENTS if name not in ONLINE)
"""Agents that learn from stored batches."""

AgentName = Annotated[str, tyro.conf.arg(metavar=_choices(STORED))]
"""One of ``STORED``."""

AgentNames = Annotated[tuple[str, ...], tyro.conf.arg(metavar=f"[{_choices(STORED)} [...]]")]
"""Some of ``STORED``."""

ROWS = ("ssd", "raft", "rest-em", "mbr-ft", "dqo")
"""Recipes that are rows of the benchmark: one training on a frozen data set can follow them, and is no agent's own."""

RowNames = Annotated[tuple[str, ...], tyro.conf.arg(metavar=f"[{_choices([*STORED, *ROWS])} [...]]")]
"""Some of ``STORED`` and ``ROWS``."""

OnlineAgentName = Annotated[str, tyro.conf.arg(metavar=_choices(ONLINE))]
"""One of ``ONLINE``."""

FilterName = Annotated[str, tyro.conf.arg(metavar=_choices(["auto", *FILTERS]))]
"""A key of ``FILTERS``, or "auto"."""
