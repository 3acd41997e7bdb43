"""Other trainers' rollouts as a Grow step of a buffer of their own: ``python -m buffers import``."""

from __future__ import annotations

import hashlib
import json
import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from buffers.admin.import_matching import Drop, Match, match, same_text
from buffers.growing.plan import score_once
from buffers.growing.source_rows import source_texts
from buffers.growing_batch import GrowingBatchBuffer
from buffers.interop.atomic_write import atomic_write, check_free
from buffers.interop.rollout_formats import RolloutFormat, read_rollouts, rollout_files
from buffers.interop.rows import Row, join
from buffers.storage.arrays import MOST_TEXT
from buffers.storage.encoding import encode_sources
from buffers.storage.object_store import local_folder, object_store
from buffers.storage.provenance import UNKNOWN, GrowFrom, Provenance
from buffers.storage.tokenizer_folder import keep_tokenizer, tokenizer_folder
from seq2seq_env.messages import PromptTemplate
from seq2seq_env.progress import progress_bar
from seq2seq_env.scorers.scorer import Scorer
from seq2seq_env.tasks.task import Task

SOURCES_PER_SHARD = 512
"""Of the shards of an imported Grow step."""


@dataclass(frozen=True)
class Imported:
    """What was brought in.

    Attributes:
        path: The buffer's folder.
        origin: Whose format the files had.
        rollouts: Read.
        dropped: Of these, left out, by reason.
        trajectories: Stored.
        sources: Distinct.
        compared_sources: Of these, with at least two samples.
        tokens: Of the targets.
        with_log_prob: Trajectories whose log-probabilities came with their tokens.
        other_tokens: Trajectories whose stored tokens, or log-probabilities of tokens that are not stored, are not the
            task's tokenizer's, so that their texts were encoded and have no log-probabilities.
        other_texts: Targets that decode to another text than the file has: unknown words, say.
        mean_reward: In [0, 1].
        temperature: Of the sampling; None where nobody recorded it.
        unknown: What nobody recorded: "policy", "seed", "temperature", "scorer", and "cut", whether a length limit cut
            a target; where that is unknown, it is taken to have ended by itself.
    """

    path: str
    origin: RolloutFormat
    rollouts: int
    dropped: dict[Drop, int]
    trajectories: int
    sources: int
    compared_sources: int
    tokens: int
    with_log_prob: int
    other_tokens: int
    other_texts: int
    mean_reward: float
    temperature: float | None
    unknown: list[str]


def import_rollouts(
    files: Sequence[str | Path],
    origin: RolloutFormat,
    out: str | Path,
    task: Task,
    *,
    prompt_template: str = "{source}",
    reward: Sequence[str] = (),
    reward_range: tuple[float, float] | None = None,
    scorer: Scorer | None = None,
    temperature: float | None = None,
    log_probs: bool = True,
    drop: Sequence[Drop] = (),
    grow_step: int = 1,
    progress: bool = True,
) -> Imported:
    """Make a buffer of rollouts that another trainer left, as one Grow step; all of it is there in the end, or nothing.

    What nobody recorded is said to be unknown. A file's tokens are kept, with their log-probabilities, where the task's
    tokenizer reads them as the text that stands beside; elsewhere it encodes the text, and log-probabilities are NaN.
    Rollouts are held in memory.

    Args:
        files: Or folders of them.
        origin: Whose format they have.
        out: Folder of the buffer to make.
        task: Whose sources the prompts are of, and whose tokenizer encodes.
        prompt_template: What a prompt is made of; ``{source}`` stands for the source.
        reward: Names of the rewards, whose sum is taken; see :func:`buffers.interop.rollout_formats.read_rollouts`.
        reward_range: What to map on 0 and on 1, linearly; None takes rewards as they are.
        scorer: Rates the targets, in place of the files' rewards.
        temperature: That was sampled at; None takes what all files say.
        log_probs: Whether to keep those that fit.
        drop: Reasons to leave a rollout out rather than to refuse the files: a "foreign" prompt, a target that is too
            "long", one that is "unscored".
        grow_step: Number of the Grow step.
        progress: Show sources done.

    Raises:
        ImportError: If pyarrow is not installed and needed.
        OSError: If ``out`` is there, or a file cannot be read or written.
        ValueError: If ``out`` is an object store, a file is named twice, is corrupt or foreign, a rollout lacks
            something, contradicts itself or does not fit the task, a reward or a temperature is out of range, the
            template is too long to be recorded, or nothing is left.
    """
    template = PromptTemplate(prompt_template)
    if reward_range is not None and not -math.inf < reward_range[0] < reward_range[1] < math.inf:
        raise ValueError(f"the reward range is {reward_range[0]:g} to {reward_range[1]:g}; give the lower number first")
    folder = _folder_to_make(out)
    # What is read is no part of the writing, whose errors name the folder.
    paths = _paths(files, origin)
    rollouts = list(read_rollouts(paths, origin, None if scorer else reward))
    if not rollouts:
        raise ValueError(f"there are no rollouts in {', '.join(map(str, files))}; name the files that hold some")
    matches, dropped = match(rollouts, task, template, drop, need_reward=scorer is None)
    if not log_probs:
        matches = [replace(each, target=each.target._replace(log_probs=None)) for each in matches]
    matches.sort(key=lambda each: each.row)  # stable: candidates stay in the order of the files
    texts = task.tokenizer.decode([each.target.tokens for each in matches])
    settings = {"prompt_template": prompt_template, "reward": list(reward), "reward_range": reward_range}
    counted = {"rollouts": len(rollouts), "dropped": dropped}
    record = _record({"from": origin, "files_sha256": _digest(paths), **counted, **settings})
    rewards = _scored(matches, texts, task, scorer) if scorer else _mapped(matches, reward_range)
    recorded = _temperature(matches) if temperature is None else temperature
    provenance = Provenance(
        task=task.name,
        task_fingerprint=task.fingerprint,
        tokenizer_fingerprint=task.tokenizer.fingerprint,
        tokenizer_folder=tokenizer_folder(task.tokenizer),
        pad_id=task.tokenizer.pad_id,
        policy_fingerprint=UNKNOWN,
        sampler=f"imported from {origin}",
        scorer_fingerprint=scorer.fingerprint if scorer else UNKNOWN,
        temperature=math.nan if recorded is None else float(recorded),
        grow_from=_drawn_from(matches, task),
        candidates=max(_samples(matches).values(), default=0),
        references=int(any(each.rollout.is_reference for each in matches)),
        num_sources=len({each.row for each in matches}),
        sources_per_shard=SOURCES_PER_SHARD,
        seed=0,
        grow_step=grow_step,
        shard_index=0,
        imported=record,
    )
    with atomic_write(folder) as partial:
        keep_tokenizer(partial, task.tokenizer)
        _write(GrowingBatchBuffer(partial, task=task), provenance, matches, rewards, task, progress=progress)
    lacking = {
        "policy": True,
        "seed": True,
        "temperature": recorded is None,
        "scorer": scorer is None,
        "cut": any(each.rollout.truncated is None for each in matches),
    }
    return Imported(
        path=str(folder),
        origin=origin,
        rollouts=len(rollouts),
        dropped=dropped,
        trajectories=len(matches),
        sources=provenance.num_sources,
        compared_sources=sum(count > 1 for count in _samples(matches).values()),
        tokens=sum(len(each.target.tokens) for each in matches),
        with_log_prob=sum(each.target.log_probs is not None for each in matches),
        other_tokens=sum(each.target.is_encoded_anew for each in matches),
        other_texts=sum(
            not same_text(text, each.rollout.completion) for text, each in zip(texts, matches, strict=True)
        ),
        mean_reward=float(rewards.mean(dtype=np.float64)),
        temperature=recorded,
        unknown=[name for name, is_unknown in lacking.items() if is_unknown],
    )


def _folder_to_make(out: str | Path) -> Path:
    """Where nothing is yet, on this machine."""
    if object_store(out) is not None:
        raise ValueError(
            f"{str(out)!r} is an object store, and import makes a folder; name one, and append its shards to a buffer "
            "in the store"
        )
    folder = local_folder(out)
    check_free(folder)
    return folder


def _paths(files: Sequence[str | Path], origin: RolloutFormat) -> list[Path]:
    """The files that are named, and those in folders that are named, each once."""
    paths: dict[Path, Path] = {}
    for path in (path for file in files for path in rollout_files(Path(file), origin)):
        if path.resolve() in paths:
            raise ValueError(
                f"{str(path)!r} is named a second time (as {str(paths[path.resolve()])!r} before), and its rollouts "
                "would count twice; name it once"
            )
        paths[path.resolve()] = path
    return [*paths.values()]


def _record(said: Mapping[str, object]) -> str:
    """What a shard says of the import, as JSON.

    Raises:
        ValueError: If it does not fit into an attribute.
    """
    text = json.dumps(said, ensure_ascii=False)  # an escaped character may take twice its bytes
    size = len(text.encode())
    if size > MOST_TEXT:
        raise ValueError(
            f"what a shard says of the import would take {size} bytes, above {MOST_TEXT}; give a shorter "
            "prompt_template (--prompt-template), or fewer rewards (--reward)"
        )
    return text


def _mapped(matches: Sequence[Match], reward_range: tuple[float, float] | None) -> NDArray[np.float32]:
    """float32 [n], the files' rewards in [0, 1]."""
    low, high = reward_range or (0.0, 1.0)
    values = np.array([each.rollout.reward for each in matches], dtype=np.float64)
    outside = np.flatnonzero(~((values >= low) & (values <= high)))
    if outside.size:
        raise ValueError(
            f"{matches[outside[0]].rollout.place}: its reward is {values[outside[0]]:g}, outside {low:g} to {high:g}; "
            f"the files have {values.min():g} to {values.max():g}: give what maps on 0 and on 1 (--reward-range)"
        )
    return ((values - low) / (high - low)).astype(np.float32)


def _scored(matches: Sequence[Match], texts: Sequence[str], task: Task, scorer: Scorer) -> NDArray[np.float32]:
    """float32 [n]; rewards belong to the tokens, so targets are scored as they decode."""
    sources = source_texts(task, np.array([each.row for each in matches], dtype=np.int64))
    return score_once(scorer, sources, texts)


def _samples(matches: Sequence[Match]) -> Counter[int]:
    """How many samples each source has."""
    return Counter(each.row for each in matches if not each.rollout.is_reference)


def _temperature(matches: Sequence[Match]) -> float | None:
    """The temperature that all rollouts record."""
    recorded = {each.rollout.temperature for each in matches}
    return recorded.pop() if len(recorded) == 1 else None


def _drawn_from(matches: Sequence[Match], task: Task) -> GrowFrom:
    paired = task.size("train")
    kinds = {each.row < paired for each in matches}
    if len(kinds) > 1:
        return "both"
    return "train" if kinds.pop() else "source-only"


def _digest(paths: Sequence[Path]) -> str:
    """Of the names and contents of all files, in order."""
    digest = hashlib.sha256()
    for path in paths:
        with path.open("rb") as content:
            digest.update(f"{path.name} {hashlib.file_digest(content, 'sha256').hexdigest()}\n".encode())
    return digest.hexdigest()


def _write(
    buffer: GrowingBatchBuffer,
    provenance: Provenance,
    matches: Sequence[Match],
    rewards: NDArray[np.float32],
    task: Task,
    *,
    progress: bool,
) -> None:
    """The shards, each of all trajectories of its sources, which come in order."""
    rows = np.array([each.row for each in matches], dtype=np.int64)
    sources = np.unique(rows)
    with progress_bar(total=len(sources), unit="source", desc="import", shown=progress) as bar:
        for unit in range(provenance.planned_shards):
            some = sources[unit * SOURCES_PER_SHARD : (unit + 1) * SOURCES_PER_SHARD]
            texts = source_texts(task, some)
            encoded = encode_sources(texts, some.tolist(), task.tokenizer, task.max_source_length)
            tokens = {row: np.array(ids, dtype=np.int32) for row, ids in zip(some.tolist(), encoded, strict=True)}
            low, high = np.searchsorted(rows, some[0]), np.searchsorted(rows, some[-1], side="right")
            trajectories = join([_row(matches[i], tokens[matches[i].row], rewards[i]) for i in range(low, high)])
            buffer.append(trajectories, replace(provenance, shard_index=unit))
            bar.update(len(some))


def _row(each: Match, source: NDArray[np.int32], reward: np.float32) -> Row:
    target = each.target
    log_probs = [math.nan] * len(target.tokens) if target.log_probs is None else target.log_probs
    return Row(
        source_index=each.row,
        source_tokens=source,
        target_tokens=np.array(target.tokens, dtype=np.int32),
        log_prob=np.array(log_probs, dtype=np.float32),
        reward=reward,
        terminated=target.terminated,
        is_reference=each.rollout.is_reference,
    )
