"""What readers of other trainers' files take for a value, and which files of a folder they read."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from buffers.interop.rollout_formats import RolloutFormat, read_rollouts, rollout_files

PLAIN = {"source": "rot haus", "target": "red house", "reward": 0.5}
EXPORTED = {
    "source_index": 0, "source_tokens": [1, 0], "source_text": "rot haus", "target_tokens": [11, 0],
    "target_text": "red house", "log_prob": None, "reward": 0.5, "terminated": True, "is_reference": False,
}  # fmt: skip
RESULT = {"prompt": "rot haus", "completion": "red house", "reward": 0.5}
NODE = {"sampled": True, "message": {"role": "assistant", "content": "red house"}, "token_ids": [11], "mask": [True]}


@pytest.mark.parametrize(
    ("origin", "record", "why"),
    [
        ("jsonl", {**PLAIN, "truncated": 1}, "its 'truncated' is a int, not a bool"),
        ("jsonl", {**PLAIN, "truncated": "true"}, "its 'truncated' is a str, not a bool"),
        ("jsonl", {**PLAIN, "temperature": "0.8"}, "its 'temperature' is a str, not a float"),
        ("jsonl", {**PLAIN, "temperature": True}, "its 'temperature' is a bool, not a float"),
        ("jsonl", {**EXPORTED, "target_text": 5}, "its 'target_text' is a int, not a str"),
        ("jsonl", {**EXPORTED, "source_text": 5}, "its 'source_text' is a int, not a str"),
        ("jsonl", {**EXPORTED, "source_index": [0]}, "its 'source_index' is a list, not a int"),
        ("jsonl", {**EXPORTED, "source_index": 0.0}, "its 'source_index' is a float, not a int"),
        ("jsonl", {**EXPORTED, "is_reference": 1}, "its 'is_reference' is a int, not a bool"),
        ("jsonl", {**EXPORTED, "terminated": None}, "its 'terminated' is missing"),
        ("verifiers", {**RESULT, "is_truncated": 1}, "its 'is_truncated' is a int, not a bool"),
        ("verifiers", {"nodes": [{**NODE, "token_ids": ["red"]}]}, "its 'token_ids' is no list of numbers"),
    ],
)
def test_a_value_of_another_kind_is_named_with_its_line(
    origin: RolloutFormat, record: dict[str, Any], why: str, tmp_path: Path
) -> None:
    file = tmp_path / "some.jsonl"
    file.write_text("\n" + json.dumps(record))
    with pytest.raises(ValueError, match=f"some.jsonl', line 2 is corrupt: as {origin} writes rollouts, {why}; mend"):
        list(read_rollouts([file], origin))


def test_null_is_what_a_file_does_not_say(tmp_path: Path) -> None:
    file = tmp_path / "some.jsonl"
    unsaid = {"truncated": None, "temperature": None}
    said = {"truncated": True, "temperature": 1}
    exported = {"source_index": None, "source_text": None, "target_text": None}
    records = [PLAIN, {**PLAIN, **unsaid}, {**PLAIN, **said}, {**EXPORTED, **exported}]
    file.write_text("\n".join(map(json.dumps, records)))
    *plain, last = read_rollouts([file], "jsonl")
    assert [(each.truncated, each.temperature) for each in plain] == [(None, None), (None, None), (True, 1.0)]
    assert (last.prompt, last.completion, last.source_row, last.truncated) == (None, None, None, False)


def test_of_a_folder_what_is_hidden_or_a_copy_of_an_editor_is_not_read(tmp_path: Path) -> None:
    hidden = (".a.jsonl.1f.partial", ".b.jsonl", ".b.parquet", "a.jsonl~", "a.jsonl.bak", "b.parquet~")
    for name in (*hidden, "a.jsonl", "c.jsonl.gz", "b.parquet"):
        (tmp_path / name).touch()
    for origin in ("jsonl", "verifiers", "nemo-gym"):
        assert [file.name for file in rollout_files(tmp_path, origin)] == ["a.jsonl", "c.jsonl.gz"]
    assert rollout_files(tmp_path, "trl") == [tmp_path / "b.parquet"]
    assert rollout_files(tmp_path / ".b.jsonl", "jsonl") == [tmp_path / ".b.jsonl"]  # as it is named
    (tmp_path / "b.parquet").unlink()
    with pytest.raises(ValueError, match=r"has no \*\.parquet; name files, or the folder that holds them"):
        rollout_files(tmp_path, "trl")
    (tmp_path / "empty").mkdir()
    with pytest.raises(ValueError, match=r"has no \*\.jsonl or \*\.jsonl\.gz; name files"):
        rollout_files(tmp_path / "empty", "jsonl")


def test_a_folder_that_has_a_file_both_packed_and_not_is_refused(tmp_path: Path) -> None:
    for name in ("a.jsonl", "b.jsonl", "b.jsonl.gz"):
        (tmp_path / name).touch()
    with pytest.raises(ValueError, match=r"has 'b\.jsonl' and 'b\.jsonl\.gz', whose rollouts would count twice; name"):
        rollout_files(tmp_path, "jsonl")
