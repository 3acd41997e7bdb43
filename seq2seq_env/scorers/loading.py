"""The registry of scorers: a scorer from its name, as a command line, a task or ``scorer.json`` gives it.

A name is a key of ``SCORERS``, a folder, or a specification: a kind with a colon, its options as ``key=value``, and
what it is made of, separated as a shell would:

    metricx: tokenizer=models/mt5 models/metricx-24-hybrid-large
    process: timeout=60 uv run --no-project --with unbabel-comet score.py
    ensemble: weights=0.7,0.3 phrasebook-qe "metricx: models/metricx-24-hybrid-large"
    guarded: penalty=0.5 phrasebook-qe
    guarded: "pool: processes=4 phrasebook-qe"
    learned: compute_type=int8 phrasebook-qe
    cascade: gate=0.6 phrasebook-qe "metricx: models/metricx-24-hybrid-large"
    lexical: fluency=0.25
"""

from __future__ import annotations

import os
import shlex
from collections.abc import Callable, Iterator
from functools import partial
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

from seq2seq_env.scorers.description import NAME, read_description
from seq2seq_env.scorers.models.answer_checker import AnswerChecker
from seq2seq_env.scorers.models.learned import LearnedScorer
from seq2seq_env.scorers.predictor_estimator import estimator
from seq2seq_env.scorers.scorer import Scorer
from seq2seq_env.scorers.spec import ScorerKind, ScorerSpec, absolute
from seq2seq_env.scorers.wrappers.cross_fit import CrossFittedScorer
from seq2seq_env.scorers.wrappers.ensemble import EnsembleScorer
from seq2seq_env.scorers.wrappers.normalised import NormalisedScorer
from seq2seq_env.suggestions import suggestion

if TYPE_CHECKING:
    from seq2seq_env.tasks.task import Task

SCORERS: dict[str, Callable[[str], Scorer]] = {
    "phrasebook-qe": lambda device: LearnedScorer(Path(__file__).parent / "phrasebook_qe", device=device),
    "arithmetic-checker": lambda device: AnswerChecker(),
}
"""Name to a function of the device that makes the scorer."""

KINDS: dict[str, str] = {
    "learned": "seq2seq_env.scorers.models.learned:LearnedScorer",
    "process": "seq2seq_env.scorers.models.process:ProcessScorer",
    "metricx": "seq2seq_env.scorers.models.metricx:MetricXScorer",
    "ensemble": "seq2seq_env.scorers.wrappers.ensemble:EnsembleScorer",
    "guarded": "seq2seq_env.scorers.wrappers.guarded:GuardedScorer",
    "pool": "seq2seq_env.scorers.wrappers.pool:PoolScorer",
    "cascade": "seq2seq_env.scorers.wrappers.cascade:CascadeScorer",
    "lexical": "seq2seq_env.scorers.models.lexical:LexicalScorer",
}
"""Kind to where its class is, a :class:`ScorerKind`, imported when asked for."""

PROGRAM = "process"
"""The kind that runs a program."""

RUN_PROGRAMS = "SEQ2SEQ_ENV_RUN_PROGRAMS"
"""Environment variable that, set to 1, lets a folder's ``scorer.json`` name a program, which then runs."""


def load_scorer(name_or_path: str | Path, *, device: str = "cpu", task: Task | None = None) -> Scorer:
    """The scorer of that name: see :mod:`seq2seq_env.scorers.loading`.

    A folder holds a ``scorer.json`` (:mod:`seq2seq_env.scorers.description`) or the checkpoint of an
    :class:`EstimatorScorer` or a :class:`LearnedScorer`. A network is loaded, and a program started, at the first
    score; a checkpoint of the hub is downloaded at once.

    A folder may be somebody else's, so that a program is run only if the caller names it: one that a ``scorer.json``
    names is refused, unless the environment variable ``SEQ2SEQ_ENV_RUN_PROGRAMS`` is 1.

    Args:
        name_or_path: A key of ``SCORERS``, a folder, or a specification of one of ``KINDS``: ``process:`` and a
            command, ``metricx:`` and a folder or a name on the hub, ``lexical:``, ``ensemble:`` and several of these,
            ``guarded:``, ``pool:`` or ``learned:`` and one, or ``cascade:`` and two. The options of a kind are the
            keyword arguments of its class.
        device: Where it computes; a program decides that for itself.
        task: Whose sentences it is to rate; a guarded scorer takes its limits from the references, a lexical one counts
            the words of the pairs.

    Raises:
        ValueError: If it is neither a known name nor a folder, its kind is unknown, it cannot be read, names itself, or
            an option's value does not fit; or if a folder names a program.
        TypeError: If there is no such option.
        OSError: If a folder is no checkpoint or the hub cannot be reached.
    """
    return _load(str(name_or_path), device, (), task)


def has_kind(name: str) -> bool:
    """Whether a name begins with a kind and a colon."""
    kind, colon, _ = name.partition(":")
    return bool(colon) and kind in KINDS


def runs_program(name: str) -> bool:
    """Whether a program is in the scorer of that name, which can be loaded."""
    return has_part(name, PROGRAM)


def has_part(name: str, kind: str) -> bool:
    """Whether a scorer is of a kind, or one of those that it is made of is.

    Raises:
        ValueError: If a specification or a folder's ``scorer.json`` cannot be read.
    """
    return any(has_kind(part) and part.partition(":")[0] == kind for part in parts_of(name))


def parts_of(name: str, *, is_whole: Callable[[str], bool] = lambda name: False) -> Iterator[str]:
    """The name of a scorer and those of what it is made of, however deep; of a program, which is what it is, its own.

    Args:
        name: As :func:`load_scorer` takes it.
        is_whole: Whether to look no further into a scorer, by its name.

    Raises:
        ValueError: If a specification or a folder's ``scorer.json`` cannot be read.
    """
    todo, seen = [name], set[str]()
    while todo:
        part = todo.pop(0)
        if part in seen:  # a folder may lead back to itself
            continue
        seen.add(part)
        yield part
        if part not in SCORERS and not is_whole(part):
            todo += _words(part) if has_kind(part) else described_names(Path(part).resolve())


def _words(name: str) -> list[str]:
    spec = ScorerSpec.parse(name)
    return [] if spec.kind == PROGRAM else spec.words


def described_names(folder: Path) -> list[str]:
    """What the scorers are called, from everywhere, of which a folder's ``scorer.json`` makes one; none without it.

    Raises:
        ValueError: If the file cannot be read.
    """
    if not (folder / NAME).is_file():
        return []
    return _names(read_description(folder), folder)


def resolve(name: str, base: Path) -> str:
    """The name with what it finds in the folder ``base`` as absolute paths, so that it means the same elsewhere.

    Raises:
        ValueError: If it cannot be read.
    """
    if name in SCORERS:
        return name
    if not has_kind(name):
        return absolute(name, base)
    spec = ScorerSpec.parse(name)
    return str(_kind(spec.kind).resolve(spec, base, partial(resolve, base=base)))


def _kind(name: str) -> type[ScorerKind]:
    module, _, attribute = KINDS[name].partition(":")
    kind: type[ScorerKind] = getattr(import_module(module), attribute)
    return kind


def _load(name: str, device: str, inside: tuple[Path, ...], task: Task | None) -> Scorer:
    """``inside`` are the folders whose scorer.json led here."""
    if name in SCORERS:
        return SCORERS[name](device)
    if has_kind(name):
        spec = ScorerSpec.parse(name)
        if spec.kind == PROGRAM and inside and os.environ.get(RUN_PROGRAMS) != "1":
            raise ValueError(
                f"{NAME} in {str(inside[-1])!r} names the program {shlex.join(spec.words)!r}, which would run here; if "
                f"you trust it, set the environment variable {RUN_PROGRAMS}=1"
            )
        load = partial(_load, device=device, inside=inside, task=task)
        scorer = _kind(spec.kind).from_spec(spec, device=device, load=load)
        return scorer.for_task(task) if task is not None and isinstance(scorer, ScorerKind) else scorer
    folder = Path(name)
    if (folder / NAME).is_file():
        return _described(folder, device, inside, task)
    if (folder / estimator.RECORD).is_file():
        return estimator.EstimatorScorer(folder, device=device)
    if folder.is_dir():
        return LearnedScorer(folder, device=device)
    kinds = ", ".join(f"{kind}:" for kind in KINDS)
    kind, colon, _ = name.partition(":")
    if colon:
        raise ValueError(f"there is no kind of scorer {kind!r}; choose one of {kinds}{suggestion(kind, KINDS)}")
    raise ValueError(
        f"there is no scorer {name!r}; choose one of {', '.join(SCORERS)}, name a folder, or write one of {kinds} and "
        f"what it is made of{suggestion(name, SCORERS)}"
    )


def _names(record: dict[str, Any], folder: Path) -> list[str]:
    return [resolve(name, folder) for name in record.get("scorers", [record.get("scorer")])]


def _described(folder: Path, device: str, inside: tuple[Path, ...], task: Task | None) -> Scorer:
    here = folder.resolve()
    if here in inside:
        raise ValueError(
            f"{NAME} in {str(inside[-1])!r} leads back to {str(here)!r}; a scorer cannot be made of itself"
        )
    record: dict[str, Any] = read_description(here)
    names = _names(record, here)
    scorers = [_load(name, device, (*inside, here), task) for name in names]
    try:
        if record["kind"] == "ensemble":
            return EnsembleScorer(scorers, record.get("weights"))
        if record["kind"] == "cross-fitted":
            return CrossFittedScorer(scorers, record.get("folds"))
        wanted = record.get("scorer_fingerprint")
        if wanted is not None and scorers[0].fingerprint != wanted:
            raise ValueError(
                f"the scorer {names[0]!r} has changed since it was calibrated; run scorers calibrate again"
            )
        return NormalisedScorer(scorers[0], record["knots"])
    except ValueError as error:
        raise ValueError(f"{NAME} in {str(folder)!r}: {error}") from error
