"""Readers of other trainers' rollout files, a function for each format."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

from buffers.interop.json_lines import corrupt_line
from buffers.interop.rollouts import Rollout, mapping, numbers, objects, optional, real, reward_of
from seq2seq_env.extras import require
from seq2seq_env.messages import completion_text, message_text, prompt_text

RolloutFormat = Literal["trl", "verifiers", "nemo-gym", "jsonl"]
"""Whose files they are."""

NOT_REWARDS = ("step", "advantage")
"""Columns of numbers in TRL's tables that are no reward."""

Fields = dict[str, Any]
"""Fields of a :class:`Rollout` but its place."""


def rollout_files(path: Path, origin: RolloutFormat) -> list[Path]:
    """A file itself, or the files of the format in a folder, by name; hidden ones and copies of editors are none.

    Raises:
        ValueError: If a folder has none, or one both packed and not.
    """
    if not path.is_dir():
        return [path]
    endings = (".parquet",) if origin == "trl" else (".jsonl", ".jsonl.gz")
    files = sorted(file for ending in endings for file in path.glob(f"[!.]*{ending}"))
    if not files:
        raise ValueError(
            f"the folder {str(path)!r} has no *{' or *'.join(endings)}; name files, or the folder that holds them"
        )
    packed = {file.name for file in files}.intersection(f"{file.name}.gz" for file in files)
    if packed:
        name = min(packed)
        raise ValueError(
            f"the folder {str(path)!r} has {name.removesuffix('.gz')!r} and {name!r}, whose rollouts would count "
            "twice; name the files that are to be read"
        )
    return files


def read_rollouts(paths: Sequence[Path], origin: RolloutFormat, reward: Sequence[str] | None = ()) -> Iterator[Rollout]:
    """The rollouts of files.

    TRL logs the completions of one generation again at each step that trains on them; such a table, all but its step
    that of the file before, is left out.

    Args:
        paths: Parquet of TRL's, JSON Lines of the others', gzip where the name ends in ``.gz``.
        origin: Whose format it is.
        reward: Names of the rewards, whose sum is taken; by default ``reward``, of TRL's the only column of numbers
            that can be one; None leaves them out.

    Raises:
        ImportError: If pyarrow is not installed and needed.
        OSError: If a file cannot be read.
        ValueError: If one is corrupt, foreign or has no such reward, naming it and the line.
    """
    reward = None if reward is None else tuple(reward)  # an empty list is no other choice than an empty tuple
    before = None
    for path in paths:
        if origin == "trl":
            table = _table(path)
            contents = table.drop_columns([name for name in ("step",) if name in table.column_names])
            if before is None or not contents.equals(before):
                yield from _trl(path, table, reward)
            before = contents
        else:
            yield from _json_lines(path, origin, reward)


def _table(path: Path) -> Any:
    """A table that ``log_completions`` leaves in ``completions/``: prompts and completions, texts or messages."""
    parquet = require("pyarrow.parquet", "the format trl")
    try:
        table = parquet.read_table(path)
    except FileNotFoundError:
        raise
    except (ValueError, OSError) as error:
        raise ValueError(f"{str(path)!r} is corrupt or no Parquet file: {error}; log the completions anew") from error
    for name in ("prompt", "completion"):
        if name not in table.column_names:
            raise ValueError(f"{str(path)!r} has no column {name!r}; it is no table of TRL's log_completions")
    return table


def _trl(path: Path, table: Any, reward: Sequence[str] | None) -> Iterator[Rollout]:
    arrow = require("pyarrow", "the format trl")
    is_number = [arrow.types.is_floating(field.type) or arrow.types.is_integer(field.type) for field in table.schema]
    columns = [
        name for name, fits in zip(table.column_names, is_number, strict=True) if fits and name not in NOT_REWARDS
    ]
    missing = [name for name in reward or () if name not in columns]
    if missing:
        there = ", ".join(columns) or "none"
        raise ValueError(
            f"{str(path)!r} has no column of numbers {missing[0]!r}; of those that may be rewards: {there}"
        )
    if len(columns) > 1 and reward == ():
        raise ValueError(f"{str(path)!r} has the columns {', '.join(columns)}; name the rewards among them (--reward)")
    for number, record in enumerate(table.to_pylist()):
        try:
            fields = _prompt_and_completion(record)
            fields["reward"] = None if reward is None or not columns else reward_of(record, reward or columns)
        except (ValueError, TypeError) as error:
            raise ValueError(f"{str(path)!r}, row {number} is no rollout: {error}; delete that row") from error
        yield Rollout(place=f"{str(path)!r}, row {number}", **fields)


def _json_lines(path: Path, origin: RolloutFormat, reward: Sequence[str] | None) -> Iterator[Rollout]:
    for number, record in objects(path):
        try:
            some = list(READERS[origin](record, reward))
        except (ValueError, TypeError) as error:
            raise corrupt_line(path, number, f"as {origin} writes rollouts, {error}") from error
        for fields in some:
            yield Rollout(place=f"{str(path)!r}, line {number}", **fields)


def _verifiers(record: Mapping[str, Any], reward: Sequence[str] | None) -> Iterator[Fields]:
    """A line of ``results.jsonl``, or of ``traces.jsonl``, which is an episode of traces or one trace."""
    if "traces" in record or "nodes" in record:
        for trace in _list(record, "traces") or [record]:
            yield _trace(mapping(trace, "traces"), reward)
        return
    fields = _prompt_and_completion(record)
    fields["reward"] = reward_of({**(record.get("metrics") or {}), **record}, reward)
    fields["truncated"] = optional(record, "is_truncated", bool)
    steps = _list(record, "trajectory")
    tokens = mapping(steps[0], "trajectory").get("tokens") if len(steps) == 1 else None
    if tokens is not None:  # saved where the state's column "trajectory" was asked for
        fields["token_ids"] = numbers(mapping(tokens, "tokens"), "completion_ids", int)
        fields["log_probs"] = numbers(tokens, "completion_logprobs", float, int)
    yield fields


def _trace(trace: Mapping[str, Any], reward: Sequence[str] | None) -> Fields:
    nodes = [mapping(node, "nodes") for node in _list(trace, "nodes")]
    written = [node for node in nodes if node.get("sampled")]
    if len(written) != 1:
        raise ValueError(f"a trace has {len(written)} messages that a policy wrote; one translation has one")
    (node,) = written
    rewards = mapping(trace.get("rewards") or {}, "rewards")
    named = {name: _weighted(mapping(each, name)) for name, each in rewards.items() if each is not None}
    mask, ids = _list(node, "mask"), numbers(node, "token_ids", int) or []
    calls = [mapping(call, "calls") for call in _list(trace, "calls")]
    return {
        "prompt": prompt_text([each.get("message") for each in nodes if each is not node]),
        "completion": completion_text([node.get("message")]),
        "reward": reward_of(
            {**mapping(trace.get("metrics") or {}, "metrics"), **named}, reward if reward != () else list(rewards)
        ),
        "token_ids": [token for token, sampled in zip(ids, mask, strict=True) if sampled] or None,
        "log_probs": numbers(node, "logprobs", float, int) or None,
        "truncated": any(call.get("finish_reason") == "length" for call in calls),
        "temperature": next((_temperature(call.get("sampling")) for call in calls), None),
    }


def _nemo_gym(record: Mapping[str, Any], reward: Sequence[str] | None) -> Iterator[Fields]:
    """A line of what ``ng_collect_rollouts`` writes: the request, the response and the verified reward."""
    request = mapping(record.get("responses_create_params"), "responses_create_params")
    response = mapping(record.get("response"), "response")
    output = [mapping(item, "output") for item in _list(response, "output")]
    kinds = [item.get("type", "message") for item in output if item.get("type") != "reasoning"]
    if kinds != ["message"]:
        raise ValueError(f"its response has the items {', '.join(kinds) or 'none'}; one translation has one message")
    (item,) = [item for item in output if item.get("type", "message") == "message"]
    yield {
        "prompt": prompt_text(request.get("input")),
        "completion": message_text(item.get("content")) or "",
        "reward": reward_of(record, reward),
        "token_ids": numbers(item, "generation_token_ids", int),
        "log_probs": numbers(item, "generation_log_probs", float, int),
        "truncated": response.get("status") == "incomplete",
        "temperature": _temperature(request),
    }


def _own(record: Mapping[str, Any], reward: Sequence[str] | None) -> Iterator[Fields]:
    """A line of :func:`buffers.to_jsonl`, or a plain one: a source, a target, and what else there is."""
    if "source_tokens" in record:
        terminated = optional(record, "terminated", bool)
        if terminated is None:
            raise TypeError("its 'terminated' is missing")
        yield {
            "prompt": optional(record, "source_text", str),
            "completion": optional(record, "target_text", str),
            "reward": reward_of(record, reward),
            "token_ids": numbers(record, "target_tokens", int),
            "log_probs": numbers(record, "log_prob", float, int),
            "truncated": not terminated,
            "source_row": optional(record, "source_index", int),
            "source_ids": numbers(record, "source_tokens", int),
            "is_reference": optional(record, "is_reference", bool) is True,
        }
        return
    names = {"prompt": ("source", "prompt"), "completion": ("target", "completion")}
    texts = {name: next((record[key] for key in keys if key in record), None) for name, keys in names.items()}
    yield {
        **_prompt_and_completion(texts),
        "reward": reward_of(record, reward),
        "token_ids": numbers(record, "target_tokens", int),
        "log_probs": numbers(record, "log_probs", float, int),
        "truncated": optional(record, "truncated", bool),
        "temperature": _temperature(record),
    }


READERS: dict[str, Callable[[Mapping[str, Any], Sequence[str] | None], Iterator[Fields]]] = {
    "verifiers": _verifiers,
    "nemo-gym": _nemo_gym,
    "jsonl": _own,
}
"""What a line of each format says."""


def _prompt_and_completion(record: Mapping[str, Any]) -> Fields:
    return {
        "prompt": prompt_text(record.get("prompt")),
        "completion": completion_text(record.get("completion")),
    }


def _list(record: Mapping[str, Any], name: str) -> list[Any]:
    """A list that a record may have; empty where it has none."""
    values = record.get(name)
    if not isinstance(values, list | None):
        raise TypeError(f"its {name!r} is a {type(values).__name__}, not a list")
    return values or []


def _weighted(reward: Mapping[str, Any]) -> float | None:
    score, weight = reward_of(reward, ["score"]), reward_of(reward, ["weight"])
    return None if score is None else score * (1.0 if weight is None else weight)


def _temperature(record: object) -> float | None:
    value = optional(record, "temperature", float, int) if isinstance(record, dict) else None
    return real(value, "temperature") if value is not None and value > 0 else None
