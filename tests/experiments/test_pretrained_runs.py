"""Whole runs that start from a pretrained model, by options alone."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from transformers import AutoModelForSeq2SeqLM

from agents import LoRA, Seq2SeqPolicy, TrainingConfig
from buffers.admin.export import export
from experiments import compare_agents
from experiments.growing_batch import Config, growing_batch
from experiments.runs.experiment import Experiment
from experiments.runs.script import execute
from seq2seq_env.tasks import Task, load_task
from tests.experiments.tiny_experiment import POLICY

TRAINING = TrainingConfig(
    learning_rate=1e-2, max_tokens=400, tokens_per_batch=64, warmup_tokens=10, evaluate_every=400, progress=False
)
CONFIG = Config(
    task="text-files", grow_steps=1, improve_steps=1, sources=6, candidates=3, filter_values=(0.05,),
    supervised=TRAINING, improve=TRAINING, device="cpu", scorer="fake",
)  # fmt: skip
LANGUAGES = {"source_language": "deu_Latn", "target_language": "eng_Latn"}


def no_report(run: Experiment[Any]) -> None:
    """Plots take longer than these runs."""


class _Short:
    """Prefers short texts."""

    fingerprint = "short"

    def score(self, sources: Any, hypotheses: Any) -> Any:
        return np.array([1 / (1 + len(text)) for text in hypotheses], dtype=np.float32)


@pytest.fixture(autouse=True)
def scorer(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("experiments.runs.script.load_scorer", lambda *_, **__: _Short())


@pytest.fixture
def data(tmp_path: Path, tiny_task: Task) -> dict[str, str]:
    folder = tmp_path / "data"
    folder.mkdir()
    for name in ("train", "validation", "test"):
        split = tiny_task.split(name)
        (folder / f"{name}.de").write_text("\n".join(split.sources) + "\n")
        (folder / f"{name}.en").write_text("\n".join(split.references) + "\n")
    return {"folder": str(folder), "source": "de", "target": "en", "max_tokens": "20"}


def test_growing_batch_starts_from_nllb_and_its_buffer_exports_texts(
    data: dict[str, str], pretrained_folder: Callable[[str], Path], tmp_path: Path
) -> None:
    model, options = str(pretrained_folder("nllb")), data | LANGUAGES
    config = replace(CONFIG, pretrained=model, task_options=options, out=tmp_path / "run", arms=())
    execute(config, growing_batch, no_report)
    policy = Seq2SeqPolicy.load(tmp_path / "run" / "checkpoints" / "g0i0")
    assert policy.start == (2, 78)
    assert policy.fingerprint != Seq2SeqPolicy.from_pretrained(model, policy.tokenizer, 20).fingerprint
    assert json.loads((tmp_path / "run" / "config.json").read_text())["pretrained"] == model
    task = load_task("text-files", tokenizer=model, **options)
    assert task.tokenizer.fingerprint == policy.tokenizer.fingerprint
    exported = export(
        tmp_path / "run" / "buffer", "jsonl", str(tmp_path / "rows.jsonl"), texts=True, progress=False,
        task_options=options | {"tokenizer": model},
    )  # fmt: skip
    rows = [json.loads(line) for line in Path(exported.path).read_text().splitlines()]
    assert {"one red house", "two blue car"} <= {text for row in rows for text in row.values() if isinstance(text, str)}
    last = tmp_path / "run" / "checkpoints" / "g1i1"
    before = Seq2SeqPolicy.load(last).fingerprint
    (tmp_path / "run" / "stages" / "g1i1.json").unlink()
    execute(config, growing_batch, no_report)
    assert Seq2SeqPolicy.load(last).fingerprint == before


def test_a_pretrained_policy_may_be_taken_as_it_is(
    data: dict[str, str], pretrained_folder: Callable[[str], Path], tmp_path: Path
) -> None:
    config = compare_agents.Config(
        task="text-files", task_options=data | {"source_prefix": "eins zu one: "}, scorer="fake",
        pretrained=str(pretrained_folder("t5")), fine_tune=False, agents=("bc",), seeds=1,
        sources=6, candidates=3, improve=TRAINING, device="cpu",
        out=tmp_path / "run", lora=LoRA(rank=2),
    )  # fmt: skip
    execute(config, compare_agents.compare, compare_agents.report)
    policy = Seq2SeqPolicy.load(tmp_path / "run" / "seed0" / "checkpoints" / "g0i0")
    assert (
        policy.fingerprint == Seq2SeqPolicy.from_pretrained(pretrained_folder("t5"), policy.tokenizer, 20).fingerprint
    )
    assert json.loads((tmp_path / "run" / "seed0" / "stages" / "g0i0.json").read_text())[0]["train_tokens"] == 0


@pytest.mark.parametrize("training", ["supervised", "improve"])
def test_noise_on_a_text_before_the_sources_is_refused_before_anything_is_done(
    training: str, data: dict[str, str], pretrained_folder: Callable[[str], Path], tmp_path: Path
) -> None:
    noisy: dict[str, Any] = {training: replace(TRAINING, source_shuffle=1)}
    config = replace(
        CONFIG, pretrained=str(pretrained_folder("t5")), task_options=data | {"source_prefix": "eins zu one: "},
        out=tmp_path / "run", **noisy,
    )  # fmt: skip
    with pytest.raises(ValueError, match="noise on sources would fall on source_prefix 'eins zu one: ', too; leave"):
        execute(config, growing_batch, no_report)
    assert not (tmp_path / "run").exists()


def test_a_policy_of_a_run_starts_another(
    data: dict[str, str], pretrained_folder: Callable[[str], Path], tmp_path: Path
) -> None:
    tokenizer = load_task("text-files", tokenizer=str(pretrained_folder("bart")), **data).tokenizer
    policy = Seq2SeqPolicy.from_pretrained(pretrained_folder("bart"), tokenizer, 20)
    policy.save(tmp_path / "policy")
    config = replace(CONFIG, pretrained=str(tmp_path / "policy"), task_options=data, grow_steps=0)
    execute(replace(config, fine_tune=False, out=tmp_path / "run"), growing_batch, no_report)
    assert Seq2SeqPolicy.load(tmp_path / "run" / "checkpoints" / "g0i0").fingerprint == policy.fingerprint


def test_a_checkpoint_of_ones_own_is_tuned_by_adapters(data: dict[str, str], tmp_path: Path) -> None:
    """A Marian with a tokenizer of its own, in the hub's format: fine-tuned and improved, and merged after each."""
    task = load_task("text-files", **data | {"vocab_size": "100"})
    base = Seq2SeqPolicy.from_config(task.tokenizer, POLICY.for_task(task), seed=0)
    base.save(tmp_path / "base")
    config = replace(
        CONFIG, pretrained=str(tmp_path / "base"), task_options=data, out=tmp_path / "run", arms=(), beams=2,
        lora=LoRA(rank=2), filter_values=(0.0,),
    )  # fmt: skip
    execute(config, growing_batch, no_report)
    folders = [tmp_path / "run" / "checkpoints" / stage for stage in ("g0i0", "g1i1")]
    tuned, improved = map(Seq2SeqPolicy.load, folders)
    assert len({base.fingerprint, tuned.fingerprint, improved.fingerprint}) == 3
    shapes = [{name: each.shape for name, each in one.model.state_dict().items()} for one in (base, improved)]
    assert shapes[0] == shapes[1]
    assert AutoModelForSeq2SeqLM.from_pretrained(folders[1]).config.d_model == POLICY.d_model


def test_what_does_not_fit_is_refused(
    data: dict[str, str], pretrained_folder: Callable[[str], Path], tmp_path: Path
) -> None:
    nllb = str(pretrained_folder("nllb"))
    config = replace(CONFIG, out=tmp_path / "run")
    for changes, message in (
        ({"pretrained": nllb, "task_options": data}, "must be told its languages; give source_language"),
        ({"pretrained": nllb, "task_options": data | LANGUAGES | {"max_tokens": "30"}}, "positions for 1 to 23 tokens"),
        (
            {"pretrained": nllb, "task_options": data | {"tokenizer": str(pretrained_folder("t5"))}},
            "load both from one",
        ),
        ({"task_options": data | LANGUAGES}, "is for a pretrained model's tokenizer; name one with tokenizer or"),
    ):
        with pytest.raises(ValueError, match=message):
            execute(replace(config, out=tmp_path / message[:8], **changes), growing_batch, no_report)
