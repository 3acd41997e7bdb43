"""verifiers: its own task scores a reply by our scorer, and the episode that it writes comes into a buffer.

verifiers is not among our requirements, so that `.ci/libraries environments` installs it.
"""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from buffers import GrowingBatchBuffer, import_rollouts
from tests.conftest import OverlapScorer
from tests.libraries.conftest import WordTask

vf = pytest.importorskip("verifiers.v1", reason="verifiers is not installed, see .ci/libraries")
store = pytest.importorskip("verifiers.v1.utils.trace_store")
traces = pytest.importorskip("verifiers.v1.trace")
types = pytest.importorskip("verifiers.v1.types")

pytestmark = pytest.mark.filterwarnings("ignore")  # its own, of what it calls


def test_a_reply_is_scored_written_and_imported(
    words: WordTask, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from seq2seq_env.adapters import verifiers as ours

    monkeypatch.setattr(ours, "load_task", lambda name, **options: words)
    monkeypatch.setattr(ours, "shared_scorer", lambda name, task: OverlapScorer(task))
    ours._task.cache_clear()
    rows = list(ours.TranslationTaskset(ours.TranslationConfig(prompt_template="Translate: {source}")))
    assert [row.data.source for row in rows] == words.split("train").sources
    assert rows[1].data.prompt == "Translate: zwei"
    (target,) = words.tokenizer.encode_targets(["two"])
    asked = vf.MessageNode(message=types.UserMessage(content=rows[1].data.prompt), token_ids=[3], mask=[False])
    said = vf.MessageNode(
        parent=0,
        message=types.AssistantMessage(content="two"),
        sampled=True,
        token_ids=[5, *target],
        mask=[False, True, True],
        logprobs=[-0.5, -0.25],
    )
    trace = vf.Trace(
        task=traces.TraceTask(type="TranslationTask", data=rows[1].data),
        agent=traces.AgentInfo(config=vf.AgentConfig()),
        nodes=[asked, said],
    )
    asyncio.run(rows[1].score(trace))
    assert trace.reward == 1
    store.write_episode(tmp_path, vf.Episode(task=trace.task, traces=[trace], ok=True))
    came = import_rollouts(
        [tmp_path / "traces.jsonl"],
        "verifiers",
        tmp_path / "buffer",
        words,
        prompt_template="Translate: {source}",
        progress=False,
    )
    assert came.with_log_prob == 1
    (trajectory,) = [GrowingBatchBuffer(tmp_path / "buffer", task=words).select().read()]
    assert (trajectory.tokens.tolist(), trajectory.log_prob.tolist()) == (target, [-0.5, -0.25])
    assert (trajectory.source_index.tolist(), trajectory.reward.tolist()) == ([1], [1])
