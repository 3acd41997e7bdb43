"""The process group of ranks that ``torchrun`` has started again."""

from __future__ import annotations

import os

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
        init_process_group(store=PrefixStore(f"start-{start}", store), rank=rank, world_size=processes)
