"""Policies that start from pretrained encoder-decoders, each in the hub's own format."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import fields, replace
from functools import cache
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from transformers import AutoModelForSeq2SeqLM, AutoTokenizer

from agents import (
    AGENTS,
    Agent,
    CTranslate2Sampler,
    Seq2SeqPolicy,
    TrainingConfig,
    ValueNetwork,
    agent_class,
    make_agent,
    make_sampler,
)
from agents.sampling.ctranslate2_conversion import obstacle
from buffers import GrowingBatchBuffer, Samples, Slice, grow
from seq2seq_env.atomic_files import read_json, write_json
from seq2seq_env.env import Seq2SeqTranslateEnv
from seq2seq_env.scorers import Scorer
from seq2seq_env.tasks.task import Task
from tests.tiny_models import MAKERS

SOURCES = ["eins rot haus", "zwei auto", "drei", "hund blau"]
NAMES = sorted(MAKERS)
MakeFolder = Callable[[str], Path]
MakeTask = Callable[[str], Task]


@pytest.fixture(params=NAMES)
def name(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def policy(name: str, pretrained_folder: MakeFolder, pretrained_task: MakeTask) -> Seq2SeqPolicy:
    return Seq2SeqPolicy.from_pretrained(pretrained_folder(name), pretrained_task(name).tokenizer, 12)


def targets_of(samples: Samples) -> list[list[int]]:
    return [samples.tokens[low:high].tolist() for low, high in pairwise(samples.offsets)]


def by_the_library(policy: Seq2SeqPolicy, source: str, target: list[int]) -> np.ndarray[Any, Any]:
    """Log-probabilities of a target, from the model's own forward pass and the tokens before it as written out here."""
    before = {"marian": [37], "m2m100": [2, 57], "nllb": [2, 78], "mbart": [43], "bart": [2, 0], "t5": [0]}
    kind = {38: "marian", 139: "m2m100", 80: "nllb", 65: "mbart", 314: "bart", 41: "t5"}[policy.tokenizer.vocab_size]
    start = before[kind]
    with torch.no_grad():
        logits = policy.model(
            input_ids=torch.tensor(policy.tokenizer.encode([source])),
            decoder_input_ids=torch.tensor([[*start, *target[:-1]]]),
        ).logits[0, len(start) - 1 :]
    never = [*policy.tokenizer.never_written, policy.tokenizer.unk_id]
    logits[:, never] = -torch.inf
    logits[:, policy.tokenizer.vocab_size :] = -torch.inf
    found = torch.log_softmax(logits, -1)[torch.arange(len(target)), target]
    return np.asarray(found.numpy())


def test_log_probabilities_are_those_of_the_model_after_its_start_tokens(policy: Seq2SeqPolicy) -> None:
    samples = policy.sample(policy.encode(SOURCES), 3, 1.0, seed=2)
    targets = targets_of(samples)
    sources = [SOURCES[i] for i in samples.source_index]
    scored = policy.log_probs(policy.encode(sources), targets)
    np.testing.assert_allclose(np.concatenate(scored), samples.log_prob, atol=2e-5)
    for source, target, row in list(zip(sources, targets, scored, strict=True))[:4]:
        np.testing.assert_allclose(row, by_the_library(policy, source, target), atol=2e-5)
    never = policy.tokenizer.never_written
    assert not never & set(samples.tokens.tolist())
    assert samples.tokens.max() < policy.tokenizer.vocab_size


def test_greedy_and_beam_translations_are_those_of_generate(policy: Seq2SeqPolicy, tmp_path: Path) -> None:
    policy.save(tmp_path)
    model: Any = AutoModelForSeq2SeqLM.from_pretrained(tmp_path, attn_implementation="eager")
    never = {*policy.tokenizer.never_written, *range(policy.tokenizer.vocab_size, model.config.vocab_size)}
    # The library cannot force a language's code and forbid it later; so it is given here.
    before = torch.tensor([policy.start])
    for beams in (1, 3):
        expected = []
        for source in SOURCES:
            ids = torch.tensor(policy.tokenizer.encode([source]))
            found = model.generate(
                input_ids=ids, decoder_input_ids=before, do_sample=False, num_beams=beams, max_new_tokens=12,
                suppress_tokens=[policy.tokenizer.unk_id, *never], forced_bos_token_id=None,
            )  # fmt: skip
            expected += policy.tokenizer.decode(found[:, len(policy.start) :].tolist())
        assert policy.translate(SOURCES, num_beams=beams) == expected


def test_a_saved_policy_is_the_same_and_loads_in_the_library(name: str, policy: Seq2SeqPolicy, tmp_path: Path) -> None:
    policy.save(tmp_path / "one")
    loaded = Seq2SeqPolicy.load(tmp_path / "one")
    assert (loaded.fingerprint, loaded.start) == (policy.fingerprint, policy.start)
    assert loaded.clone().fingerprint == policy.fingerprint
    loaded.save(tmp_path / "two")
    for path in (tmp_path / "one").iterdir():
        assert path.read_bytes() == (tmp_path / "two" / path.name).read_bytes()
    if name not in ("marian", "m2m100"):  # which the library reads with SentencePiece only
        theirs: Any = AutoTokenizer.from_pretrained(tmp_path / "one")
        prefix = "eins zu one: " if name == "t5" else ""
        assert theirs([prefix + source for source in SOURCES])["input_ids"] == policy.tokenizer.encode(SOURCES)


def test_episodes_are_what_the_policy_samples(
    name: str, policy: Seq2SeqPolicy, pretrained_task: MakeTask, fake_scorer: Scorer
) -> None:
    task = pretrained_task(name)
    env = Seq2SeqTranslateEnv(task, fake_scorer, max_target_length=12)
    sources = task.split("train").sources[:3]
    samples = policy.sample(policy.encode(sources), 2, 1.0, seed=0)
    for index, target, text in zip(samples.source_index, targets_of(samples), samples.texts, strict=True):
        _, info = env.reset(options={"source": sources[index]})
        for token in target:
            assert info["action_mask"][token]
            *_, terminated, truncated, info = env.step(token)
        assert terminated or truncated
        assert info["hypothesis"] == text
    assert not any(info["action_mask"][token] for token in task.tokenizer.never_written)


def test_grown_shards_hold_its_tokens(
    name: str, policy: Seq2SeqPolicy, pretrained_task: MakeTask, fake_scorer: Scorer, tmp_path: Path
) -> None:
    task = pretrained_task(name)
    buffer = GrowingBatchBuffer(tmp_path, task=task)
    grow(policy, fake_scorer, task, buffer, grow_step=1, candidates=2, temperature=1.0, seed=0, progress=False)
    grown = buffer.select()
    train = task.split("train")
    references = [row for part in grown.pieces() for row in _targets(part) if part.is_reference.all() or row]
    assert task.tokenizer.encode_targets(train.references[:1])[0] in references
    assert len(grown) == 3 * len(train)
    [batch] = grown.batches(100_000, seed=0)
    assert ValueNetwork.from_policy(policy)(batch).shape == batch.target.shape


def _targets(part: Any) -> list[list[int]]:
    return [part.tokens[low:high].tolist() for low, high in pairwise(part.offsets)]


@pytest.mark.parametrize("kind", NAMES)
def test_ctranslate2_draws_from_it(kind: str, pretrained_folder: MakeFolder, pretrained_task: MakeTask) -> None:
    policy = Seq2SeqPolicy.from_pretrained(pretrained_folder(kind), pretrained_task(kind).tokenizer, 12)
    assert obstacle(policy.model) is None
    sampler = CTranslate2Sampler(policy)
    samples = sampler.sample(sampler.encode(SOURCES), 10, 0.8, seed=1)
    sources = [SOURCES[i] for i in samples.source_index]
    scored = np.concatenate(policy.log_probs(policy.encode(sources), targets_of(samples), 0.8))
    np.testing.assert_allclose(samples.log_prob, scored, atol=1e-4)
    lengths = np.diff(samples.offsets)
    assert (lengths[~samples.terminated] == 12).all()
    assert isinstance(make_sampler(policy), CTranslate2Sampler) == (kind != "marian")


def test_value_networks_are_saved_with_all_start_tokens(
    pretrained_folder: MakeFolder, pretrained_task: MakeTask, tmp_path: Path
) -> None:
    task = pretrained_task("nllb")
    policy = Seq2SeqPolicy.from_pretrained(pretrained_folder("nllb"), task.tokenizer, 12)
    value = ValueNetwork.from_policy(policy)
    torch.nn.init.normal_(value.head.weight)
    value.save(tmp_path)
    loaded = ValueNetwork.load(tmp_path)
    train = task.split("train")
    [batch] = Slice.from_pairs(train.sources, train.references, task.tokenizer, 20, 12).batches(100_000, seed=0)
    assert loaded.start == value.start == policy.start
    torch.testing.assert_close(loaded(batch), value(batch))
    env = Seq2SeqTranslateEnv(task, _one, max_target_length=12)
    observation, _ = env.reset(options={"source_index": 0})
    first = value.potential({key: found[None] for key, found in observation.items()})
    row = batch.row.tolist().index(0)
    assert first[0] == pytest.approx(value(batch)[row, 0].item(), abs=1e-5)


class _One:
    fingerprint = "one"

    def score(self, sources: Any, hypotheses: Any) -> Any:
        return np.ones(len(sources), dtype=np.float32)


_one = _One()


def test_code_of_a_model_is_refused_without_a_question(
    tmp_path: Path, pretrained_folder: MakeFolder, pretrained_task: MakeTask, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder, mark = tmp_path / "model", tmp_path / "mark"
    shutil.copytree(pretrained_folder("marian"), folder)
    (folder / "own.py").write_text(
        f"open({str(mark)!r}, 'w').close()\n"
        "from transformers import PretrainedConfig\n"
        "class OwnConfig(PretrainedConfig): model_type = 'own'\n"
    )
    config = read_json(folder / "config.json")
    write_json(folder / "config.json", config | {"model_type": "own", "auto_map": {"AutoConfig": "own.OwnConfig"}})
    monkeypatch.setattr("builtins.input", lambda *question: "y")
    with pytest.raises(ValueError, match="it takes code that comes with it, which is never run"):
        Seq2SeqPolicy.from_pretrained(folder, pretrained_task("marian").tokenizer, 12)
    assert not mark.exists()


def test_what_is_no_model_is_refused(
    pretrained_folder: MakeFolder, pretrained_task: MakeTask, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tokenizer = pretrained_task("bart").tokenizer
    with pytest.raises(ValueError, match="the model knows 46 tokens and pads with 0, the tokenizer 314 and 1"):
        Seq2SeqPolicy.from_pretrained(pretrained_folder("t5"), tokenizer, 12)
    with pytest.raises(FileNotFoundError, match=r"there is no folder './nowhere'"):
        Seq2SeqPolicy.from_pretrained("./nowhere", tokenizer, 12)
    with pytest.raises(FileNotFoundError, match=r"no config\.json in"):
        Seq2SeqPolicy.from_pretrained(tmp_path, tokenizer, 12)
    copy = shutil.copytree(pretrained_folder("bart"), tmp_path / "copy")
    (copy / "translation.json").write_text("{}")
    with pytest.raises(ValueError, match=r"not a saved policy; load it with\s+Seq2SeqPolicy.from_pretrained"):
        Seq2SeqPolicy.load(copy)
    (copy / "model.safetensors").unlink()
    with pytest.raises(FileNotFoundError, match=r"no safetensors in .* write them once"):
        Seq2SeqPolicy.from_pretrained(copy, tokenizer, 12)
    (copy / "model.safetensors").write_bytes(b"no tensors")
    with pytest.raises((ValueError, OSError), match="cannot be loaded"):
        Seq2SeqPolicy.from_pretrained(copy, tokenizer, 12)
    (copy / "config.json").write_text('{"model_type": "bert"}')
    with pytest.raises(ValueError, match="is no encoder-decoder and no decoder-only model"):
        Seq2SeqPolicy.from_pretrained(copy, tokenizer, 12)
    monkeypatch.setattr("huggingface_hub.snapshot_download", _unreachable)
    with pytest.raises(
        OSError, match=r"cannot be had from the hub \(ConnectionError: no network\).*hf download some/model"
    ):
        Seq2SeqPolicy.from_pretrained("some/model", tokenizer, 12)


def _unreachable(*_: Any, **__: Any) -> str:
    raise ConnectionError("no network")


CONTRACT = [("bart", name) for name in sorted(AGENTS)]
CONTRACT += [("t5", "bvmpo"), ("t5", "iql")]  # of the others adapters are trained, see test_lora.py


@pytest.fixture(scope="module")
def grown_by(
    pretrained_folder: MakeFolder,
    pretrained_task: MakeTask,
    fake_scorer: Scorer,
    tmp_path_factory: pytest.TempPathFactory,
) -> Callable[[str], Slice]:
    """Samples of a pretrained policy and references, scored."""

    @cache
    def make(kind: str) -> Slice:
        task = pretrained_task(kind)
        policy = Seq2SeqPolicy.from_pretrained(pretrained_folder(kind), task.tokenizer, 12)
        buffer = GrowingBatchBuffer(tmp_path_factory.mktemp(kind), task=task)
        grow(policy, fake_scorer, task, buffer, grow_step=1, num_sources=8, candidates=3, temperature=1.0, seed=0,
             progress=False)  # fmt: skip
        return buffer.select()

    return make


@pytest.mark.parametrize(("kind", "name"), CONTRACT)
def test_every_agent_trains_it_and_saves_it(
    kind: str,
    name: str,
    pretrained_folder: MakeFolder,
    pretrained_task: MakeTask,
    grown_by: Callable[[str], Slice],
    quick: TrainingConfig,
    tmp_path: Path,
) -> None:
    policy = Seq2SeqPolicy.from_pretrained(pretrained_folder(kind), pretrained_task(kind).tokenizer, 12)
    known = {field.name for field in fields(agent_class(name).Config)}
    agent = make_agent(name, policy, **({"value_tokens": 60} if "value_tokens" in known else {}))
    before = policy.fingerprint
    agent.improve(grown_by(kind), replace(quick, max_tokens=96, evaluate_every=96, warmup_tokens=0))
    assert agent.policy.fingerprint != before
    agent.save(tmp_path)
    loaded = Agent.load(tmp_path)
    assert loaded.policy.fingerprint == agent.policy.fingerprint
    assert loaded.translate(SOURCES) == agent.translate(SOURCES)
    written = agent.policy.sample(agent.policy.encode(SOURCES), 2, 1.0, seed=3).tokens.tolist()
    assert not agent.policy.tokenizer.never_written & set(written)
