"""`join_after_restart` and `process_state` of seq2seq_env.process_group."""

from __future__ import annotations

import multiprocessing
import os
import time
from datetime import timedelta

import pytest
import torch
from accelerate import PartialState  # type: ignore[import-untyped]
from torch import distributed
from torch.distributed import TCPStore  # type: ignore[attr-defined]

from seq2seq_env import process_group
from seq2seq_env.process_group import TIMEOUT, join_after_restart, process_state

RANKS = 2
WAITED_IN_VAIN = 3


@pytest.fixture
def agent_store(monkeypatch: pytest.MonkeyPatch) -> TCPStore:
    """The store that torchrun's agent keeps over restarts, and what it tells its ranks."""
    store = TCPStore("127.0.0.1", 0, is_master=True, wait_for_workers=False)
    told = {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": store.port, "WORLD_SIZE": RANKS}
    for name, value in (told | {"TORCHELASTIC_USE_AGENT_STORE": True}).items():
        monkeypatch.setenv(name, str(value))
    return store


def rank_of(number: int, start: int) -> None:
    """A rank: dies without leaving the group where it is started first."""
    os.environ |= {"RANK": str(number), "TORCHELASTIC_RESTART_COUNT": str(start)}
    join_after_restart()
    if not distributed.is_initialized():
        distributed.init_process_group("gloo")
    total = torch.ones(())
    distributed.all_reduce(total)
    os._exit(0 if total == RANKS else 1)


def test_ranks_that_are_started_again_find_each_other(agent_store: TCPStore) -> None:
    context = multiprocessing.get_context("fork")
    for start in range(3):
        ranks = [context.Process(target=rank_of, args=(number, start), daemon=True) for number in range(RANKS)]
        for rank in ranks:
            rank.start()
        for rank in ranks:
            rank.join(60)
        assert [rank.exitcode for rank in ranks] == [0, 0], start


def waiting_rank(number: int, start: int) -> None:
    """A rank: the first never comes to what the other waits for."""
    os.environ |= {
        "RANK": str(number), "LOCAL_RANK": str(number), "LOCAL_WORLD_SIZE": str(RANKS), "OMP_NUM_THREADS": "1",
        "TORCHELASTIC_RESTART_COUNT": str(start),
    }  # fmt: skip
    process_group.TIMEOUT = timedelta(seconds=2)
    PartialState._reset_state()  # which the test's own process may have, of a training
    join_after_restart()
    process_state(cpu=True)
    if number == 0:
        time.sleep(600)
    try:
        distributed.all_reduce(torch.ones(()))
    except RuntimeError:
        os._exit(WAITED_IN_VAIN)


@pytest.mark.parametrize("start", [0, 1])
def test_ranks_wait_for_as_long_as_it_says(agent_store: TCPStore, start: int) -> None:
    assert timedelta(hours=1) < TIMEOUT
    context = multiprocessing.get_context("fork")
    ranks = [context.Process(target=waiting_rank, args=(number, start), daemon=True) for number in range(RANKS)]
    for rank in ranks:
        rank.start()
    ranks[1].join(120)
    ranks[0].kill()
    assert ranks[1].exitcode == WAITED_IN_VAIN


def test_nothing_is_joined_in_a_first_start(monkeypatch: pytest.MonkeyPatch) -> None:
    for restarts in (None, "0"):
        if restarts is not None:
            monkeypatch.setenv("TORCHELASTIC_RESTART_COUNT", restarts)
        join_after_restart()
        assert not distributed.is_initialized()
