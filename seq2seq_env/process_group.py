"""The process group of ranks that ``torchrun`` has started, or started again."""

from __future__ import annotations

import os
from datetime import timedelta
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from accelerate import PartialState  # type: ignore[import-untyped]

TIMEOUT = timedelta(days=1)
"""How long ranks wait for another one, which evaluates for all of them; PyTorch's own 10 minutes (NCCL) and 30 (gloo)
would end a run within a long evaluation. A rank that dies ends the run at once all the same: torchrun sees to that."""

_RESTARTS = "TORCHELASTIC_RESTART_COUNT"


def join_after_restart() -> None:
    """In a rank that ``torchrun`` started again after one had failed: join a process group of this start alone.

    Torchrun of PyTorch 2.15 has one store for all starts, and gloo finds the addresses of dead ranks in it: it is
    refused until no restart is left. So keys get this start's number as their prefix; ``accelerate.PartialState``
    takes a group that is there already. In a first start, or without torchrun, this does nothing.
    """
    start = os.environ.get(_RESTARTS, "0")
    if start == "0":
        return
    from torch.distributed import PrefixStore, init_process_group, is_initialized, rendezvous  # type: ignore[attr-defined]

    if not is_initialized():
        store, rank, processes = next(rendezvous("env://"))
        init_process_group(store=PrefixStore(f"start-{start}", store), rank=rank, world_size=processes, timeout=TIMEOUT)


def process_state(*, cpu: bool = False) -> PartialState:
    """``accelerate.PartialState``, with a process group whose ranks wait for :data:`TIMEOUT` where it makes the group.

    Args:
        cpu: Whether there are to be no GPUs; the first state of a process decides.
    """
    from accelerate import PartialState

    return PartialState(cpu=cpu, timeout=TIMEOUT)
