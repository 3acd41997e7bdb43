"""Behaviour policies of the frozen data sets, shipped as matrices of 4 bits.

Trained anew on another kind of CPU, a policy would be another one: rounding grows over thousands of steps. With its
weights given, only sampling is left to be repeated, where rounding changes a few samples (``texts.py``).

Matrices are rounded to multiples -8 to 7 of a scale that 64 weights share, which costs a policy of the default size
about 0.01 of true quality and makes it small enough to ship. The behaviour *is* the rounded policy, whose
log-probabilities the data hold; products of such numbers and 16-bit scales are exact in float32, so that everybody has
the same weights.
"""

from __future__ import annotations

import json
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING

from seq2seq_env.atomic_files import naming, written_file
from seq2seq_env.suggestions import check_name

if TYPE_CHECKING:
    from torch import Tensor

    from agents import Seq2SeqPolicy
    from seq2seq_env.tasks import Task

FOLDER = Path(str(files("experiments.datasets") / "policies"))

SUFFIX = ".safetensors"

SIZES = ("d_model", "num_heads", "encoder_layers", "decoder_layers", "ffn_dim")
"""Fields of ``PolicyConfig`` that a file records; lengths are the task's."""

GROUP = 64
"""Weights that share a scale."""

BITS = 4
"""Of a behaviour's weights, by default; two are a byte."""


CLIPPED = (1.0, 0.95, 0.9, 0.85, 0.8, 0.75, 0.7)
"""Shares of a group's largest weight that scales are tried for: what is cut off at the ends is finer within."""


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
    import torch
    from safetensors import safe_open

    from agents import PolicyConfig, Seq2SeqPolicy

    check_name("behaviour policy", name, behaviour_names(folder))
    with safe_open(folder / f"{name}{SUFFIX}", "pt") as file:
        metadata, stored = file.metadata(), {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118
    if metadata["tokenizer"] != task.tokenizer.fingerprint:
        raise ValueError(
            f"behaviour policy {name!r} is of tokenizer {metadata['tokenizer'][:12]}, task {task.name!r} has "
            f"{task.tokenizer.fingerprint[:12]}; take the release whose tokenizer that is"
        )
    policy = Seq2SeqPolicy.from_config(task.tokenizer, PolicyConfig(**json.loads(metadata["sizes"])).for_task(task))
    bits = int(metadata.get("bits", BITS))
    with torch.no_grad():
        for key, weight in policy.model.named_parameters():
            if weight.requires_grad:  # the others are sines of the positions
                exact = weight.dim() == 1
                weight.copy_(stored[key] if exact else unpacked(stored[key], stored[f"{key}.scale"], weight, bits))
    return policy


def save_behaviour(policy: Seq2SeqPolicy, name: str, folder: Path = FOLDER, bits: int = BITS) -> Path:
    """Write a policy's weights, rounded; the policy that :func:`load_behaviour` gives has these.

    Args:
        policy: Of the default architecture.
        name: Of the file.
        folder: Made if it is not there.
        bits: Of a weight of a matrix, 4 or 8.

    Raises:
        OSError: If it cannot be written; what was there before stays.
    """
    from safetensors.torch import save

    config = policy.model.config
    theirs = ("d_model", "decoder_attention_heads", "encoder_layers", "decoder_layers", "decoder_ffn_dim")
    sizes = {ours: getattr(config, its) for ours, its in zip(SIZES, theirs, strict=True)}
    stored: dict[str, Tensor] = {}
    for key, weight in policy.model.named_parameters():
        if weight.requires_grad and weight.dim() > 1:
            stored[key], stored[f"{key}.scale"] = packed(weight.detach(), bits)
        elif weight.requires_grad:
            stored[key] = weight.detach().half()
    metadata = {"sizes": json.dumps(sizes), "tokenizer": policy.tokenizer.fingerprint}
    folder.mkdir(parents=True, exist_ok=True)
    file = folder / f"{name}{SUFFIX}"
    with naming(file), written_file(file) as partial:
        partial.write(save(stored, metadata if bits == BITS else metadata | {"bits": str(bits)}))
    return file


def packed(weight: Tensor, bits: int = BITS) -> tuple[Tensor, Tensor]:
    """Codes, uint8, and scales, float16 [n/GROUP], of n weights filled up to whole groups."""
    import torch

    half = 2 ** (bits - 1)  # codes are -half to half - 1
    flat = weight.flatten()
    groups = torch.cat([flat, flat.new_zeros(-len(flat) % GROUP)]).view(-1, GROUP)
    largest = groups.abs().amax(1, keepdim=True)
    scales = torch.stack([largest * share / (half - 0.5) for share in CLIPPED]).half().float()  # [C,G,1]
    codes = (groups / scales.clamp_min(1e-12)).round().clamp(-half, half - 1)  # [C,G,GROUP]
    best = ((codes * scales - groups) ** 2).sum(-1).argmin(0)  # [G]
    rows = torch.arange(len(groups))
    whole = (codes[best, rows] + half).to(torch.uint8).flatten()
    return whole[::2] | whole[1::2] << 4 if bits == BITS else whole, scales[best, rows, 0].half()


def unpacked(codes: Tensor, scales: Tensor, like: Tensor, bits: int = BITS) -> Tensor:
    """The weights that :func:`packed` rounded, float32, in the shape of ``like``."""
    import torch

    each = torch.stack([codes & 15, codes >> 4], 1) if bits == BITS else codes
    whole = each.view(-1, GROUP).float().sub(2 ** (bits - 1))
    return (whole * scales.float()[:, None]).flatten()[: like.numel()].view_as(like)
