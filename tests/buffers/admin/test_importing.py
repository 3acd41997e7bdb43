"""Rollouts of other trainers, written as each publishes them, become a Grow step; what does not fit is refused."""

from __future__ import annotations

import gzip
import json
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from numpy.typing import NDArray

from buffers import GrowingBatchBuffer, Imported, Threshold, Trajectories, grow, import_rollouts, to_jsonl
from buffers.growing.plan import Sampler
from buffers.interop.rollout_formats import RolloutFormat
from seq2seq_env.tasks.task import Task
from tests.buffers.conftest import Run

PROMPT = "Translate to English: {source}"
RED_HOUSE = "eins rot haus"

Lines = Iterable[dict[str, Any]]


def write(path: Path, lines: Lines) -> Path:
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))
    return path


def user(text: str) -> list[dict[str, str]]:
    return [{"role": "system", "content": "You translate."}, {"role": "user", "content": text}]


def assistant(text: str) -> list[dict[str, str]]:
    return [{"role": "assistant", "content": text}]


def asked(source: str) -> str:
    return PROMPT.format(source=source)


@pytest.fixture
def bring(tmp_path: Path, tiny_task: Task) -> Callable[..., tuple[Imported, Trajectories]]:
    """Imports into a buffer of its own, and reads it."""

    def call(
        file: Path, origin: RolloutFormat, task: Task = tiny_task, **options: Any
    ) -> tuple[Imported, Trajectories]:
        out = tmp_path / f"{file.stem}-buffer"
        came = import_rollouts([file], origin, out, task, progress=False, **options)
        buffer = GrowingBatchBuffer(out, task=task)
        buffer.verify()
        return came, buffer.select().read()

    return call


Bring = Callable[..., tuple[Imported, Trajectories]]


def targets(trajectories: Trajectories, task: Task) -> list[str]:
    return task.tokenizer.decode([row.tolist() for row in np.split(trajectories.tokens, trajectories.offsets[1:-1])])


def trl_table(path: Path, **changes: Any) -> Path:
    """As TRL's ``log_completions`` writes it: texts, or messages where the data set is conversational."""
    columns = {
        "step": [1, 1, 1],
        "prompt": [user(asked("zwei rot haus")), user(asked(RED_HOUSE)), user(asked(RED_HOUSE))],
        "completion": [assistant("two red house"), assistant("one red car"), assistant("one red house")],
        "fidelity": [1.0, 0.25, 0.75],
        "advantage": [0.0, -0.7, 0.7],
        **changes,
    }
    pq.write_table(pa.table({name: values for name, values in columns.items() if values is not None}), path)
    return path


def test_trl_completions_are_grouped_by_source(bring: Bring, tmp_path: Path, tiny_task: Task) -> None:
    folder = tmp_path / "completions"
    folder.mkdir()
    trl_table(folder / "completions_00001.parquet")
    trl_table(folder / "completions_00002.parquet", step=[2, 2, 2])  # the same generation, logged again
    came, trajectories = bring(folder, "trl", prompt_template=PROMPT)
    assert (came.trajectories, came.sources, came.compared_sources, came.with_log_prob) == (3, 2, 1, 0)
    assert came.unknown == ["policy", "seed", "temperature", "scorer", "cut"]
    assert targets(trajectories, tiny_task) == ["one red car", "one red house", "two red house"]
    assert trajectories.reward.tolist() == [0.25, 0.75, 1.0]
    assert tiny_task.split("train").sources[trajectories.source_index[0]] == RED_HOUSE
    assert not trajectories.has_log_prob
    assert trajectories.terminated.all()
    (shard,) = GrowingBatchBuffer(came.path).shards
    origin = shard.provenance
    assert (origin.policy_fingerprint, origin.scorer_fingerprint, origin.sampler) == (
        "unknown",
        "unknown",
        "imported from trl",
    )
    assert (shard.temperature, origin.candidates, origin.references, origin.grow_from) == (None, 2, 0, "train")
    assert json.loads(origin.imported)["prompt_template"] == PROMPT
    kept = GrowingBatchBuffer(came.path, task=tiny_task).select(Threshold(0.5))
    batch = next(iter(kept.batches(1000, seed=0)))
    assert batch.log_prob[batch.target_mask].isnan().all()
    assert batch.temperature.isnan().all()


def test_a_template_of_any_script_fits_or_is_refused_before_scoring(bring: Bring, tmp_path: Path) -> None:
    chinese = "翻译" * 500
    lines = [{"prompt": f"{chinese} {RED_HOUSE}", "completion": "one red house", "reward": 1.0}]
    came, _ = bring(write(tmp_path / "long.jsonl", lines), "jsonl", prompt_template=chinese + " {source}")
    (shard,) = GrowingBatchBuffer(came.path).shards
    assert json.loads(shard.provenance.imported)["prompt_template"] == chinese + " {source}"

    class Unasked:
        fingerprint = "unasked"

        def score(self, sources: Sequence[str], hypotheses: Sequence[str]) -> NDArray[np.float32]:
            raise AssertionError("it scores what cannot be recorded")

    longer = write(tmp_path / "longer.jsonl", [{**lines[0], "prompt": f"{chinese * 2} {RED_HOUSE}"}])
    message = r"would take 6\d\d\d bytes, above 4000; give a shorter prompt_template \(--prompt-template\), or fewer"
    with pytest.raises(ValueError, match=message):
        bring(longer, "jsonl", prompt_template=chinese * 2 + " {source}", scorer=Unasked())


def test_rewards_of_trl_are_named_summed_and_mapped(bring: Bring, tmp_path: Path) -> None:
    file = trl_table(tmp_path / "two.parquet", brevity=[1.0, 0.25, -0.75])
    nothing: list[dict[str, Any]] = [{}, {"reward": []}]
    for options in nothing:
        with pytest.raises(
            ValueError, match=r"has the columns fidelity, brevity; name the rewards among them \(--reward\)"
        ):
            bring(file, "trl", prompt_template=PROMPT, **options)
    with pytest.raises(
        ValueError, match="row 0: its reward is 2, outside 0 to 1; the files have 0 to 2: give what maps"
    ):
        bring(file, "trl", prompt_template=PROMPT, reward=("fidelity", "brevity"))
    named = {"reward": ("fidelity", "brevity"), "reward_range": (-2.0, 2.0)}
    came, trajectories = bring(file, "trl", prompt_template=PROMPT, **named)
    assert trajectories.reward.tolist() == [0.625, 0.5, 1.0]
    (shard,) = GrowingBatchBuffer(came.path).shards
    assert json.loads(shard.provenance.imported)["reward_range"] == [-2, 2]


def test_verifiers_results_and_traces(bring: Bring, tmp_path: Path, tiny_task: Task) -> None:
    (ids,) = tiny_task.tokenizer.encode_targets(["one red house"])
    tokens = {"prompt_ids": [3, 4], "completion_ids": ids, "completion_logprobs": [-0.5, -0.25, 0, -1]}
    cut = {"completion_ids": ids[:2], "completion_logprobs": [-1, -2]}
    results = [
        {"example_id": 0, "prompt": user(RED_HOUSE), "completion": assistant("one red house"), "reward": 0.5,
         "is_truncated": False, "trajectory": [{"tokens": tokens}]},
        {"example_id": 0, "prompt": user(RED_HOUSE), "completion": assistant("one red"), "reward": 0.25,
         "is_truncated": True, "trajectory": [{"tokens": cut}]},
        {"example_id": 1, "prompt": user("zwei rot haus"), "completion": assistant("two"), "reward": 0},
    ]  # fmt: skip
    came, trajectories = bring(write(tmp_path / "results.jsonl", results), "verifiers")
    assert (came.with_log_prob, came.other_tokens) == (2, 0)
    assert trajectories.terminated.tolist() == [True, False, True]
    assert trajectories.log_prob[:6].tolist() == [-0.5, -0.25, 0, -1, -1, -2]
    assert np.isnan(trajectories.log_prob[6:]).all()
    (source,) = tiny_task.tokenizer.encode([RED_HOUSE])
    nodes = [
        {"message": user(RED_HOUSE)[1], "token_ids": source, "mask": [False] * len(source)},
        {"message": assistant("one red house")[0], "sampled": True, "parent": 0, "token_ids": [9, *ids],
         "mask": [False, *[True] * 4], "logprobs": [-0.5, -0.25, 0, -1]},
    ]  # fmt: skip
    trace = {
        "nodes": nodes,
        "rewards": {"fidelity": {"score": 0.5, "weight": 1.0}, "brevity": {"score": 0.5, "weight": 0.5}},
        "calls": [{"finish_reason": "stop", "sampling": {"temperature": 0.8}}],
    }
    came, trajectories = bring(write(tmp_path / "traces.jsonl", [{"traces": [trace]}]), "verifiers")
    assert (came.temperature, trajectories.reward.tolist()) == (0.8, [0.75])
    assert trajectories.log_prob.tolist() == [-0.5, -0.25, 0, -1]


def nemo_gym(source: str, target: str, **item: Any) -> dict[str, Any]:
    message = {"type": "message", "role": "assistant", "content": [{"type": "output_text", "text": target}], **item}
    return {
        "responses_create_params": {"input": user(asked(source)), "temperature": 1.0},
        "response": {"output": [{"type": "reasoning", "summary": []}, message], "status": "completed"},
        "reward": 0.5,
    }


def test_nemo_gym_keeps_log_probabilities_of_the_same_tokens_alone(
    bring: Bring, tmp_path: Path, tiny_task: Task
) -> None:
    (ids,) = tiny_task.tokenizer.encode_targets(["one red house"])
    same = {"generation_token_ids": ids, "generation_log_probs": [-1, -2, -3, -4]}
    endless = {"generation_token_ids": ids[:-1], "generation_log_probs": [-1, -2, -3]}
    another = {"generation_token_ids": [901, 17], "generation_log_probs": [-1, -2]}
    lines = [nemo_gym(RED_HOUSE, "one red house", **each) for each in (same, endless, another)]
    came, trajectories = bring(write(tmp_path / "rollouts.jsonl", lines), "nemo-gym", prompt_template=PROMPT)
    assert (came.with_log_prob, came.other_tokens, came.temperature) == (1, 2, 1.0)
    assert trajectories.tokens.tolist() == ids * 3
    assert trajectories.log_prob[:4].tolist() == [-1, -2, -3, -4]
    assert np.isnan(trajectories.log_prob[4:]).all()
    (tmp_path / "without.jsonl").write_bytes((tmp_path / "rollouts.jsonl").read_bytes())
    came, trajectories = bring(tmp_path / "without.jsonl", "nemo-gym", prompt_template=PROMPT, log_probs=False)
    assert (came.with_log_prob, trajectories.has_log_prob) == (0, False)


def test_an_export_comes_back_as_it_was(
    bring: Bring,
    sampler: Sampler,
    fake_scorer: Any,
    monolingual_task: Task,
    tmp_path: Path,
    assert_equal: Callable[[Trajectories, Trajectories], None],
) -> None:
    settings: dict[str, Any] = {"temperature": 0.8, "seed": 3, "progress": False}
    buffer = GrowingBatchBuffer(tmp_path / "grown")
    grow(sampler, fake_scorer, monolingual_task, buffer, grow_step=1, candidates=2, **settings)
    settings |= {"candidates": 3, "references": False}
    grow(sampler, fake_scorer, monolingual_task, buffer, grow_step=2, grow_from="source-only", **settings)
    whole = buffer.select()
    to_jsonl(whole, tmp_path / "all.jsonl.gz")
    came, trajectories = bring(tmp_path / "all.jsonl.gz", "jsonl", monolingual_task, temperature=0.8)
    assert_equal(trajectories, whole.read())
    assert (came.temperature, came.with_log_prob, came.other_texts) == (0.8, len(whole), 0)
    (shard,) = GrowingBatchBuffer(came.path).shards
    origin = shard.provenance
    assert (origin.grow_from, origin.candidates, origin.references, origin.num_sources) == ("both", 3, 1, 24)
    first = json.loads(gzip.decompress((tmp_path / "all.jsonl.gz").read_bytes()).splitlines()[0])
    other = write(tmp_path / "other.jsonl", [first | {"source_tokens": [3, 0]}])
    with pytest.raises(
        ValueError, match="line 1: row 0 of task 'monolingual' has no such source tokens, and there is no"
    ):
        bring(other, "jsonl", monolingual_task)


def test_a_scorer_stands_in_for_rewards(bring: Bring, tmp_path: Path, fake_scorer: Any) -> None:
    file = write(tmp_path / "plain.jsonl", [{"source": RED_HOUSE, "target": "one red house"}])
    came, trajectories = bring(file, "jsonl", scorer=fake_scorer)
    assert trajectories.reward.tolist() == fake_scorer.score([RED_HOUSE], ["one red house"]).tolist()
    assert "scorer" not in came.unknown
    assert GrowingBatchBuffer(came.path).shards[0].provenance.scorer_fingerprint == fake_scorer.fingerprint


GOOD = {"source": RED_HOUSE, "completion": "one red house", "reward": 0.5}


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        ([GOOD, {**GOOD, "reward": float("nan")}], r"line 2: it has no reward .*--scorer.*\(--drop unscored\)"),
        ([{"source": RED_HOUSE, "target": "x"}] * 3, r"line 1: it has no reward .*\(so are 2 more of 3\); give a"),
        ([{**GOOD, "reward": "good"}], "line 1 is corrupt: as jsonl writes rollouts, its 'reward' is a str, not a"),
        ([{**GOOD, "source": "vier haus"}], r"'vier haus' is no source that task 'tiny' grows from; .*--drop foreign"),
        ([{**GOOD, "completion": "one " * 12}], r"its target has 13 tokens, 12 are allowed; .*\(--drop long\)"),
        ([{**GOOD, "completion": [*assistant("one"), *assistant("two")]}], "has 2 messages of the assistant; one"),
        ([{"text": "one"}], "its prompt is missing, not a text or messages"),
        ([{**GOOD, "target_tokens": [11, 0], "completion": "two", "log_probs": [-1]}], "has 1 log-probabilities for 2"),
        ([{**GOOD, "target_tokens": [11, 0], "completion": "two", "log_probs": [-1, -1], "truncated": True}],
         r"line 1: it says that its target was cut, and the target's last token is end-of-sequence \(0\); correct"),
        ([{**GOOD, "reward": 10**400}], r"line 1 is corrupt: .* its 'reward' is beyond 1\.8e\+308"),
        ([{**GOOD, "temperature": 10**400}], r"line 1 is corrupt: .* its 'temperature' is beyond 1\.8e\+308"),
        ([{**GOOD, "target_tokens": [11, 0], "log_probs": [-(10**400), 0]}], r"its 'log_probs' is beyond 1\.8e\+308"),
        ([], "there are no rollouts in .*; name the files that hold some"),
    ],
)  # fmt: skip
def test_what_cannot_be_used_is_refused_and_nothing_is_left(
    bring: Bring, tmp_path: Path, tiny_task: Task, lines: Lines, message: str
) -> None:
    assert tiny_task.tokenizer.decode([[11, 0]]) == ["two"]
    file = write(tmp_path / "plain.jsonl", lines)
    with pytest.raises(ValueError, match=message):
        bring(file, "jsonl")
    assert list(tmp_path.iterdir()) == [file]


def test_a_file_that_is_named_twice_would_count_twice(tmp_path: Path, tiny_task: Task) -> None:
    folder = tmp_path / "rollouts"
    folder.mkdir()
    file = write(folder / "plain.jsonl", [GOOD])
    (tmp_path / "link.jsonl").symlink_to(file)
    for again in (file, folder, tmp_path / "link.jsonl"):
        with pytest.raises(ValueError, match=r"jsonl' is named a second time \(as '.*plain\.jsonl' before\).*name it"):
            import_rollouts([file, again], "jsonl", tmp_path / "new", tiny_task, progress=False)
    assert not (tmp_path / "new").exists()


def test_an_object_store_is_refused_before_anything_is_read(tmp_path: Path, tiny_task: Task, run: Run) -> None:
    with pytest.raises(ValueError, match="'memory://new/buffer' is an object store, and import makes a folder; name"):
        import_rollouts([tmp_path / "none.jsonl"], "jsonl", "memory://new/buffer", tiny_task, progress=False)
    code, _ = run("import", tmp_path / "none.jsonl", "--from", "jsonl", "--out", "memory://new/buffer")
    assert "'memory://new/buffer' is an object store" in str(code)


def test_a_file_that_cannot_be_read_is_named(tmp_path: Path, tiny_task: Task) -> None:
    origins: dict[RolloutFormat, str] = {"jsonl": "none.jsonl", "trl": "none.parquet"}
    for origin, name in origins.items():
        with pytest.raises(FileNotFoundError, match=name):
            import_rollouts([tmp_path / name], origin, tmp_path / "new", tiny_task, progress=False)
    assert list(tmp_path.iterdir()) == []


def test_foreign_files_templates_and_what_is_there_are_refused(bring: Bring, tmp_path: Path) -> None:
    plain = write(tmp_path / "plain.jsonl", [GOOD])
    table = trl_table(tmp_path / "some.parquet")
    with pytest.raises(ValueError, match="line 1 is corrupt"):
        bring(table, "jsonl")
    with pytest.raises(ValueError, match="is corrupt or no Parquet file"):
        bring(plain, "trl")
    unscored = trl_table(tmp_path / "unscored.parquet", fidelity=None)
    with pytest.raises(ValueError, match=r"row 0: it has no reward .*give a scorer \(--scorer\)"):
        bring(unscored, "trl", prompt_template=PROMPT)
    with pytest.raises(ValueError, match="has no column of numbers 'quality'; of those that may be rewards: fidelity"):
        bring(table, "trl", reward=["quality"])
    with pytest.raises(
        ValueError, match=r"'eins rot haus' does not match the template 'Translate to English: \{source\}'"
    ):
        bring(plain, "jsonl", prompt_template=PROMPT)
    with pytest.raises(ValueError, match=r"has \{source\} 0 times; write it once"):
        bring(plain, "jsonl", prompt_template="Translate")
    with pytest.raises(ValueError, match="the reward range is 1 to 0; give the lower number first"):
        bring(plain, "jsonl", reward_range=(1.0, 0.0))
    bring(plain, "jsonl")
    with pytest.raises(FileExistsError, match="is there already; choose another name"):
        bring(plain, "jsonl")


def test_what_is_dropped_is_counted(bring: Bring, tmp_path: Path) -> None:
    lines = [GOOD, {**GOOD, "source": "vier"}, {**GOOD, "reward": None}, {**GOOD, "target": "one " * 12}]
    file = write(tmp_path / "plain.jsonl", lines)
    came, _ = bring(file, "jsonl", drop=("foreign", "long", "unscored"))
    assert (came.rollouts, came.trajectories) == (4, 1)
    assert came.dropped == {"foreign": 1, "long": 1, "unscored": 1}
