"""What a finished run says of one of its policies, for a model card: data, training, measures, controls, intervals."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

RESULTS = "results.json"
"""File of a finished run's results, beside the folder of its policies."""

GATED = "gated"
"""Checkpoint that a run fell back to, a copy of the policy of the stage that its results call final."""

_MEASURES = {
    "reward": "learned reward", "oracle": "true quality", "judge": "judge", "bleu": "BLEU", "chrf": "chrF",
    "ter": "TER",
}  # fmt: skip
_DECIMALS = {"bleu": 1, "chrf": 1, "ter": 1}
_ERRORS = ("ter",)
_STAGE = re.compile(r"g(\d+)i(\d+)")

Row = Mapping[str, Any]


def run_evaluation(folder: Path) -> str | None:
    """Markdown on a policy of a finished run.

    Args:
        folder: The policy's, within a run's ``checkpoints/``.

    Returns:
        None for a policy of no run, or of one that is not finished or did not measure it.

    Raises:
        ValueError: If the run's results cannot be read.
    """
    path = folder.resolve().parent.parent / RESULTS
    if not path.is_file():
        return None
    try:
        results = json.loads(path.read_text("utf-8"))
        config, rows = results["config"], [_named(row) for row in (*results["steps"], *results["controls"])]
        tested = [row for row in rows if row["split"] == "test"]
        name = results["final"] if folder.name == GATED else folder.name
        if name not in {row["step"] for row in tested}:
            return None
        parts = [_training(config, name, rows), _table(name, tested)]
        if name == results["final"]:
            parts += _evidence(results["evidence"])
        parts.append(
            "The learned reward is the scorer's, which the training raised and which may be fooled; the other measures "
            f"decided nothing; of TER less is better. BLEU `{results['sacrebleu'].get('bleu')}`, chrF "
            f"`{results['sacrebleu'].get('chrf')}`, TER `{results['sacrebleu'].get('ter')}`."
        )
    except (ValueError, KeyError, TypeError) as error:
        raise ValueError(f"{str(path)!r} is not what a run writes ({error!r}); run it to its end again") from error
    return "\n\n".join(parts)


def _named(row: Row) -> dict[str, Any]:
    """A row of the results under its policy's name."""
    name = f"control-{row['step']}" if "step" in row else f"g{row['grow']}i{row['improve']}"
    return {**row, "step": name}


def _training(config: Row, name: str, rows: Sequence[Row]) -> str:
    options = ", ".join(f"{key} {value}" for key, value in config["task_options"].items())
    data = f"Data: task `{config['task']}`{f' ({options})' if options else ''}, `{config['task_fingerprint'][:12]}`."
    name_of_scorer = config["scorer"] or "the task's own"
    scorer = f"Scorer of the rewards: {name_of_scorer}, `{config['scorer_fingerprint'][:12]}`."
    stages = list(dict.fromkeys(row["step"] for row in rows if _STAGE.fullmatch(row["step"])))
    tokens = {row["step"]: row["train_tokens"] for row in rows}
    step = _STAGE.fullmatch(name)
    if step is None:
        what = (
            f"A control, trained on other data for as long ({tokens[name]:,} target tokens after the supervised ones)."
        )
    elif step[2] == "0":
        what = f"The supervised policy ({tokens[name]:,} target tokens)."
    else:
        spent = sum(tokens[each] for each in stages[1 : stages.index(name) + 1])
        what = (
            f"Improve step {step[2]} of Grow step {step[1]} of ReST (arXiv 2308.08998), of {config['improve_steps']} "
            f"and {config['grow_steps']}; agent `{config['agent']}`, {config['candidates']} samples of each source at "
            f"temperature {config['temperature']}, filter `{config['filter']}`; {spent:,} target tokens after the "
            "supervised ones."
        )
    return f"{what} Seed {config['seed']}.\n\n{data} {scorer}"


def _table(name: str, tested: Sequence[Row]) -> str:
    """The policy beside the supervised one and the controls, on the test sources."""
    shown = [row for row in tested if row["step"] in (name, "g0i0") or row["step"].startswith("control-")]
    columns = [each for each in _MEASURES if any(row[each] is not None for row in shown)]
    head = ["policy", "decoding", *(_MEASURES[each] for each in columns)]
    cells = (
        [f"**{row['step']}**" if row["step"] == name else row["step"], row["decode"], *_numbers(row, columns)]
        for row in shown
    )
    lines = ["Test sources; g0i0 is the supervised policy, controls trained as long on other data.", ""]
    return "\n".join([*lines, _line(head), "|" + "---|" * len(head), *map(_line, cells)])


def _evidence(evidence: Sequence[Row]) -> list[str]:
    """What stands above the best control, with 95 % intervals over the test sources."""
    lines = []
    for each in evidence:
        mean, low, high = each["difference"][:3]
        side, shown = ("below", high < 0) if each["measure"] in _ERRORS else ("above", low > 0)
        rest, best = (_number(each["measure"], each[whose]) for whose in ("rest", "best"))
        by, lower, upper = (_number(each["measure"], value, "+") for value in (mean, low, high))
        lines.append(
            f"- {each['decode']} {_MEASURES[each['measure']]}: {rest}, {'' if shown else 'NOT SHOWN to be '}{side} the "
            f"best control, {each['control']} ({best}), by {by} [{lower}, {upper}]"
        )
    if not lines:
        return ["No control was trained, so nothing is shown of what raised the numbers."]
    return ["Against the best control, with 95 % intervals over the test sources of this one run:", "\n".join(lines)]


def _numbers(row: Row, columns: Iterable[str]) -> list[str]:
    return ["-" if row[each] is None else _number(each, row[each]) for each in columns]


def _number(measure: str, value: float, sign: str = "") -> str:
    return f"{value:{sign}.{_DECIMALS.get(measure, 3)}f}"


def _line(cells: Iterable[str]) -> str:
    return f"| {' | '.join(cells)} |"
