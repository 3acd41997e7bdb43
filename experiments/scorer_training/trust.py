"""Trust in a scorer as a reward: what its own report says against it, or the pairs that it counts."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from experiments.scorer_training.make_scorer import REPORT
from seq2seq_env.atomic_files import read_json
from seq2seq_env.scorers.loading import has_kind, load_scorer, parts_of
from seq2seq_env.scorers.models.lexical import spread
from seq2seq_env.scorers.scorer import Scorer
from seq2seq_env.tasks import Split, Task

LEAST = 0.6
"""Share of pairs of hypotheses that a scorer must put in the right order, and of right translations whose score must
fall when they are corrupted: chance is a half, and a filter would keep what is worse nearly as often as what is
better."""

FEWEST_CASES = 30
"""Of a unit test that counts; the share of fewer may be below :data:`LEAST` by luck."""

COMPARED = 300
"""Validation references, spread evenly over the split, that are compared with those of other sources at most: enough
that chance stays below :data:`LEAST`."""

REMEDY = (
    "give it more pairs, more passes or repeats (--estimator.epochs, --estimator.repeats 2) or ratings "
    "(--estimator.ratings), or take a scorer of another make"
)


def weaknesses(report: Mapping[str, Any]) -> list[str]:
    """What speaks against a scorer as a reward, with the numbers; nothing where it can be trusted as far as is known.

    Unit tests that no scorer is trained on do not count.

    Args:
        report: As ``train_scorer.py`` writes it.
    """
    from experiments.scorer_training.corruptions import UNIT_TESTS  # whose number words a run does without

    faults = []
    for agreement in report.get("agreement", {}).values():
        accuracy = agreement.get("pairwise")
        if accuracy is not None and accuracy < LEAST:
            faults.append(f"within-source accuracy {accuracy:.3f} (chance is 0.5, {LEAST} is needed)")
    for name, test in report.get("unit_tests", {}).items():
        falls = test.get("falls")
        if name in UNIT_TESTS and falls is not None and test["cases"] >= FEWEST_CASES and falls < LEAST:
            faults.append(
                f"the score falls for {falls:.0%} of {test['cases']} cases of {name!r} ({LEAST:.0%} is needed)"
            )
    return faults


def losses(before: Mapping[str, Any], after: Mapping[str, Any]) -> list[str]:
    """What speaks against a scorer that was trained further and not against the one before, of their unit tests.

    Args:
        before: By the kind of corruption, as a report has them.
        after: Likewise.
    """
    passed = {name: test for name, test in after.items() if not weaknesses({"unit_tests": {name: before[name]}})}
    return weaknesses({"unit_tests": passed})


def check_reward(name: str) -> None:
    """Refuse a scorer as a reward that its own report calls near chance, or that of a scorer it is made of.

    One without a report passes.

    Args:
        name: As ``load_scorer`` takes it.

    Raises:
        ValueError: If it is one.
    """
    for place in map(Path, filter(_is_measured, parts_of(name, is_whole=_is_measured))):
        if faults := weaknesses(read_json(place / REPORT)):
            raise ValueError(
                f"the scorer in {str(place.resolve())!r} is near chance by its own {REPORT}: {'; '.join(faults)}; "
                f"{REMEDY}, or take it all the same with --force-scorer"
            )


def check_counts(name: str, task: Task) -> None:
    """Refuse counts of words as a reward, or as a part of one, by which a reference is no better than another source's.

    They have no report. Fewer than :data:`FEWEST_CASES` validation references say nothing.

    Args:
        name: As ``load_scorer`` takes it.
        task: Whose training pairs are counted.

    Raises:
        ValueError: If it is one.
    """
    for part in parts_of(name, is_whole=_is_measured):
        if not has_kind(part) or part.partition(":")[0] != "lexical":
            continue
        cases, share = _preferred(load_scorer(part, task=task), task.split("validation"))
        if cases >= FEWEST_CASES and share < LEAST:
            raise ValueError(
                f"the scorer {part!r} is near chance: it rates {share:.0%} of {cases} validation references above "
                f"another source's ({LEAST:.0%} is needed), so the two files may not be aligned line by line; mend "
                "them, give more pairs, or take it all the same with --force-scorer"
            )


def _preferred(scorer: Scorer, split: Split) -> tuple[int, float]:
    """Number of references that are compared with the next one, and the share rated above it; a tie is half a one."""
    rows = spread(len(split), COMPARED)
    pairs = [(split.sources[row], split.references[row]) for row in rows]
    compared = [
        (source, own, other)
        for (source, own), (next_source, other) in zip(pairs, [*pairs[1:], *pairs[:1]], strict=True)
        if source != next_source and own != other
    ]
    if not compared:
        return 0, 0.5
    sources, own, other = (list(texts) for texts in zip(*compared, strict=True))
    above = np.sign(scorer.score(sources, own) - scorer.score(sources, other))
    return len(compared), float((above.mean() + 1) / 2)


def _is_measured(name: str) -> bool:
    """Whether a name is that of a folder with a report, which speaks of all that is in it."""
    return not has_kind(name) and (Path(name) / REPORT).is_file()
