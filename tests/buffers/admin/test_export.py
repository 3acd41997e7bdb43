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
from buffers.growing.plan import Sampler
from seq2seq_env.scorers.scorer import Scorer
from seq2seq_env.tasks import load_task
from seq2seq_env.tasks.task import Task
from seq2seq_env.tokenization.loading import load_tokenizer
from seq2seq_env.tokenization.tokenizer import Tokenizer
from tests.buffers.conftest import Run


def test_export_takes_another_scorers_rewards(folder: Path, run: Run, tmp_path: Path) -> None:
    for shard in GrowingBatchBuffer(folder).shards:
        RescoredShard(shard, "other").write(1 - shard.column("reward"), "scorer-2")
    assert run("export", folder, "--to", "jsonl", "--out", tmp_path / "other.jsonl", "--scorer", "other")[0] == 0
    wanted = GrowingBatchBuffer(folder).select(scorer="other").rewards
    assert from_jsonl(tmp_path / "other.jsonl").reward.tolist() == wanted.tolist()
    code, _ = run("export", folder, "--to", "jsonl", "--out", tmp_path / "none.jsonl", "--scorer", "none")
    assert "has no rewards 'none'" in str(code)
    assert not (tmp_path / "none.jsonl").exists()


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
    assert f"not held by {target}: the shard of each trajectory" in shown
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
        said = json.loads(description)
        (made,) = said["grow_steps"]
        assert (made["policy_fingerprint"], made["temperature"], made["grow_step"]) == ("policy-1", 0.8, 1)
        assert said["column"] is said["filter"] is None


def test_export_says_whose_rewards_there_are_and_what_was_kept(folder: Path, run: Run, tmp_path: Path) -> None:
    for shard in GrowingBatchBuffer(folder).shards:
        RescoredShard(shard, "other").write(1 - shard.column("reward"), "scorer-2")
    options = ("--scorer", "other", "--filter", "best", "--value", 1)
    run("export", folder, "--to", "parquet", "--out", tmp_path / "made.parquet", *options)
    said = json.loads(pq.read_metadata(tmp_path / "made.parquet").metadata[b"description"])
    assert said["column"] == {"name": "other", "scorer_fingerprint": "scorer-2"}
    assert said["filter"] == {"kind": "Best", "value": 1}


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
        ("--to jsonl --tokenizer", "--tokenizer needs the buffer's tokenizer: there is no task 'tiny'"),
        ("--to jsonl --texts", "texts need the buffer's tokenizer: there is no task 'tiny'"),
        ("--to minari --texts", "Minari holds tokens, no texts beside them"),
        ("--to jsonl --value 0.5", "--filter and --value go together"),
        ("--to jsonl --filter threshold", "--filter and --value go together"),
        ("--to jsonl --filter percentile --value 100", "choose it in"),
        ("--to jsonl --grow-step 7", "does not have Grow step 7"),
        ("--to minari", "is no id of Minari"),
        ("--to parquet", 'pip install ".[interop]"'),
        ("--to jsonl --out memory://made/x.jsonl", "'memory://made/x.jsonl' is an object store, and export writes to"),
        ("--to jsonl --out s3:/made/x.jsonl", "'s3:/made/x.jsonl' lacks a slash"),
        ("--to parquet --out .", "out is '.', which names no file or folder to make; give a new name"),
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


def test_a_target_that_would_be_too_large_is_not_begun(
    folder: Path, run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MINARI_DATASETS_PATH", str(tmp_path / "minari"))
    code, _ = run("export", folder, "--to", "minari", "--out", "made-v0", "--max-gib", "0.00001")
    assert "6 episodes would take about 0.000" in str(code)
    assert "GiB in Minari's format, above max_gib 1e-05; filter them" in str(code)
    assert not list((tmp_path / "minari").rglob("made*"))


def test_texts_of_another_tokenizer_are_refused(
    run: Run, tmp_path: Path, trajectories: Trajectories, provenance: Provenance
) -> None:
    GrowingBatchBuffer(tmp_path / "buffer").append(trajectories, replace(provenance, task="phrasebook-de-en"))
    code, _ = run("export", tmp_path / "buffer", "--to", "jsonl", "--out", tmp_path / "made", "--texts")
    assert "texts need the buffer's tokenizer words-1, that of task 'phrasebook-de-en' is" in str(code)


def test_a_grow_step_is_exported_with_its_numbers_texts_and_tokenizer(
    run: Run, tmp_path: Path, sampler: Sampler, fake_scorer: Scorer, tiny_task: Task, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The task of the buffer is none that has a name: the tokenizer beside the shards decodes."""
    monkeypatch.setenv("MINARI_DATASETS_PATH", str(tmp_path / "minari"))
    buffer = GrowingBatchBuffer(tmp_path / "buffer")
    for step in (1, 2):
        grow(
            sampler, fake_scorer, tiny_task, buffer, grow_step=step, num_sources=3, candidates=2, temperature=0.8,
            seed=0, sources_per_shard=2, progress=False,
        )  # fmt: skip
    folder = buffer.path / buffer.shards[0].provenance.tokenizer_folder
    assert load_tokenizer(folder).fingerprint == tiny_task.tokenizer.fingerprint
    code, shown = run(
        "export", buffer.path, "--to", "jsonl", "--out", tmp_path / "all.jsonl", "--texts", "--tokenizer", "--json"
    )
    lines = [json.loads(line) for line in (tmp_path / "all.jsonl").read_text().splitlines()]
    assert [line["grow_step"] for line in lines] == [1] * 9 + [2] * 9
    numbers: dict[tuple[int, int], list[int]] = {}
    for line in lines:
        numbers.setdefault((line["grow_step"], line["source_index"]), []).append(line["candidate"])
        assert (line["candidate"] == -1) == line["is_reference"]
        assert line["target_text"] == tiny_task.tokenizer.decode([line["target_tokens"]])[0]
    assert [sorted(some) for some in numbers.values()] == [[-1, 0, 1]] * 6
    assert (code, json.loads(shown)["tokenizer"]) == (0, str(tmp_path / "all.jsonl.tokenizer"))
    assert load_tokenizer(tmp_path / "all.jsonl.tokenizer").fingerprint == tiny_task.tokenizer.fingerprint
    code, _ = run("export", buffer.path, "--to", "parquet", "--out", tmp_path / "all.jsonl", "--tokenizer")
    assert str(code).startswith(
        f"error: {str(tmp_path / 'all.jsonl.tokenizer')!r}, where the tokenizer would be, is there"
    )
    (tmp_path / "all.jsonl").unlink()
    assert str(run("export", buffer.path, "--to", "parquet", "--out", tmp_path / "all.jsonl", "--tokenizer")[0]) == code
    assert not (tmp_path / "all.jsonl").exists()
    kept = buffer.select(Threshold(0.2), grow_step=2)
    assert 0 < len(kept) < 9
    for target, out in (("datasets", str(tmp_path / "some")), ("minari", "some-v0")):
        arguments = ("--grow-step", "2", "--filter", "threshold", "--value", "0.2", "--tokenizer")
        run("export", buffer.path, "--to", target, "--out", out, *arguments)
    rows = datasets.load_from_disk(tmp_path / "some")
    assert (set(rows["grow_step"]), list(rows["candidate"])) == ({2}, kept.candidate.tolist())
    made = minari.load_dataset("some-v0")
    assert [int(episode.infos["candidate"][0]) for episode in made.iterate_episodes()] == kept.candidate.tolist()
    for place in (tmp_path / "some", tmp_path / "minari" / "some-v0"):
        assert load_tokenizer(place / "tokenizer").fingerprint == tiny_task.tokenizer.fingerprint
    assert list(minari.list_local_datasets()) == ["some-v0"]


@pytest.mark.parametrize(
    ("target", "out", "place"),
    [
        ("jsonl", "made.jsonl", "made.jsonl.tokenizer"),
        ("datasets", "made", "made/tokenizer"),
        ("minari", "made-v0", "minari/made-v0/tokenizer"),
    ],
)
def test_a_tokenizer_that_cannot_be_written_is_one_sentence_and_nothing_is_left(
    run: Run, tmp_path: Path, sampler: Sampler, fake_scorer: Scorer, tiny_task: Task, monkeypatch: pytest.MonkeyPatch,
    target: str, out: str, place: str,
) -> None:  # fmt: skip
    monkeypatch.setenv("MINARI_DATASETS_PATH", str(tmp_path / "minari"))
    buffer = GrowingBatchBuffer(tmp_path / "buffer")
    grow(
        sampler, fake_scorer, tiny_task, buffer, grow_step=1, candidates=1, temperature=0.8, seed=0, progress=False
    )  # fmt: skip

    def fail(tokenizer: Tokenizer, folder: Path) -> None:
        (folder / "tokenizer.json").write_text("half of a t")
        raise Exception("File too large (os error 27)")  # as the library tokenizers does

    call = ("export", buffer.path, "--to", target, "--out", out if target == "minari" else tmp_path / out)
    with monkeypatch.context() as full:
        full.setattr(Tokenizer, "save", fail)
        code, _ = run(*call, "--tokenizer")
    assert code == (
        f"error: {str(tmp_path / place)!r} cannot be written (File too large (os error 27)); make room or choose "
        "another place"
    )
    assert not list(tmp_path.rglob("*made*"))
    assert run(*call, "--tokenizer")[0] == 0
    assert load_tokenizer(tmp_path / place).fingerprint == tiny_task.tokenizer.fingerprint
