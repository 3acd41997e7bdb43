"""``scorer.json``: the description, in a folder, of a scorer made of others.

A normalisation names the ``scorer`` it wraps and its ``knots``, pairs of score and value; ``scorer_fingerprint`` is
what the wrapped scorer must have, ``calibrated_on`` says what texts the knots come from, and both may be left out. An
ensemble names ``scorers`` and, where they do not weigh alike, ``weights``; a cross-fitted scorer names ``scorers`` in
the order of their folds and, where there are repeats with others, how many ``folds``. Folders may be named relative to
the file. A program among them is refused where it would run (:func:`seq2seq_env.load_scorer`), unless the user's
environment allows it.

    {"kind": "normalised", "scorer": "checkpoint", "knots": [[-2.5, 0], [1.5, 1]]}
    {"kind": "ensemble", "scorers": ["phrasebook-qe", "metricx: ../mx"], "weights": [0.5, 0.5]}
    {"kind": "cross-fitted", "scorers": ["0", "1", "2", "3"], "folds": 2}
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from seq2seq_env.atomic_files import write_json

NAME = "scorer.json"

_KEYS = {
    "normalised": ({"scorer", "knots"}, {"scorer_fingerprint", "calibrated_on"}),
    "ensemble": ({"scorers"}, {"weights"}),
    "cross-fitted": ({"scorers"}, {"folds"}),
}


def read_description(folder: Path) -> dict[str, Any]:
    """What the file says, after a check of its keys and of the names in it.

    Raises:
        ValueError: If it is corrupt, of an unknown kind, lacks a key or has one too many, or a name is no text.
    """
    place = f"{NAME} in {str(folder)!r}"
    try:
        record = json.loads((folder / NAME).read_text("utf-8"))
    except (ValueError, RecursionError) as error:
        raise ValueError(f"{place} is no JSON ({error}); write it again") from error
    if not isinstance(record, dict) or record.get("kind") not in _KEYS:
        raise ValueError(f"{place} is of no known kind; write kind as one of {', '.join(_KEYS)}")
    needed, others = _KEYS[record["kind"]]
    keys = record.keys() - {"kind"}
    if missing := needed - keys:
        raise ValueError(f"{place} lacks {', '.join(sorted(missing))}; add it")
    if unknown := keys - needed - others:
        raise ValueError(f"{place} has {', '.join(sorted(unknown))}, which no scorer of its kind has; take it out")
    names = record.get("scorers", [record.get("scorer")])
    if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
        raise ValueError(f"{place} names a scorer by something else than text; write its name or folder")
    weights = record.get("weights")
    if weights is not None and not (isinstance(weights, list) and all(map(_is_number, weights))):
        raise ValueError(f"{place} has weights {weights!r}; write a list of numbers")
    if type(record.get("folds", 1)) is not int:
        raise ValueError(f"{place} has folds {record['folds']!r}; write a whole number")
    return record


def check_free(folder: Path) -> None:
    """Refuse a folder whose scorer would be replaced, which runs may go by.

    Raises:
        FileExistsError: If there is such a file in it, or it is a file.
    """
    if (folder / NAME).exists() or (folder.exists() and not folder.is_dir()):
        raise FileExistsError(f"{str(folder)!r} is a file, or has a {NAME} already; name another folder")


def write_description(folder: Path, record: dict[str, Any]) -> None:
    """Write the file; the folder is made if it is not there.

    Raises:
        FileExistsError: See :func:`check_free`.
    """
    check_free(folder)
    folder.mkdir(parents=True, exist_ok=True)
    write_json(folder / NAME, record)


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)
