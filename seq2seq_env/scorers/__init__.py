"""What a translation is worth: (sources, hypotheses) to scores in [0, 1]."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from seq2seq_env.scorers import cross_fit, estimator
from seq2seq_env.scorers.cache import CachedScorer
from seq2seq_env.scorers.cross_fit import CrossFittedScorer
from seq2seq_env.scorers.estimator import EstimatorScorer
from seq2seq_env.scorers.learned import LearnedScorer
from seq2seq_env.scorers.pairs import EncodedPair, PairEncoder
from seq2seq_env.scorers.process import PREFIX, ProcessScorer, ScorerProcessError
from seq2seq_env.scorers.scorer import Scorer, checked_scores

__all__ = [
    "SCORERS",
    "CachedScorer",
    "CrossFittedScorer",
    "EncodedPair",
    "EstimatorScorer",
    "LearnedScorer",
    "PairEncoder",
    "ProcessScorer",
    "Scorer",
    "ScorerProcessError",
    "checked_scores",
    "load_scorer",
]

SCORERS: dict[str, Callable[[str], Scorer]] = {
    "phrasebook-qe": lambda device: LearnedScorer(Path(__file__).parent / "phrasebook_qe", device=device),
}
"""Name to a function of the device that makes the scorer."""


def load_scorer(name_or_path: str | Path, *, device: str = "cpu") -> Scorer:
    """The scorer of that name, in that folder, or the :class:`ProcessScorer` of a command.

    A network is loaded, and a program started, at the first score.

    Args:
        name_or_path: A key of ``SCORERS``, a folder with a Hugging Face sequence-regression checkpoint or with what
            ``experiments/train_scorer.py`` made, or ``process:`` and a command.
        device: Where it computes; a program decides that for itself.

    Raises:
        ValueError: If it is neither a known name nor a folder.
        FileNotFoundError: If the folder is not a checkpoint.
    """
    name = str(name_or_path)
    if name in SCORERS:
        return SCORERS[name](device)
    if name.startswith(PREFIX):
        return ProcessScorer(name.removeprefix(PREFIX))
    if Path(name).is_dir():
        return _from_folder(Path(name), device)
    raise ValueError(
        f"there is no scorer {name!r}; choose one of {', '.join(SCORERS)}, name a checkpoint's folder, or write "
        f"{PREFIX} and the command of a program"
    )


def _from_folder(folder: Path, device: str) -> Scorer:
    """What a folder holds is said by the file that only it has."""
    if (folder / cross_fit.RECORD).is_file():
        return CrossFittedScorer.load(folder, lambda part: _from_folder(part, device))
    if (folder / estimator.RECORD).is_file():
        return EstimatorScorer(folder, device=device)
    return LearnedScorer(folder, device=device)
