"""JSON Lines: what a line looks like, and what is said of a corrupt one."""

from __future__ import annotations

import gzip
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from buffers import Slice, Trajectories, from_jsonl, to_jsonl
from buffers.interop.json_lines import _shortest
from seq2seq_env.tasks.task import Task

GOOD: dict[str, Any] = {
    "source_index": 4,
    "source_tokens": [2, 0],
    "target_tokens": [5, 0],
    "log_prob": [-0.1, 0],
    "reward": 1,
    "terminated": True,
    "is_reference": False,
}


def test_a_line_is_a_trajectory(tmp_path: Path, trajectories: Trajectories) -> None:
    to_jsonl(Slice.from_trajectories(trajectories, 18), tmp_path / "made.jsonl")
    first, *others = (tmp_path / "made.jsonl").read_text().splitlines()
    assert len(others) == 2
    assert first == (
        '{"source_index":4,"source_tokens":[2,3,0],"target_tokens":[5,0],"log_prob":[-0.5,-0.25],"reward":0.25,'
        '"terminated":true,"is_reference":false,"grow_step":-1,"candidate":0}'
    )


def test_texts_are_added(tmp_path: Path, tiny_task: Task) -> None:
    pairs = Slice.from_pairs(["zwei rot haus"], ["two red house"], tiny_task.tokenizer, 12, 12)
    to_jsonl(pairs, tmp_path / "made.jsonl", tokenizer=tiny_task.tokenizer)
    line = json.loads((tmp_path / "made.jsonl").read_text())
    assert (line["source_text"], line["target_text"]) == ("zwei rot haus", "two red house")
    assert (line["reward"], line["log_prob"]) == (None, None)
    assert from_jsonl(tmp_path / "made.jsonl").tokens.tolist() == pairs.read().tokens.tolist()


def test_the_same_slice_gives_the_same_packed_bytes(tmp_path: Path, trajectories: Trajectories) -> None:
    data = Slice.from_trajectories(trajectories, 18)
    for name in ("a.jsonl.gz", "b.jsonl.gz"):
        to_jsonl(data, tmp_path / name)
    content = (tmp_path / "a.jsonl.gz").read_bytes()
    assert content == (tmp_path / "b.jsonl.gz").read_bytes()
    assert len(gzip.decompress(content).splitlines()) == 3


@given(st.lists(st.floats(width=32, allow_nan=False, allow_infinity=False)))
def test_numbers_are_short_and_exact(values: list[float]) -> None:
    wanted = np.array(values, dtype=np.float32)
    text = json.dumps(_shortest(wanted))
    assert np.array(json.loads(text), dtype=np.float32).tobytes() == wanted.tobytes()
    assert _shortest(np.array([0.1], dtype=np.float32)) == [0.1]


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({"source_index": None}, "'source_index' is a NoneType, not a int"),
        ({"source_index": 2**70}, "too large|too big"),
        ({"source_tokens": []}, "every row needs a token"),
        ({"target_tokens": [5, 1.0]}, "'target_tokens' has an entry that is no int"),
        ({"target_tokens": [5, True]}, "'target_tokens' has an entry that is no int"),
        ({"target_tokens": [5, 2**40]}, "out of bounds for int32"),
        ({"target_tokens": [5]}, "log_prob has 2 entries; its length L must be 1"),
        ({"log_prob": "none"}, "'log_prob' is a str, not a list"),
        ({"log_prob": [-1, 0.5]}, "log_prob is 0.5 at token 1"),
        ({"log_prob": [-1, -1e300]}, "log_prob is -inf at token 1"),
        ({"reward": 1.5}, "reward is 1.5 at row 0"),
        ({"reward": None}, "reward is nan at row 0"),
        ({"terminated": 1}, "'terminated' is a int, not a bool"),
    ],
)
def test_a_corrupt_line_is_named(tmp_path: Path, change: dict[str, Any], why: str) -> None:
    file = tmp_path / "made.jsonl"
    file.write_text("\n".join(map(json.dumps, (GOOD, {**GOOD, **change}, GOOD))))
    with pytest.raises(ValueError, match=rf"made.jsonl', line 2 is corrupt: .*({why}).*; mend or delete that line"):
        from_jsonl(file)


@pytest.mark.parametrize(
    ("line", "why"),
    [
        (b"", "Expecting value"),
        (b"{", "Expecting property name"),
        (b"\xff", "can't decode|Expecting value"),
        (b"[]", "it holds a list, not an object"),
        (b"{}", "'source_index' is missing"),
        (b"[" * 100_000, "recursion"),
    ],
)
def test_what_is_no_object_is_named(tmp_path: Path, line: bytes, why: str) -> None:
    file = tmp_path / "made.jsonl"
    file.write_bytes(json.dumps(GOOD).encode() + b"\n" + line + b"\n")
    with pytest.raises(ValueError, match=f"line 2 is corrupt: .*({why})"):
        from_jsonl(file)


def test_lines_that_do_not_go_together_are_named(tmp_path: Path) -> None:
    file = tmp_path / "made.jsonl"
    file.write_text("\n".join(map(json.dumps, (GOOD, {**GOOD, "source_tokens": [3, 0]}))))
    with pytest.raises(
        ValueError, match=r"line 1 is corrupt: different tokens for one source row.*, here or in the 1 lines"
    ):
        from_jsonl(file)


def test_a_cut_or_foreign_packed_file_is_one_sentence(tmp_path: Path) -> None:
    file = tmp_path / "made.jsonl.gz"
    content = gzip.compress(b"\n".join([json.dumps(GOOD).encode()] * 3))
    for corrupt in (content[:-9], content[:30], b"no gzip", content[:20] + b"\x00" * 20):
        file.write_bytes(corrupt)
        with pytest.raises(ValueError, match=r"made.jsonl.gz', line \d is corrupt"):
            from_jsonl(file)
    with pytest.raises(FileNotFoundError):
        from_jsonl(tmp_path / "nothing.jsonl")
