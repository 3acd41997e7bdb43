"""Resolution of a device's name."""

from __future__ import annotations

from seq2seq_env.process_group import process_state


def known_device(name: str) -> str:
    """The device of a name, "auto" resolved.

    Raises:
        ValueError: If it is not there.
    """
    if name == "cpu":
        return name
    import torch

    if name == "auto":
        # Each process of a launcher has a GPU of its own.
        return f"cuda:{process_state().local_process_index}" if torch.cuda.is_available() else "cpu"
    gpus = [f"cuda:{number}" for number in range(torch.cuda.device_count())] if torch.cuda.is_available() else []
    there = ["cpu", "cuda", *gpus] if gpus else ["cpu"]
    if name not in there:
        raise ValueError(f"device {name!r} is not there; choose {', '.join(there)} or auto")
    return name
