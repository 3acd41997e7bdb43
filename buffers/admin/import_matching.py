"""Rollouts against a task: whose sources their prompts are, and what its tokenizer makes of their completions."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple, get_args

import numpy as np

from buffers.growing.source_rows import drawable_rows, source_texts
from buffers.interop.rollouts import Rollout
from buffers.storage.trajectories import LOG_PROB_TOLERANCE
from seq2seq_env.messages import PromptTemplate
from seq2seq_env.suggestions import check_name
from seq2seq_env.tasks.task import SOURCE_ONLY, Task
from seq2seq_env.tokenization.tokenizer import Tokenizer
from seq2seq_env.writing import shortened

Drop = Literal["foreign", "long", "unscored"]
"""Why a rollout may be left out: its source is none of the task's, its target is too long, or it has no reward."""

REMEDIES: dict[Drop, str] = {
    "foreign": "give the task and the template of these prompts (--task, --task-options, --prompt-template)",
    "long": "give a task that allows more",
    "unscored": "give a scorer (--scorer), or name the reward that is there (--reward)",
}
"""What helps against each, other than leaving it out."""


class Target(NamedTuple):
    """A completion in the task's tokens."""

    tokens: list[int]
    """End-of-sequence included where terminated."""
    terminated: bool
    """False where a length limit cut it."""
    log_probs: Sequence[float] | None
    """Of the tokens; None where there are none of these tokens."""
    is_encoded_anew: bool
    """Whether the file's tokens are other ones."""


@dataclass(frozen=True)
class Match:
    """A rollout of a task's source.

    Attributes:
        rollout: As it was read.
        row: Of the source, as :mod:`buffers.growing.source_rows` numbers them.
        target: Its completion.
    """

    rollout: Rollout
    row: int
    target: Target


def match(
    rollouts: Sequence[Rollout], task: Task, template: PromptTemplate, drop: Sequence[Drop], *, need_reward: bool
) -> tuple[list[Match], dict[Drop, int]]:
    """The rollouts that fit a task, in their order, and how many were left out for each reason.

    Raises:
        ValueError: If one does not fit for another reason than those of ``drop``, naming the first, or none fits.
    """
    for reason in drop:
        check_name("reason to drop", reason, get_args(Drop))
    rows = _rows(rollouts, task, template)
    problems: Mapping[Drop, list[str]] = {reason: [] for reason in get_args(Drop)}
    fitting = []
    for rollout, row in zip(rollouts, rows, strict=True):
        if isinstance(row, str):
            problems["foreign"].append(f"{rollout.place}: {row}")
        elif need_reward and rollout.reward is None:
            problems["unscored"].append(f"{rollout.place}: it has no reward (missing, null or NaN)")
        else:
            fitting.append((rollout, row))
    matches = []
    targets = _targets([rollout for rollout, _ in fitting], task.tokenizer)
    for (rollout, row), target in zip(fitting, targets, strict=True):
        if len(target.tokens) > task.max_target_length:
            problems["long"].append(
                f"{rollout.place}: its target has {len(target.tokens)} tokens, {task.max_target_length} are allowed"
            )
        else:
            matches.append(Match(rollout, row, target))
    for reason, some in problems.items():
        if some and reason not in drop:
            more = f" (so are {len(some) - 1} more of {len(rollouts)})" if len(some) > 1 else ""
            raise ValueError(f"{some[0]}{more}; {REMEDIES[reason]}, or leave such out (--drop {reason})")
    if not matches:
        first = next(problem for some in problems.values() for problem in some)
        raise ValueError(f"all {len(rollouts)} rollouts would be left out; the first: {first}")
    return matches, {reason: len(some) for reason, some in problems.items()}


def same_text(text: str, other: str | None) -> bool:
    """Whether two texts are equal but for spaces around them; what is not known is taken to be."""
    return other is None or text.strip() == other.strip()


def _rows(rollouts: Sequence[Rollout], task: Task, template: PromptTemplate) -> list[int | str]:
    """Row of each rollout's source, or why it has none."""
    sources = [None if each.prompt is None else template.source_of(each.prompt) for each in rollouts]
    known = _known_rows(task, {text for source in sources if source is not None for text in (source, source.strip())})
    exported = _exported_rows(rollouts, task)
    rows: list[int | str] = []
    for rollout, source, numbered in zip(rollouts, sources, exported, strict=True):
        if numbered is not None:
            rows.append(numbered)
        elif rollout.prompt is None:
            rows.append(
                f"row {rollout.source_row} of task {task.name!r} has no such source tokens, and there is no text"
            )
        elif source is None:
            rows.append(
                f"its prompt {shortened(rollout.prompt)} does not match the template {shortened(template.text)}"
            )
        else:
            row = known.get(source, known.get(source.strip()))
            rows.append(f"{shortened(source)} is no source that task {task.name!r} grows from" if row is None else row)
    return rows


def _known_rows(task: Task, wanted: set[str]) -> dict[str, int]:
    """The first row of each text that is a source of the task."""
    rows: dict[str, int] = {}
    for first, split in ((0, "train"), (task.size("train"), SOURCE_ONLY)):
        if wanted and split in task.splits:
            for row, text in enumerate(task.split(split).sources, first):
                if text in wanted:
                    rows.setdefault(text, row)
    return rows


def _exported_rows(rollouts: Sequence[Rollout], task: Task) -> list[int | None]:
    """The row that a rollout names, where the task has a source of just these tokens there."""
    available = drawable_rows(task, "both" if task.has_source_only else "train")
    named = sorted(
        {each.source_row for each in rollouts if each.source_row is not None and each.source_row in available}
    )
    texts = source_texts(task, np.array(named, dtype=np.int64)) if named else []
    sources = dict(zip(named, task.tokenizer.encode(texts), strict=True)) if named else {}
    rows: list[int | None] = []
    for each in rollouts:
        row, ids = each.source_row, each.source_ids
        rows.append(row if row is not None and ids is not None and sources.get(row) == list(ids) else None)
    return rows


def _targets(rollouts: Sequence[Rollout], tokenizer: Tokenizer) -> list[Target]:
    stored = [each.token_ids if _may_be_target(each, tokenizer) else None for each in rollouts]
    decoded = iter(tokenizer.decode([ids for ids in stored if ids is not None]))
    same = [
        ids is not None and same_text(next(decoded), each.completion)
        for ids, each in zip(stored, rollouts, strict=True)
    ]
    texts = [each.completion for is_same, each in zip(same, rollouts, strict=True) if not is_same]
    for is_same, each in zip(same, rollouts, strict=True):
        if not is_same and each.completion is None:
            raise ValueError(f"{each.place}: its target tokens are none of the task's tokenizer, and there is no text")
    encoded = iter(tokenizer.encode_targets([text for text in texts if text is not None]))
    return [
        _kept(each, tokenizer) if is_same else _encoded(each, next(encoded))
        for is_same, each in zip(same, rollouts, strict=True)
    ]


def _may_be_target(rollout: Rollout, tokenizer: Tokenizer) -> bool:
    """Whether the stored ids are a target as the environment writes one: an end, and that last, unless it was cut."""
    ids = rollout.token_ids
    if not ids or any(not 0 <= token < tokenizer.vocab_size or token in tokenizer.never_written for token in ids):
        return False
    ends = ids[-1] == tokenizer.eos_id
    # Without an end that was sampled, the last log-probability is missing, unless there was none.
    return tokenizer.eos_id not in ids[:-1] and (ends or rollout.truncated is True)


def _kept(rollout: Rollout, tokenizer: Tokenizer) -> Target:
    tokens, log_probs = list(rollout.token_ids or ()), rollout.log_probs
    if rollout.truncated is True and tokens[-1] == tokenizer.eos_id:
        raise ValueError(
            f"{rollout.place}: it says that its target was cut, and the target's last token is end-of-sequence "
            f"({tokenizer.eos_id}); correct one of the two, or leave it out of the file"
        )
    if log_probs is not None and len(log_probs) != len(tokens):
        raise ValueError(f"{rollout.place}: it has {len(log_probs)} log-probabilities for {len(tokens)} tokens")
    for value in log_probs or ():
        if not (math.isfinite(value) and value <= LOG_PROB_TOLERANCE):
            raise ValueError(f"{rollout.place}: {value} is no logarithm of a probability; leave log_probs out there")
    return Target(tokens, terminated=rollout.truncated is not True, log_probs=log_probs, is_encoded_anew=False)


def _encoded(rollout: Rollout, tokens: list[int]) -> Target:
    is_cut = rollout.truncated is True and len(tokens) > 1
    return Target(
        tokens[:-1] if is_cut else tokens,
        terminated=not is_cut,
        log_probs=None,
        is_encoded_anew=rollout.token_ids is not None or rollout.log_probs is not None,
    )
