"""Resolution of a path to a policy's folder: the path itself, or one of the policies saved below it."""

from __future__ import annotations

import re
from pathlib import Path

GENERATION = "generation_config.json"
"""What a policy's folder has, and what is written there last."""


def policy_folder(path: Path, checkpoint: str | None = None) -> Path:
    """The folder that ``Seq2SeqPolicy.load`` reads.

    Args:
        path: A saved policy's folder, or one that holds several in its subfolders or theirs, such as a run's.
        checkpoint: Of several, the name of a policy's folder; None takes the last in natural order, in which "control"
            comes before "g9i3", and that before "g10i1".

    Raises:
        FileNotFoundError: If the path is no policy and holds none, or none of that name.
        ValueError: If a checkpoint is named and the path is itself a policy.
    """
    if (path / GENERATION).is_file():
        if checkpoint is not None:
            raise ValueError(f"{str(path)!r} is a policy and no run; leave the checkpoint {checkpoint!r} out")
        return path
    # An agent's folder holds policies too (the prior), which are no checkpoints of their own.
    saved = [file.parent for depth in ("*", "*/*") for file in path.glob(f"{depth}/{GENERATION}") if _is_whole(file)]
    policies = sorted((folder for folder in saved if folder.parent not in saved), key=_natural)
    if not policies:
        raise FileNotFoundError(f"{str(path)!r} is neither a saved policy nor holds one; name the folder of one")
    chosen = [folder for folder in policies if checkpoint in (None, folder.name)]
    if not chosen:
        names = ", ".join(folder.name for folder in policies)
        raise FileNotFoundError(f"{str(path)!r} holds no policy {checkpoint!r}; choose one of {names}")
    return chosen[-1]


def _is_whole(file: Path) -> bool:
    """Whether a saving was not cut off: transformers' own version of the file, written first, has no such entry."""
    return "max_new_tokens" in file.read_text("utf-8")


def _natural(folder: Path) -> list[tuple[int, str]]:
    """A name's parts, numbers compared as numbers: g10i1 comes after g9i1."""
    return [(int(part) if part.isdigit() else 0, part) for part in re.split(r"(\d+)", folder.name)]
