"""Names that options choose from, shown as choices in the help; each option's own check refuses others."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Annotated

import tyro

from agents import AGENTS
from buffers.filters import FILTERS
from seq2seq_env.tasks.loading import TASKS


def _choices(names: Iterable[str]) -> str:
    return "{" + ",".join(names) + "}"


TaskName = Annotated[str, tyro.conf.arg(metavar=_choices(TASKS))]
"""A key of ``TASKS``."""

AnyTaskName = Annotated[str | None, tyro.conf.arg(metavar=_choices(TASKS))]
"""A key of ``TASKS``, or none."""

AgentName = Annotated[str, tyro.conf.arg(metavar=_choices(AGENTS))]
"""A key of ``AGENTS``."""

AgentNames = Annotated[tuple[str, ...], tyro.conf.arg(metavar=f"[{_choices(AGENTS)} [...]]")]
"""Keys of ``AGENTS``."""

FilterName = Annotated[str, tyro.conf.arg(metavar=_choices(["auto", *FILTERS]))]
"""A key of ``FILTERS``, or "auto"."""
