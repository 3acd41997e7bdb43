"""``python -m buffers``."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import datasets
import minari
import pyarrow.parquet as pq
import pytest

import buffers.__main__
from buffers import (
    GrowingBatchBuffer,
    Provenance,
    RescoredShard,
    Threshold,
    Trajectories,
    from_datasets,
    from_jsonl,
    from_minari,
    from_parquet,
    grow,
)
from buffers.__main__ import main
from buffers.growing.grow import Sampler
from seq2seq_env.tasks import load_task
from seq2seq_env.tasks.task import Task

Run = Callable[..., tuple[int | str, str]]


@pytest.fixture
def folder(tmp_path: Path, trajectories: Trajectories, provenance: Provenance) -> Path:
    """Two of three shards of a Grow step."""
    made = replace(provenance, num_sources=3, sources_per_shard=1)
    buffer = GrowingBatchBuffer(tmp_path / "buffer")
    for index in (0, 2):
        buffer.append(trajectories, replace(made, shard_index=index))
    return tmp_path / "buffer"


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    def call(*arguments: object) -> tuple[int | str, str]:
        monkeypatch.setattr("sys.argv", ["python -m buffers", *map(str, arguments)])
        with pytest.raises(SystemExit) as ended:
            main()
        code = ended.value.code
        return 0 if code is None else code, capsys.readouterr().out

    return call


def damage(file: Path) -> None:
    content = bytearray(file.read_bytes())
    content[-1] ^= 1
    file.write_bytes(content)


def test_info_tells_what_is_there_and_what_is_missing(folder: Path, run: Run, trajectories: Trajectories) -> None:
    code, shown = run("info", folder)
    assert code == 0
    assert "2 shards" in shown
    assert "unfinished: shards 1 are missing" in shown
    code, shown = run("info", folder, "--json")
    (step,) = json.loads(shown)
    assert step["trajectories"] == 2 * len(trajectories)
    assert step["tokens"] == 2 * len(trajectories.tokens)
    assert step["mean_reward"] == pytest.approx(float(trajectories.reward.mean()))
    assert sum(step["reward_histogram"]) == 2 * len(trajectories)
    assert step["missing_shards"] == [1]
    assert step["bytes"] == sum(file.stat().st_size for file in folder.iterdir())


def test_verify_finds_one_changed_byte(folder: Path, run: Run) -> None:
    assert run("verify", folder)[0] == 0
    damage(sorted(folder.iterdir())[1])
    code, shown = run("verify", folder)
    assert code == 1
    assert "s00002.h5' is damaged" in shown
    assert "python -m buffers repair" in shown
    code, shown = run("verify", folder, "--json")
    assert (code, [finding["file"][-9:] for finding in json.loads(shown)]) == (1, ["s00002.h5"])


def test_repair_sets_aside_what_is_damaged_and_says_what_to_grow(folder: Path, run: Run) -> None:
    broken = sorted(folder.iterdir())[1]
    damage(broken)
    content = broken.read_bytes()
    code, shown = run("repair", folder)
    assert code == 0
    assert "lacks shards 1, 2; the same Grow makes them again" in shown
    assert (folder / "damaged" / broken.name).read_bytes() == content
    assert len(GrowingBatchBuffer(folder).shards) == 1
    assert run("verify", folder)[0] == 0
    assert json.loads(run("repair", folder, "--json")[1])["set_aside"] == []
    damage(broken.parent / sorted(file.name for file in folder.iterdir() if file.is_file())[0])
    run("repair", folder)
    assert run("info", folder) == (0, f"{folder}: no shard yet; buffers.grow makes them\n")


def test_repair_deletes_what_killed_writers_left(folder: Path, run: Run) -> None:
    column = folder / "scores" / "other"
    column.mkdir(parents=True)
    left = [folder / ".g001-s00001.h5.1234.partial", column / ".g001-s00002.h5.1234.partial"]
    for file in left:
        file.write_text("half of a sh")
    code, shown = run("repair", folder)
    assert code == 0
    assert "deleted .g001-s00001.h5.1234.partial: its writer was killed" in shown
    assert "deleted scores/other/.g001-s00002.h5.1234.partial" in shown
    assert not any(file.exists() for file in left)
    left[1].write_text("half of a sh")
    assert json.loads(run("repair", folder, "--json")[1])["deleted"] == ["scores/other/.g001-s00002.h5.1234.partial"]


def test_repair_does_not_overwrite_what_was_set_aside(folder: Path, run: Run) -> None:
    broken = sorted(folder.iterdir())[0]
    (folder / "damaged").mkdir()
    (folder / "damaged" / broken.name).write_text("kept")
    damage(broken)
    code, _ = run("repair", folder)
    assert "was set aside before" in str(code)
    assert broken.exists()
    assert (folder / "damaged" / broken.name).read_text() == "kept"


def test_compact_merges_and_says_so(folder: Path, run: Run, trajectories: Trajectories, provenance: Provenance) -> None:
    made = replace(provenance, num_sources=3, sources_per_shard=1, shard_index=1)
    GrowingBatchBuffer(folder).append(trajectories, made)
    code, shown = run("compact", folder, "--trajectories-per-file", 2 * len(trajectories))
    assert (code, shown) == (0, f"{folder}: 3 files before, 2 now, 1 of them made by this call\n")
    record = json.loads(run("compact", folder, "--json")[1])
    assert record == {"files_before": 2, "files_after": 1, "merged": ["g001-s00000-00002.h5"]}
    (step,) = json.loads(run("info", folder, "--json")[1])
    assert (step["shards"], step["missing_shards"], step["trajectories"]) == (1, [], 3 * len(trajectories))


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
    monkeypatch.setattr(buffers.__main__, "load_scorer", lambda name, device: {"other": fake_scorer}[name])
    code, shown = run("rescore", buffer.path, "--scorer", "other", "--name", "again")
    assert code == 0
    assert "2 shards scored as 'again'" in shown
    record = json.loads(run("rescore", buffer.path, "--scorer", "other", "--name", "again", "--json")[1])
    assert (record["shards_written"], record["mean_reward"]) == (0, pytest.approx(record["before"]))
    assert "rewards 'again' of another scorer: 2 of 2 files" in run("info", buffer.path)[1]
    column = buffer.path / "scores" / "again" / "g001-s00001.h5"
    damage(column)
    assert "again/g001-s00001.h5" in run("verify", buffer.path)[1]
    run("repair", buffer.path)
    assert (buffer.path / "damaged" / "scores" / "again" / "g001-s00001.h5").exists()
    assert not column.exists()
    assert json.loads(run("info", buffer.path, "--json")[1])[0]["columns"] == {"again": 1}
    assert "1 shards scored as 'again'" in run("rescore", buffer.path, "--scorer", "other", "--name", "again")[1]
    assert run("verify", buffer.path)[0] == 0


def test_a_scorer_made_on_the_command_line_needs_a_columns_name(folder: Path, run: Run) -> None:
    for scorer in ("process: score it", "ensemble: phrasebook-qe"):
        code, _ = run("rescore", folder, "--scorer", scorer)
        assert str(code) == f"error: the scorer {scorer!r} has no name of its own; give the column one with --name"


def test_export_takes_another_scorers_rewards(folder: Path, run: Run, tmp_path: Path) -> None:
    for shard in GrowingBatchBuffer(folder).shards:
        RescoredShard(shard, "other").write(1 - shard.column("reward"), "scorer-2")
    assert run("export", folder, "--to", "jsonl", "--out", tmp_path / "other.jsonl", "--scorer", "other")[0] == 0
    wanted = GrowingBatchBuffer(folder).select(scorer="other").rewards
    assert from_jsonl(tmp_path / "other.jsonl").reward.tolist() == wanted.tolist()
    code, _ = run("export", folder, "--to", "jsonl", "--out", tmp_path / "none.jsonl", "--scorer", "none")
    assert "has no rewards 'none'" in str(code)
    assert not (tmp_path / "none.jsonl").exists()


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


READERS: dict[str, Callable[[str], Trajectories]] = {
    "jsonl": from_jsonl,
    "parquet": from_parquet,
    "datasets": lambda folder: from_datasets(datasets.load_from_disk(folder)),
    "minari": lambda _: from_minari(minari.load_dataset("made-v0")),
}


@pytest.mark.parametrize("target", READERS)
def test_export_writes_all_or_what_a_filter_keeps(
    folder: Path,
    run: Run,
    target: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    trajectories: Trajectories,
    provenance: Provenance,
    assert_equal: Callable[[Trajectories, Trajectories], None],
) -> None:
    monkeypatch.setenv("MINARI_DATASETS_PATH", str(tmp_path))
    out = "made-v0" if target == "minari" else tmp_path / "made"
    GrowingBatchBuffer(folder).append(trajectories, replace(provenance, grow_step=2))
    buffer = GrowingBatchBuffer(folder)
    code, shown = run("export", folder, "--to", target, "--out", out)
    assert code == 0
    assert ": 9 trajectories, 18 tokens, 0." in shown
    assert f"not held by {target}: the Grow step and shard of each trajectory" in shown
    assert "next: " in shown
    place = tmp_path / ("made-v0" if target == "minari" else "made")
    assert_equal(READERS[target](str(place)), buffer.select().read())
    code, _ = run("export", folder, "--to", target, "--out", out)
    assert code == f"error: {str(place)!r} is there already; choose another name, or delete it"

    place.rename(tmp_path / "all")
    some = ["--grow-step", "1", "--filter", "threshold", "--value", "0.2", "--json"]
    code, shown = run("export", folder, "--to", target, "--out", out, *some)
    wanted = buffer.select(Threshold(0.2), grow_step=1)
    assert_equal(READERS[target](str(place)), wanted.read())
    done = json.loads(shown)
    assert (code, done["format"], done["path"]) == (0, target, str(place))
    assert (done["trajectories"], done["tokens"]) == (len(wanted), wanted.num_tokens)
    assert done["bytes"] == sum(file.stat().st_size for file in (place, *place.rglob("*")) if file.is_file())


def test_export_keeps_what_made_the_trajectories(
    folder: Path, run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MINARI_DATASETS_PATH", str(tmp_path))
    run("export", folder, "--to", "parquet", "--out", tmp_path / "made.parquet")
    run("export", folder, "--to", "datasets", "--out", tmp_path / "made")
    _, shown = run("export", folder, "--to", "minari", "--out", "made-v0")
    assert "not held by minari: an environment: load_task('tiny') does not give the buffer's task" in shown
    for description in (
        pq.read_metadata(tmp_path / "made.parquet").metadata[b"description"],
        datasets.load_from_disk(tmp_path / "made").info.description,
        minari.load_dataset("made-v0").storage.metadata["description"],
    ):
        (made,) = json.loads(description)["grow_steps"]
        assert (made["policy_fingerprint"], made["temperature"], made["grow_step"]) == ("policy-1", 0.8, 1)


def test_export_of_a_named_task_has_texts_and_an_environment(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, trajectories: Trajectories, provenance: Provenance
) -> None:
    monkeypatch.setenv("MINARI_DATASETS_PATH", str(tmp_path))
    task = load_task("phrasebook-de-en")
    made: dict[str, Any] = {
        "task": task.name,
        "task_fingerprint": task.fingerprint,
        "tokenizer_fingerprint": task.tokenizer.fingerprint,
        "pad_id": task.tokenizer.pad_id,
    }
    folder = tmp_path / "buffer"
    GrowingBatchBuffer(folder).append(trajectories, replace(provenance, **made))
    run("export", folder, "--to", "jsonl", "--out", tmp_path / "made.jsonl", "--texts")
    lines = [json.loads(line) for line in (tmp_path / "made.jsonl").read_text().splitlines()]
    assert [line["target_text"] for line in lines] == task.tokenizer.decode([[5], [], [6, 7, 8]])
    assert lines[0]["source_text"] == task.tokenizer.decode([[2, 3]])[0]
    _, shown = run("export", folder, "--to", "minari", "--out", "made-v0", "--json")
    assert len(json.loads(shown)["not_held"]) == 2
    spec = minari.load_dataset("made-v0").env_spec
    assert (spec.id, spec.kwargs) == ("Seq2SeqTranslate-v0", {"task": task.name})


@pytest.mark.parametrize(
    ("arguments", "why"),
    [
        ("--to jsonl --texts", "texts need the buffer's tokenizer: there is no task 'tiny'"),
        ("--to minari --texts", "Minari holds tokens, no texts beside them"),
        ("--to jsonl --value 0.5", "--filter and --value go together"),
        ("--to jsonl --filter threshold", "--filter and --value go together"),
        ("--to jsonl --filter percentile --value 100", "choose it in"),
        ("--to jsonl --grow-step 7", "does not have Grow step 7"),
        ("--to minari", "is no id of Minari"),
        ("--to parquet", 'pip install ".[interop]"'),
    ],
)
def test_export_that_cannot_be_is_one_sentence(
    folder: Path, run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, arguments: str, why: str
) -> None:
    monkeypatch.setenv("MINARI_DATASETS_PATH", str(tmp_path / "minari"))
    if arguments == "--to parquet":
        monkeypatch.setitem(sys.modules, "pyarrow", None)
    code, shown = run("export", folder, "--out", tmp_path / "made", *arguments.split())
    assert (str(code)[:7], shown) == ("error: ", "")
    assert why in str(code)
    assert "\n" not in str(code)
    assert [file.name for file in tmp_path.iterdir()] == ["buffer"]


def test_texts_of_another_tokenizer_are_refused(
    run: Run, tmp_path: Path, trajectories: Trajectories, provenance: Provenance
) -> None:
    GrowingBatchBuffer(tmp_path / "buffer").append(trajectories, replace(provenance, task="phrasebook-de-en"))
    code, _ = run("export", tmp_path / "buffer", "--to", "jsonl", "--out", tmp_path / "made", "--texts")
    assert "texts need the buffer's tokenizer words-1, that of task 'phrasebook-de-en' is" in str(code)
