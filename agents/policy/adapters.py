"""Low-rank adapters: an Improve step that trains few weights of a large policy."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, cast

import torch
from torch import nn
from transformers.pytorch_utils import Conv1D

from agents.policy.lora import LoRA
from agents.policy.seq2seq_policy import Seq2SeqPolicy
from seq2seq_env.extras import require


@contextmanager
def adapted(policy: Seq2SeqPolicy, lora: LoRA, seed: int) -> Iterator[None]:
    """Inside, only adapters of the policy train; afterwards they are merged into its weights.

    So a policy is always an ordinary model outside: it is saved, cloned, sampled and compared as any other, its
    fingerprint is that of its effective weights, and a run that was stopped between two Improve steps goes on to the
    same bits. Each Improve step gets new adapters, as it gets a new optimiser.

    Args:
        policy: Trained inside, by ``agent.improve``, say.
        lora: With rank 0 nothing is done, and all weights train.
        seed: Of the adapters' first weights; the global generator is left as it was.

    Raises:
        ImportError: If peft is not installed.
        ValueError: If no linear layer has one of the names.
    """
    if not lora.rank:
        yield
        return
    peft = require("peft", "training low-rank adapters")
    model: Any = policy.model
    trainable = {name: parameter.requires_grad for name, parameter in model.named_parameters()}
    _check_names(model, lora.layers)
    settings = peft.LoraConfig(
        r=lora.rank,
        lora_alpha=cast(int, lora.alpha),  # a factor, which the library calls an int
        lora_dropout=lora.dropout,
        bias="none",
        target_modules=list(lora.layers) or "all-linear",
    )
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        adapters = peft.LoraModel(model, settings, "default")
    try:
        yield
    finally:
        adapters.merge_and_unload()
        for name, parameter in model.named_parameters():
            parameter.requires_grad_(trainable[name])


def _check_names(model: nn.Module, endings: tuple[str, ...]) -> None:
    names = {
        name.rpartition(".")[2] for name, module in model.named_modules() if isinstance(module, (nn.Linear, Conv1D))
    }
    for ending in endings:
        if ending not in names:
            raise ValueError(f"the model has no linear layer {ending!r}; choose of {', '.join(sorted(names))}")
