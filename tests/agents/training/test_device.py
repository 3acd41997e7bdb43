from __future__ import annotations

import pytest
import torch

from agents import known_device


def test_only_gpus_that_are_there_are_known(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    known = ["cpu", "cuda", "cuda:0", "cuda:1"]
    assert [known_device(name) for name in known] == known
    assert known_device("auto") == "cuda:0"
    for name in ("cuda:2", "cuda:x", "cuda:", "cuda:-1", "mps"):
        with pytest.raises(ValueError, match=f"device '{name}' is not there; choose cpu, cuda, cuda:0, cuda:1 or auto"):
            known_device(name)


def test_without_a_gpu_there_is_the_cpu(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert known_device("auto") == known_device("cpu") == "cpu"
    with pytest.raises(ValueError, match="device 'cuda' is not there; choose cpu or auto"):
        known_device("cuda")
