"""Behaviour policies of the frozen data sets, shipped as weights of 16 bits.

Trained anew on another kind of CPU, a policy would be another one: rounding grows over thousands of steps. With its
weights given, only sampling is left to be repeated, where rounding changes a token about once in a million.
"""

from __future__ import annotations

import json
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING

from seq2seq_env.suggestions import check_name

if TYPE_CHECKING:
    from agents import Seq2SeqPolicy
    from seq2seq_env.tasks import Task

FOLDER = Path(str(files("experiments.datasets") / "policies"))

SUFFIX = ".safetensors"

SIZES = ("d_model", "num_heads", "encoder_layers", "decoder_layers", "ffn_dim")
"""Fields of ``PolicyConfig`` that a file records; lengths are the task's."""


def behaviour_names(folder: Path = FOLDER) -> list[str]:
    """Names of the policies that are there."""
    return sorted(file.name.removesuffix(SUFFIX) for file in folder.glob(f"*{SUFFIX}"))


def load_behaviour(name: str, task: Task, folder: Path = FOLDER) -> Seq2SeqPolicy:
    """A shipped policy, its weights as float32.

    Args:
        name: One of :func:`behaviour_names`.
        task: Gives tokenizer and lengths.
        folder: Where the files lie.

    Raises:
        ValueError: If there is none of that name, or it is of another tokenizer.
    """
    from safetensors import safe_open
    from safetensors.torch import load_model

    from agents import PolicyConfig, Seq2SeqPolicy

    check_name("behaviour policy", name, behaviour_names(folder))
    file = folder / f"{name}{SUFFIX}"
    with safe_open(file, "pt") as opened:
        sizes, tokenizer = (json.loads(opened.metadata()[key]) for key in ("sizes", "tokenizer"))
    if tokenizer != task.tokenizer.fingerprint:
        raise ValueError(
            f"behaviour policy {name!r} is of tokenizer {tokenizer[:12]}, task {task.name!r} has "
            f"{task.tokenizer.fingerprint[:12]}; take the release whose tokenizer that is"
        )
    policy = Seq2SeqPolicy.from_config(task.tokenizer, PolicyConfig(**sizes).for_task(task))
    load_model(policy.model, file)
    return policy


def save_behaviour(policy: Seq2SeqPolicy, name: str, folder: Path) -> Path:
    """Write a policy's weights, rounded to 16 bits; the policy that :func:`load_behaviour` gives has these.

    Args:
        policy: Of the default architecture.
        name: Of the file.
        folder: Made if it is not there.
    """
    from safetensors.torch import save_model

    config = policy.model.config
    theirs = ("d_model", "decoder_attention_heads", "encoder_layers", "decoder_layers", "decoder_ffn_dim")
    sizes = {ours: getattr(config, its) for ours, its in zip(SIZES, theirs, strict=True)}
    folder.mkdir(parents=True, exist_ok=True)
    file = folder / f"{name}{SUFFIX}"
    metadata = {"sizes": json.dumps(sizes), "tokenizer": json.dumps(policy.tokenizer.fingerprint)}
    save_model(policy.clone().model.half(), str(file), metadata)
    return file
