"""A scorer from its name, as a command line, a task or ``scorer.json`` gives it.

A name is a key of ``SCORERS``, a folder, or a kind with a colon, its options as ``key=value``, and what it is made of,
separated as a shell would:

    metricx: tokenizer=models/mt5 models/metricx-24-hybrid-large
    process: timeout=60 uv run --no-project --with unbabel-comet score.py
    ensemble: weights=0.7,0.3 phrasebook-qe "metricx: models/metricx-24-hybrid-large"
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Callable, Sequence
from inspect import Parameter, signature
from pathlib import Path
from typing import Any, NamedTuple

from seq2seq_env.options import typed_options
from seq2seq_env.scorers.description import NAME, read_description
from seq2seq_env.scorers.models.learned import LearnedScorer
from seq2seq_env.scorers.models.metricx import MetricXScorer
from seq2seq_env.scorers.models.process import ProcessScorer
from seq2seq_env.scorers.predictor_estimator import estimator
from seq2seq_env.scorers.scorer import Scorer
from seq2seq_env.scorers.wrappers.cross_fit import CrossFittedScorer
from seq2seq_env.scorers.wrappers.ensemble import EnsembleScorer
from seq2seq_env.scorers.wrappers.normalised import NormalisedScorer

SCORERS: dict[str, Callable[[str], Scorer]] = {
    "phrasebook-qe": lambda device: LearnedScorer(Path(__file__).parent / "phrasebook_qe", device=device),
}
"""Name to a function of the device that makes the scorer."""

KINDS: dict[str, type[ProcessScorer | MetricXScorer | EnsembleScorer]] = {
    "process": ProcessScorer,
    "metricx": MetricXScorer,
    "ensemble": EnsembleScorer,
}
"""What stands before a colon, and what it makes."""

_OPTION = re.compile(r"([A-Za-z_]\w*)=(.*)", re.DOTALL)
_PATHS = {"tokenizer"}  # options that may name a folder


class _Name(NamedTuple):
    kind: str
    options: dict[str, str]
    words: list[str]


def load_scorer(name_or_path: str | Path, *, device: str = "cpu") -> Scorer:
    """The scorer of that name: see :mod:`seq2seq_env.scorers.loading`.

    A folder holds a ``scorer.json`` (:mod:`seq2seq_env.scorers.description`) or the checkpoint of an
    :class:`EstimatorScorer` or a :class:`LearnedScorer`. A network is loaded, and a program started, at the first
    score; a checkpoint of the hub is downloaded at once.

    Args:
        name_or_path: A key of ``SCORERS``, a folder, ``process:`` and a command, ``metricx:`` and a folder or a name on
            the hub, or ``ensemble:`` and several of these. The options of a kind are the keyword arguments of its
            class.
        device: Where it computes; a program decides that for itself.

    Raises:
        ValueError: If it is neither a known name nor a folder, cannot be read, names itself, or an option's value does
            not fit.
        TypeError: If there is no such option.
        OSError: If a folder is no checkpoint or the hub cannot be reached.
    """
    return _load(str(name_or_path), device, ())


def has_kind(name: str) -> bool:
    """Whether a name begins with a kind and a colon."""
    kind, colon, _ = name.partition(":")
    return bool(colon) and kind in KINDS


def located(name: str, base: Path) -> str:
    """The name with what it finds in the folder ``base`` as absolute paths, so that it means the same elsewhere.

    Folders are found, and among the words of a command files, but for the program itself.

    Raises:
        ValueError: If it cannot be read.
    """
    if name in SCORERS:
        return name
    if not has_kind(name):
        return _absolute(name, base)
    kind, options, words = _parted(name)
    if kind == "ensemble":
        words = [located(word, base) for word in words]
    elif kind == "metricx":
        words = [_absolute(word, base) for word in words]
    else:
        words = [words[0], *(_absolute(word, base, Path.is_file) for word in words[1:])] if words else []
    given = [f"{key}={_absolute(value, base) if key in _PATHS else value}" for key, value in options.items()]
    return f"{kind}: {shlex.join([*given, *words])}"


def _absolute(word: str, base: Path, is_there: Callable[[Path], bool] = Path.is_dir) -> str:
    try:
        found = bool(word) and is_there(base / word)
    except (OSError, ValueError):  # a word of a command may be too long for a name
        found = False
    return str((base / word).absolute()) if found else word


def _parted(name: str) -> _Name:
    kind, _, rest = name.partition(":")
    try:
        words = shlex.split(rest)
    except ValueError as error:
        raise ValueError(f"the scorer {name!r} cannot be read ({error}); quote it as for a shell") from error
    options = {}
    while words and (option := _OPTION.fullmatch(words[0])):
        options[option[1]] = option[2]
        words = words[1:]
    return _Name(kind, options, words)


def _load(name: str, device: str, inside: tuple[Path, ...]) -> Scorer:
    """``inside`` are the folders whose scorer.json led here."""
    if name in SCORERS:
        return SCORERS[name](device)
    if has_kind(name):
        return _of_kind(_parted(name), device, inside)
    folder = Path(name)
    if (folder / NAME).is_file():
        return _described(folder, device, inside)
    if (folder / estimator.RECORD).is_file():
        return estimator.EstimatorScorer(folder, device=device)
    if folder.is_dir():
        return LearnedScorer(folder, device=device)
    raise ValueError(
        f"there is no scorer {name!r}; choose one of {', '.join(SCORERS)}, name a folder, or write one of "
        f"{', '.join(f'{kind}:' for kind in KINDS)} and what it is made of"
    )


def _of_kind(name: _Name, device: str, inside: tuple[Path, ...]) -> Scorer:
    make = KINDS[name.kind]
    known = [key for key, each in signature(make).parameters.items() if each.kind is Parameter.KEYWORD_ONLY]
    if make is EnsembleScorer:
        typed_options(make, name.options, ["weights"], "an ensemble: scorer")
        return EnsembleScorer(_all(name.words, device, inside), _weights(name.options))
    options = typed_options(make, name.options, [key for key in known if key != "device"], f"a {name.kind}: scorer")
    if make is MetricXScorer:
        if len(name.words) != 1:
            raise ValueError(
                f"a metricx: scorer is made of one checkpoint, not of {len(name.words)} ({shlex.join(name.words)}); "
                "options stand before it"
            )
        return MetricXScorer(name.words[0], device=device, **options)
    return ProcessScorer(name.words, **options)


def _weights(options: dict[str, str]) -> list[float] | None:
    if "weights" not in options:
        return None
    try:
        return [float(weight) for weight in options["weights"].split(",")]
    except ValueError as error:
        raise ValueError(f"weights is {options['weights']!r}; give numbers with commas, such as 0.7,0.3") from error


def _all(names: Sequence[str], device: str, inside: tuple[Path, ...]) -> list[Scorer]:
    return [_load(name, device, inside) for name in names]


def _described(folder: Path, device: str, inside: tuple[Path, ...]) -> Scorer:
    here = folder.resolve()
    if here in inside:
        raise ValueError(
            f"{NAME} in {str(inside[-1])!r} leads back to {str(here)!r}; a scorer cannot be made of itself"
        )
    record: dict[str, Any] = read_description(here)
    names = [located(name, here) for name in record.get("scorers", [record.get("scorer")])]
    scorers = _all(names, device, (*inside, here))
    try:
        if record["kind"] == "ensemble":
            return EnsembleScorer(scorers, record.get("weights"))
        if record["kind"] == "cross-fitted":
            return CrossFittedScorer(scorers, record.get("folds"))
        wanted = record.get("scorer_fingerprint")
        if wanted is not None and scorers[0].fingerprint != wanted:
            raise ValueError(f"the scorer {names[0]!r} has changed since the knots were fitted to it; fit them again")
        return NormalisedScorer(scorers[0], record["knots"])
    except ValueError as error:
        raise ValueError(f"{NAME} in {str(folder)!r}: {error}") from error
