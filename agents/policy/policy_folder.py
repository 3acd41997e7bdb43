"""Where a policy lies on disk: a folder of its own, or a stage of a run."""

from __future__ import annotations

import re
from pathlib import Path

_STEP = re.compile(r"g(\d+)i(\d+)")


def policy_folder(path: Path, checkpoint: str | None = None) -> Path:
    """The folder that ``Seq2SeqPolicy.load`` reads.

    Args:
        path: A saved policy's folder, or what ``experiments/growing_batch.py`` left: ``checkpoints/g1i3`` and so on,
            and ``stages/g1i3.json`` for each that is finished.
        checkpoint: Of a run, one of its finished stages; None takes the last Improve step, or the supervised policy
            where none is finished.

    Raises:
        FileNotFoundError: If the folder holds neither, or the run no such checkpoint.
        ValueError: If a checkpoint is named and the folder is no run's.
    """
    stages = path / "checkpoints"
    if not stages.is_dir():
        if not (path / "generation_config.json").is_file():
            raise FileNotFoundError(
                f"{str(path)!r} is neither a saved policy nor a run with checkpoints; name the folder of one"
            )
        if checkpoint is not None:
            raise ValueError(f"{str(path)!r} is a policy and no run; leave the checkpoint {checkpoint!r} out")
        return path
    finished = [each for each in sorted(stages.iterdir()) if (path / "stages" / f"{each.name}.json").is_file()]
    if checkpoint is not None:
        chosen = [each for each in finished if each.name == checkpoint]
    else:
        chosen = sorted((each for each in finished if _STEP.fullmatch(each.name)), key=_order)
    if not chosen:
        names = ", ".join(each.name for each in finished) or "no finished one yet"
        raise FileNotFoundError(f"the run {str(path)!r} has no checkpoint {checkpoint or 'to take'}; it has {names}")
    return chosen[-1]


def _order(stage: Path) -> tuple[int, ...]:
    """Grow step and Improve step, as numbers: g10i1 comes after g9i1."""
    return tuple(int(number) for number in re.findall(r"\d+", stage.name))
