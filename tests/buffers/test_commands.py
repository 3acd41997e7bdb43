from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

import buffers.__main__
import buffers.admin.import_command
from buffers import (
    GrowingBatchBuffer,
    Provenance,
    Trajectories,
    grow,
)
from buffers.admin.run_record import recorded_task_options
from buffers.growing.plan import Sampler
from seq2seq_env.tasks.task import Task
from tests.buffers.conftest import Run, corrupt


def test_compact_merges_and_says_so(folder: Path, run: Run, trajectories: Trajectories, provenance: Provenance) -> None:
    made = replace(provenance, num_sources=3, sources_per_shard=1, shard_index=1)
    GrowingBatchBuffer(folder).append(trajectories, made)
    code, shown = run("compact", folder, "--trajectories-per-file", 2 * len(trajectories))
    assert (code, shown) == (0, f"{folder}: 3 files before, 2 now, 1 of them made by this call\n")
    record = json.loads(run("compact", folder, "--json")[1])
    assert record == {"files_before": 2, "files_after": 1, "merged": ["g001-s00000-00002.h5"]}
    (step,) = json.loads(run("info", folder, "--json")[1])
    assert (step["shards"], step["missing_shards"], step["trajectories"]) == (1, [], 3 * len(trajectories))


def test_many_missing_shards_are_told_in_ranges(
    run: Run, trajectories: Trajectories, provenance: Provenance, tmp_path: Path
) -> None:
    for step, there in enumerate((range(3, 4), range(1, 48, 2))):
        buffer = GrowingBatchBuffer(tmp_path)
        made = replace(provenance, grow_step=step, num_sources=100_000, sources_per_shard=1)
        for index in there:
            buffer.append(trajectories, replace(made, shard_index=index))
    for command in ("info", "repair"):
        _, shown = run(command, tmp_path)
        assert "shards 0-2, 4-99999 (99,999 in all)" in shown
        assert "shards 0, 2, 4, 6, " in shown
        assert ", 36, 38, ... (99,976 in all)" in shown
    assert len(json.loads(run("info", tmp_path, "--json")[1])[0]["missing_shards"]) == 99_999


def test_info_says_what_was_drawn_from(
    run: Run, sampler: Sampler, fake_scorer: Any, monolingual_task: Task, tmp_path: Path
) -> None:
    buffer = GrowingBatchBuffer(tmp_path)
    settings: dict[str, Any] = {"temperature": 0.8, "seed": 0, "progress": False}
    grow(sampler, fake_scorer, monolingual_task, buffer, grow_step=0, candidates=0, **settings)
    settings |= {"candidates": 2, "references": False}
    grow(sampler, fake_scorer, monolingual_task, buffer, grow_step=1, grow_from="source-only", **settings)
    grow(sampler, fake_scorer, monolingual_task, buffer, grow_step=2, grow_from="both", num_sources=20, **settings)
    _, shown = run("info", tmp_path)
    assert "the original pair for each of 18 train sources at temperature" in shown
    assert "2 candidates for each of 6 source-only sentences at temperature" in shown
    assert "2 candidates for each of 20 train sources and source-only sentences at temperature" in shown
    steps = json.loads(run("info", tmp_path, "--json")[1])
    assert [step["provenance"]["grow_from"] for step in steps] == ["train", "source-only", "both"]
    assert [step["references"] for step in steps] == [18, 0, 0]


def test_rescore_adds_a_column_that_info_shows_and_repair_heals(
    run: Run,
    sampler: Sampler,
    fake_scorer: Any,
    tiny_task: Task,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    buffer = GrowingBatchBuffer(tmp_path / "grown", task=tiny_task)
    settings: dict[str, Any] = {"candidates": 2, "temperature": 0.8, "seed": 0, "progress": False}
    grow(sampler, fake_scorer, tiny_task, buffer, grow_step=1, sources_per_shard=12, **settings)
    monkeypatch.setattr(buffers.__main__, "load_task", {"tiny": tiny_task}.__getitem__)
    monkeypatch.setattr(buffers.__main__, "load_scorer", lambda name, device, task: {"other": fake_scorer}[name])
    code, shown = run("rescore", buffer.path, "--scorer", "other", "--name", "again")
    assert code == 0
    assert "2 shards scored as 'again'" in shown
    record = json.loads(run("rescore", buffer.path, "--scorer", "other", "--name", "again", "--json")[1])
    assert (record["shards_written"], record["mean_reward"]) == (0, pytest.approx(record["before"]))
    assert "rewards 'again' of another scorer: 2 of 2 files" in run("info", buffer.path)[1]
    column = buffer.path / "scores" / "again" / "g001-s00001.h5"
    corrupt(column)
    assert "again/g001-s00001.h5" in run("verify", buffer.path)[1]
    run("repair", buffer.path)
    assert (buffer.path / "quarantine" / "scores" / "again" / "g001-s00001.h5").exists()
    assert not column.exists()
    assert json.loads(run("info", buffer.path, "--json")[1])[0]["columns"] == {"again": 1}
    assert "1 shards scored as 'again'" in run("rescore", buffer.path, "--scorer", "other", "--name", "again")[1]
    assert run("verify", buffer.path)[0] == 0


def test_rescore_takes_the_options_that_a_run_recorded_beside_its_buffer(
    run: Run, sampler: Sampler, fake_scorer: Any, tiny_task: Task, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    buffer = GrowingBatchBuffer(tmp_path / "run" / "buffer", task=tiny_task)
    grow(sampler, fake_scorer, tiny_task, buffer, grow_step=1, candidates=2, temperature=0.8, seed=0, progress=False)
    given: list[dict[str, str]] = []

    def load(name: str, **options: str) -> Task:
        given.append(options)
        return {"tiny": tiny_task}[name]

    monkeypatch.setattr(buffers.__main__, "load_task", load)
    monkeypatch.setattr(buffers.__main__, "load_scorer", lambda name, device, task: fake_scorer)
    call = ("rescore", buffer.path, "--scorer", "other", "--name", "again")
    planned = {"folder": "data", "vocab_size": "500", "held_out": "20"}
    records: list[Any] = [None, [], {"task": "other", "task_options": planned}, {"task": "tiny"}]
    for record in [*records, {"task": "tiny", "task_options": planned, "pretrained": None}]:
        (tmp_path / "run" / "config.json").write_text(json.dumps(record))
        assert run(*call)[0] == 0
    assert given == [{}, {}, {}, {}, planned]
    assert run(*call, "--task-options", "folder", "other")[0] == 0
    assert given[-1] == {"folder": "other"}


def test_a_pretrained_policys_tokenizer_is_the_recorded_tasks(tmp_path: Path) -> None:
    record = {"task": "text-files", "task_options": {"folder": "data"}, "pretrained": "some/model"}
    (tmp_path / "config.json").write_text(json.dumps(record))
    buffer = str(tmp_path / "buffer")
    assert recorded_task_options(buffer, "text-files") == {"tokenizer": "some/model", "folder": "data"}
    (tmp_path / "config.json").write_text(json.dumps({**record, "task": "phrasebook-de-en", "task_options": {}}))
    assert recorded_task_options(buffer, "phrasebook-de-en") == {}  # its tokenizer is its own


def test_a_scorer_made_on_the_command_line_needs_a_columns_name(folder: Path, run: Run) -> None:
    for scorer in ("process: score it", "ensemble: phrasebook-qe"):
        code, _ = run("rescore", folder, "--scorer", scorer)
        assert str(code) == f"error: the scorer {scorer!r} has no name of its own; give the column one with --name"


def test_a_folder_that_is_not_there_is_one_sentence(tmp_path: Path, run: Run) -> None:
    for command in (
        ["info"],
        ["verify"],
        ["repair"],
        ["compact"],
        ["rescore", "--scorer", "phrasebook-qe"],
        ["export", "--to", "jsonl", "--out", tmp_path / "made"],
    ):
        code, _ = run(*command, tmp_path / "nowhere")
        assert str(code).startswith("error: there is no folder")


def test_import_says_what_came_and_what_is_missing(
    run: Run, tiny_task: Task, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(buffers.admin.import_command, "load_task", {"tiny": tiny_task}.__getitem__)
    lines = [{"prompt": "Translate: eins rot haus", "completion": text, "reward": 0.5} for text in ("one", "an")]
    file = tmp_path / "plain.jsonl"
    file.write_text("".join(json.dumps(line) + "\n" for line in (*lines, {**lines[0], "prompt": "Add: 1"})))
    call = ["import", file, "--from", "jsonl", "--out", tmp_path / "new", "--task", "tiny", "--prompt-template"]
    code, shown = run(*call, "Translate: {source}", "--drop", "foreign")
    assert code == 0
    assert f"{tmp_path / 'new'}: 2 trajectories of 1 sources, 4 tokens\nreward 0.500 on average\n" in shown
    assert "left out, foreign: 1 of 3 rollouts\nunknown: policy, seed, temperature, scorer, whether targets" in shown
    assert "targets that the task's tokenizer writes otherwise than they were scored: 1\n" in shown
    assert "log-probabilities: none; agents that need the behaviour policy's (log mu in docs/agents) refuse" in shown
    _, info = run("info", tmp_path / "new")
    assert "imported from jsonl: at most 2 samples for each of 1 train sources at an unknown temperature" in info
    (step,) = json.loads(run("info", tmp_path / "new", "--json")[1])
    assert (step["provenance"]["temperature"], step["provenance"]["policy_fingerprint"]) == (None, "unknown")
