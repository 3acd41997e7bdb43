"""Merging of run folders: what another machine finished of the same work."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

from experiments.runs.run_folder import CHECKPOINTS, CONFIG, STAGES
from experiments.runs.stages import SUPERVISED
from seq2seq_env.atomic_files import naming, read_json, written_file

NO_RESULTS = ("commit", "reused")
"""What a training's record has beside seconds that two machines may have otherwise, and train the same."""

WEIGHTS = Path(CHECKPOINTS) / SUPERVISED / "model.safetensors"


def check_part(part: Path, whole: Path) -> None:
    """Refuse a tree of run folders that is of other work than ``whole``.

    Raises:
        FileNotFoundError: If ``part`` is no run folder.
        ValueError: If a run has another configuration than the same one in ``whole``, another supervised policy, or
            other results of a training.
    """
    if not (part / CONFIG).is_file():
        raise FileNotFoundError(f"no {CONFIG} in {str(part)!r}; name the --out of another part")
    for run in sorted(
        file.parent for file in part.rglob(CONFIG) if (file.parent / STAGES).is_dir() or file == part / CONFIG
    ):
        mine = whole / run.relative_to(part)
        if (mine / CONFIG).is_file() and read_json(mine / CONFIG) != read_json(run / CONFIG):
            raise ValueError(f"{str(run)!r} has another configuration than {str(mine)!r}; merge parts of one benchmark")
        both = (run / WEIGHTS, mine / WEIGHTS)
        if all(file.is_file() for file in both) and both[0].read_bytes() != both[1].read_bytes():
            raise ValueError(
                f"{str(run)!r} starts from another supervised policy than {str(mine)!r}, as other processors train; "
                "give all trainings of a seed to one machine, or copy its checkpoints to the others first"
            )
        for record in sorted((run / STAGES).glob("*.json")):
            known = mine / STAGES / record.name
            # The first seed's results choose the learning rate: with the other's dropped, its other seeds have another.
            if known.is_file() and _results(read_json(record)) != _results(read_json(known)):
                raise ValueError(
                    f"{str(record)!r} has other results than {str(known)!r}; keep one machine's trainings of that "
                    "agent on that data set, and delete the records of the other's"
                )


def merge(part: Path, whole: Path) -> int:
    """Copy finished stages of ``part``, a tree of run folders, that ``whole`` lacks; records come last.

    Args:
        part: Of another machine; it stays as it is.
        whole: Where the files go.

    Returns:
        Files copied.

    Raises:
        FileNotFoundError: As :func:`check_part`.
        ValueError: As :func:`check_part`.
        OSError: If a file cannot be written.
    """
    check_part(part, whole)
    # A run is known by its configuration, a stage by its record: both come after what they vouch for.
    files = sorted((file for file in part.rglob("*") if file.is_file() and not _is_unfinished(file)), key=_order)
    missing = [file for file in files if not (whole / file.relative_to(part)).exists()]
    for file in missing:
        target = whole / file.relative_to(part)
        target.parent.mkdir(parents=True, exist_ok=True)
        with naming(target), file.open("rb") as content, written_file(target) as copy:
            shutil.copyfileobj(content, copy)
    return len(missing)


def _results(record: Any) -> Any:
    """What came of a training, without what it cost; None of another stage."""
    if not isinstance(record, dict) or "agent" not in record:
        return None
    return _without_costs(record)


def _without_costs(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _without_costs(each) for key, each in value.items()
                if key not in NO_RESULTS and not key.endswith("seconds")}  # fmt: skip
    return [_without_costs(each) for each in value] if isinstance(value, list) else value


def _is_unfinished(file: Path) -> bool:
    """A training's state, a temporary file, or what is of one call alone."""
    of_call = file.suffix != ".json" or file.name in ("usage.json", "datasets.json")
    return file.name.startswith(".") or (file.parent.name == STAGES and of_call)


def _order(file: Path) -> tuple[bool, Path]:
    return file.parent.name == STAGES, file
