"""Summary of a growing-batch run: what it gained on the test sources since its supervised policy and above controls."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from experiments.reports.corpus_scores import CORPUS_SCORES

Row = dict[str, Any]


def summary(steps: Sequence[Row], controls: Sequence[Row], reranked: Mapping[str, float]) -> dict[str, float | None]:
    """What the run gained on the test sources: final against supervised policy, and against the best control.

    ``shortfall_closed`` is the share of what the supervised policy lacked to a mean reward of 1, None where it lacked
    nothing; the gain above the control takes off what the same tokens give without Grow. ``gap_to_best_of_n_closed``
    is how far one sample of the last policy comes from the mean to the best of N samples of the supervised one.

    Args:
        steps: Measures of the supervised policy and of the final one.
        controls: Measures of the arms' last policies.
        reranked: Mean and best reward of N samples of the supervised policy.
    """
    sampled = rows_of_test(steps, "sample")
    first, last = sampled[0], sampled[-1]
    lacking, gap = 1 - first["reward"], reranked["best"] - reranked["mean"]
    gains: dict[str, float | None] = {
        "reward_before": first["reward"],
        "reward_after": last["reward"],
        "shortfall_closed": (last["reward"] - first["reward"]) / lacking if lacking else None,
        "best_of_n_before": reranked["best"],
        "gap_to_best_of_n_closed": (last["reward"] - reranked["mean"]) / gap if gap else None,
        "sample_bleu_change": last["bleu"] - first["bleu"],
        **_of_likeliest(steps, controls, "greedy"),
        **_of_likeliest(steps, controls, "beam"),
    }
    if first["judge"] is not None:
        gains |= {"judge_before": first["judge"], "judge_after": last["judge"]}
    if first["oracle"] is not None:
        risen = last["reward"] - first["reward"]
        gains |= {
            "oracle_before": first["oracle"],
            "oracle_after": last["oracle"],
            "oracle_gain_to_reward_gain": (last["oracle"] - first["oracle"]) / risen if risen else None,
        }
    if controls:
        best = max(row["reward"] for row in rows_of_test(controls, "sample"))
        gains |= {
            "reward_best_control": best,
            "shortfall_closed_by_best_control": (best - first["reward"]) / lacking if lacking else None,
            "shortfall_closed_above_best_control": (last["reward"] - best) / lacking if lacking else None,
        }
    return gains


def _of_likeliest(steps: Sequence[Row], controls: Sequence[Row], decode: str) -> dict[str, float | None]:
    """Changes of the corpus scores of greedy translations or those by beam search, and their lengths; none unmeasured.

    How far an error rate is below that of the best control is counted as a gain.
    """
    rows, others = rows_of_test(steps, decode), rows_of_test(controls, decode)
    if not rows:
        return {}
    first, last = rows[0], rows[-1]
    gains: dict[str, float | None] = {f"{decode}_{name}_change": last[name] - first[name] for name in CORPUS_SCORES}
    gains |= {
        f"{decode}_length_ratio_before": first["length_ratio"],
        f"{decode}_length_ratio_after": last["length_ratio"],
    }
    if others:
        for name, score in CORPUS_SCORES.items():
            best = max(score.sign * row[name] for row in others)
            side = "above" if score.sign > 0 else "below"
            gains[f"{decode}_{name}_{side}_best_control"] = score.sign * last[name] - best
    return gains


def rows_of_test(rows: Sequence[Row], decode: str) -> list[Row]:
    """Those of the test sources by one decoding."""
    return [row for row in rows if (row["split"], row["decode"]) == ("test", decode)]
