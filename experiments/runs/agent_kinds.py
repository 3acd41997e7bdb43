"""Agents of stored batches and online agents: each script refuses those of the other kind, and says where they run."""

from __future__ import annotations

from collections.abc import Iterable

from agents import AGENTS, ONLINE
from seq2seq_env.suggestions import check_name


def check_stored(names: Iterable[str]) -> None:
    """Refuse agents that learn from samples of the policy as it is, which no stored batch holds.

    Raises:
        ValueError: If one does, or there is no such agent.
    """
    for name in names:
        check_name("agent", name, sorted(AGENTS))
        if name in ONLINE:
            raise ValueError(
                f"agent {name!r} learns online, from samples of the policy as it is, and a stored batch is of the "
                f"policy as it was; run experiments/online.py --agent {name}"
            )


def check_online(name: str) -> None:
    """Refuse an agent that learns from a stored batch.

    Raises:
        ValueError: If it does, or there is no such agent.
    """
    check_name("agent", name, sorted(AGENTS))
    if name not in ONLINE:
        raise ValueError(
            f"agent {name!r} learns from a stored batch, and online training stores none; run "
            f"experiments/growing_batch.py --agent {name}, or choose one of {', '.join(ONLINE)}"
        )
