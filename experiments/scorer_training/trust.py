"""Trust in a scorer as a reward: what its own report says against it."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from experiments.scorer_training.make_scorer import REPORT
from seq2seq_env.atomic_files import read_json
from seq2seq_env.scorers.loading import has_kind, parts_of

LEAST = 0.6
"""Share of pairs of hypotheses that a scorer must put in the right order, and of right translations whose score must
fall when they are corrupted: chance is a half, and a filter would keep what is worse nearly as often as what is
better."""

FEWEST_CASES = 30
"""Of a unit test that counts; the share of fewer may be below :data:`LEAST` by luck."""

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


def _is_measured(name: str) -> bool:
    """Whether a name is that of a folder with a report, which speaks of all that is in it."""
    return not has_kind(name) and (Path(name) / REPORT).is_file()
