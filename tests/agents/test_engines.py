from __future__ import annotations

import copy
import sys
from itertools import pairwise
from typing import Any

import ctranslate2
import numpy as np
import pytest
import torch
from scipy import stats
from transformers import (
    BartConfig,
    BartForConditionalGeneration,
    M2M100Config,
    M2M100ForConditionalGeneration,
    MBartConfig,
    MBartForConditionalGeneration,
    T5Config,
    T5ForConditionalGeneration,
)

import agents.sampling.ctranslate2_sampler as module
from agents import CTranslate2Sampler, Seq2SeqPolicy, make_sampler, shift
from agents.sampling.ctranslate2_conversion import convert, obstacle, token_names
from buffers import GrowingBatchBuffer, InThreads, Samples, grow
from seq2seq_env.constraint import Constraint
from seq2seq_env.scorers import Scorer
from seq2seq_env.tasks.task import Task
from seq2seq_env.tokenization.tokenizer import Tokenizer
from tests.tiny_models import SIZES

SOURCES = ["eins rot haus", "zwei", "drei blau", "zwei gruen hund"]


def architecture(name: str, tokenizer: Tokenizer) -> Seq2SeqPolicy:
    """A random model of 16 features in the layout of a pretrained one."""
    common: dict[str, Any] = {
        "vocab_size": tokenizer.vocab_size,
        "pad_token_id": tokenizer.pad_id,
        "eos_token_id": tokenizer.eos_id,
        "bos_token_id": None,
        "decoder_start_token_id": tokenizer.eos_id,
    }
    torch.manual_seed(0)
    if name == "t5":
        config = T5Config(
            **common | {"vocab_size": tokenizer.vocab_size + 5}, d_model=16, d_kv=8, d_ff=32, num_layers=1, num_heads=2
        )
        return Seq2SeqPolicy(T5ForConditionalGeneration(config), tokenizer, 12)
    sizes = SIZES | {"max_position_embeddings": 20, "init_std": 0.5, "forced_eos_token_id": None}
    configs = {"bart": BartConfig, "mbart": MBartConfig}
    models = {"bart": BartForConditionalGeneration, "mbart": MBartForConditionalGeneration}
    return Seq2SeqPolicy(models[name](configs[name](**common, **sizes)), tokenizer, 12)


def rows(samples: Samples) -> list[list[int]]:
    return [samples.tokens[low:high].tolist() for low, high in pairwise(samples.offsets)]


def scored(policy: Seq2SeqPolicy, samples: Samples, temperature: float) -> np.ndarray[Any, np.dtype[np.float32]]:
    sources = [SOURCES[i] for i in samples.source_index]
    return np.concatenate(policy.log_probs(sources, rows(samples), temperature))


@pytest.mark.parametrize("temperature", [0.7, 1.0, 1.6])
def test_log_probabilities_are_the_policys_at_the_temperature(trained: Seq2SeqPolicy, temperature: float) -> None:
    samples = CTranslate2Sampler(trained).sample(SOURCES, 20, temperature, seed=3)
    np.testing.assert_allclose(samples.log_prob, scored(trained, samples, temperature), rtol=0, atol=2e-5)


@pytest.mark.parametrize("name", ["bart", "mbart", "t5"])
def test_every_architecture_converts(name: str, tiny_task: Task) -> None:
    policy = architecture(name, tiny_task.tokenizer)
    before = policy.fingerprint
    sampler = make_sampler(policy)
    assert isinstance(sampler, CTranslate2Sampler)
    samples = sampler.sample(SOURCES, 20, 1.3, seed=3)
    np.testing.assert_allclose(samples.log_prob, scored(policy, samples, 1.3), rtol=0, atol=5e-5)
    assert policy.fingerprint == before
    assert samples.tokens.max() < tiny_task.tokenizer.pad_id
    assert tiny_task.tokenizer.unk_id not in samples.tokens


def test_m2m100_converts() -> None:
    """Its padding is token 1, which no tokenizer of ours has; so its network is compared by itself."""
    torch.manual_seed(0)
    config = M2M100Config(
        vocab_size=20, d_model=16, encoder_layers=1, decoder_layers=2, encoder_attention_heads=2,
        decoder_attention_heads=2, encoder_ffn_dim=32, decoder_ffn_dim=32, max_position_embeddings=20, init_std=0.5,
        pad_token_id=1, eos_token_id=2, bos_token_id=0, decoder_start_token_id=2,
    )  # fmt: skip
    model: Any = M2M100ForConditionalGeneration(config)
    model.train(False)
    assert obstacle(model) is None
    support = torch.zeros(20)
    support[[1, 3]] = -torch.inf
    names = token_names(model)
    files = convert(model, support, 0.7, 3, "float32")
    translator = ctranslate2.Translator("m2m100", device="cpu", files=files)
    source, target = [5, 6, 7, 2], [8, 9, 10, 2]
    [scored] = translator.score_batch([[names[i] for i in source]], [[names[i] for i in target]])
    with torch.no_grad():
        logits = model(input_ids=torch.tensor([source]), decoder_input_ids=torch.tensor([[2, *target]])).logits[0]
    expected = torch.log_softmax(support + logits / 0.7, -1)[range(5), [*target, 2]]
    np.testing.assert_allclose(scored.log_probs, expected, rtol=0, atol=1e-5)
    model.config.pad_token_id = 19
    assert str(obstacle(model)).startswith("it counts positions as with padding 1")


def test_both_engines_draw_from_one_distribution(policy: Seq2SeqPolicy) -> None:
    """Token and length counts, ends and mean log-probability agree within sampling error, on 6,000 samples each."""
    ours = policy.sample(SOURCES, 1500, 0.9, seed=1)
    theirs = CTranslate2Sampler(policy).sample(SOURCES, 1500, 0.9, seed=1)
    for values in ([ours.tokens, theirs.tokens], [np.diff(ours.offsets), np.diff(theirs.offsets)]):
        counts = np.stack([np.bincount(numbers, minlength=20) for numbers in values])
        counts = counts[:, counts.sum(0) >= 10]
        assert stats.chi2_contingency(counts).pvalue > 0.001
    ends = [[int(samples.terminated.sum()), int((~samples.terminated).sum())] for samples in (ours, theirs)]
    assert stats.chi2_contingency(ends).pvalue > 0.001
    one, other = (np.add.reduceat(samples.log_prob, samples.offsets[:-1]) for samples in (ours, theirs))
    assert stats.ks_2samp(one.tolist(), other.tolist()).pvalue > 0.001


def test_samples_are_a_source_together_in_the_order_of_the_sources(trained: Seq2SeqPolicy) -> None:
    samples = CTranslate2Sampler(trained).sample(SOURCES, 3, 0.01, seed=0)  # all but greedy
    assert samples.source_index.tolist() == [0, 0, 0, 1, 1, 1, 2, 2, 2, 3, 3, 3]
    assert samples.texts == [text for text in trained.translate(SOURCES) for _ in range(3)]
    assert samples.terminated.all()
    assert all(
        row.count(trained.tokenizer.eos_id) == 1 and row[-1] == trained.tokenizer.eos_id for row in rows(samples)
    )


def test_a_sample_that_the_limit_cuts_is_truncated(policy: Seq2SeqPolicy) -> None:
    samples = CTranslate2Sampler(policy).sample(SOURCES, 50, 1.0, seed=1)  # untrained: ends by chance
    lengths = np.diff(samples.offsets)
    assert lengths.min() == 1
    assert lengths.max() == policy.max_target_length
    ended = np.array([row[-1] == policy.tokenizer.eos_id for row in rows(samples)])
    np.testing.assert_array_equal(samples.terminated, ended)
    assert not samples.terminated.all()
    assert (lengths[~samples.terminated] == policy.max_target_length).all()


def test_a_constraint_is_kept_to(policy: Seq2SeqPolicy) -> None:
    narrow = policy.constrained(Constraint(frozenset({3, 12, 13}), (2, 12)))
    samples = CTranslate2Sampler(narrow).sample(SOURCES, 30, 1.0, seed=1)
    assert all(row[:2] == [2, 12] and set(row[2:]) <= {0, 3, 12, 13} for row in rows(samples))
    assert np.diff(samples.offsets).max() == policy.max_target_length
    np.testing.assert_allclose(samples.log_prob, scored(narrow, samples, 1.0), rtol=0, atol=2e-5)


def test_the_same_bytes_whatever_threads_and_company(trained: Seq2SeqPolicy, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "SOURCES_A_STREAM", 3)
    sources = SOURCES * 4
    alone = CTranslate2Sampler(trained).sample(sources, 5, 1.2, seed=7)
    threads = torch.get_num_threads()
    torch.set_num_threads(4)
    try:
        for _ in range(3):
            together = CTranslate2Sampler(trained).sample(sources, 5, 1.2, seed=7)
            np.testing.assert_array_equal(together.tokens, alone.tokens)
            np.testing.assert_array_equal(together.log_prob, alone.log_prob)
    finally:
        torch.set_num_threads(threads)
    assert CTranslate2Sampler(trained).sample(sources, 5, 1.2, seed=8).texts != alone.texts


def test_grow_gives_the_same_bytes_on_any_number_of_threads(
    trained: Seq2SeqPolicy, fake_scorer: Scorer, tiny_task: Task, tmp_path: Any
) -> None:
    found = []
    for threads in (1, 3):
        folder = tmp_path / str(threads)
        grow(
            CTranslate2Sampler(trained), fake_scorer, tiny_task, GrowingBatchBuffer(folder), grow_step=1, candidates=3,
            temperature=1.0, seed=2, sources_per_shard=4, workers=InThreads(threads), progress=False,
        )  # fmt: skip
        found.append({path.name: path.read_bytes() for path in sorted(folder.glob("*.h5"))})
    assert found[0] == found[1]
    assert len(found[0]) > 2
    provenance = GrowingBatchBuffer(tmp_path / "1").shards[0].provenance
    assert provenance.sampler.startswith("ctranslate2 ")
    assert provenance.sampler.endswith(" float32")


def test_a_sampler_travels_to_another_process(trained: Seq2SeqPolicy) -> None:
    sampler = CTranslate2Sampler(trained)
    there = copy.deepcopy(sampler)
    np.testing.assert_array_equal(there.sample(SOURCES, 2, 1.0, 0).tokens, sampler.sample(SOURCES, 2, 1.0, 0).tokens)


def test_nothing_to_sample(trained: Seq2SeqPolicy) -> None:
    assert len(CTranslate2Sampler(trained).sample([], 3, 1.0, seed=0)) == 0


def test_a_policy_trained_meanwhile_is_refused(trained: Seq2SeqPolicy) -> None:
    sampler = CTranslate2Sampler(trained)
    sampler.sample(SOURCES, 1, 1.0, seed=0)
    with torch.no_grad():
        next(trained.model.parameters()).add_(1)
    sampler.sample(SOURCES, 1, 1.0, seed=0)  # the weights of before
    with pytest.raises(RuntimeError, match="has been trained since this sampler was made"):
        sampler.sample(SOURCES, 1, 0.5, seed=0)


def test_weights_that_are_not_finite_are_named(policy: Seq2SeqPolicy) -> None:
    with torch.no_grad():
        next(policy.model.parameters())[5] = torch.nan
    with pytest.raises(FloatingPointError, match="logits are not finite; load an earlier checkpoint"):
        CTranslate2Sampler(policy).sample(SOURCES, 1, 1.0, seed=0)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((["zwei"], 0, 1.0, 0), "num_candidates is 0; give at least 1"),
        ((["zwei"], 1, 0.0, 0), "temperature is 0.0; give a number above 0"),
        (([""], 1, 1.0, 0), "source 0 is empty"),
        ((["zwei"], 1, 1.0, -1), "seed is -1; give an integer from 0"),
    ],
)
def test_what_cannot_be_sampled_is_refused(policy: Seq2SeqPolicy, arguments: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        CTranslate2Sampler(policy).sample(*arguments)


def test_int8_gives_its_own_probabilities_and_says_how_far_off_it_is(trained: Seq2SeqPolicy) -> None:
    before = trained.fingerprint
    sampler = make_sampler(trained, compute_type="int8")
    assert sampler.engine.endswith("int8")
    moved = shift(sampler, trained, SOURCES * 50, 1.0, seed=0)
    itself = shift(trained, trained, SOURCES * 50, 1.0, seed=0)
    assert abs(itself.kl) < 1e-6
    assert 1e-6 < abs(moved.kl) < 0.05
    assert str(moved).startswith("KL from the policy ")
    assert trained.fingerprint == before


def test_kl_is_the_mean_of_a_token_with_its_error(trained: Seq2SeqPolicy) -> None:
    class Twice:
        """Samples the policy, and says that everything was twice as likely."""

        fingerprint, engine, log_probs = "", "", trained.log_probs

        def sample(self, *arguments: Any) -> Samples:
            samples = trained.sample(*arguments)
            samples.log_prob[:] += np.log(2)
            return samples

    found = shift(Twice(), trained, SOURCES, 1.0, seed=0)
    assert found.kl == pytest.approx(np.log(2), rel=1e-5)
    assert found.standard_error < 1e-5
    with pytest.raises(ValueError, match="there are 1 sources; give at least 2"):
        shift(trained, trained, SOURCES[:1], 1.0, seed=0)


def test_auto_takes_the_faster_engine_that_can(
    policy: Seq2SeqPolicy, tiny_task: Task, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert make_sampler(policy) is policy
    assert policy.engine == "transformers"
    assert isinstance(make_sampler(policy, "ctranslate2"), CTranslate2Sampler)
    other = architecture("bart", tiny_task.tokenizer)
    assert make_sampler(other, "transformers") is other
    assert isinstance(make_sampler(other), CTranslate2Sampler)
    monkeypatch.setitem(sys.modules, "ctranslate2", None)
    assert make_sampler(other) is other
    with pytest.raises(ImportError, match=r"the engine ctranslate2 needs ctranslate2, .*\.\[ct2\]"):
        make_sampler(other, "ctranslate2")


def test_a_model_without_a_conversion_is_sampled_by_itself(
    policy: Seq2SeqPolicy, monkeypatch: pytest.MonkeyPatch
) -> None:
    policy.model.config.pad_token_id = policy.tokenizer.pad_id - 1  # as no Marian model has it
    assert make_sampler(policy, "auto") is policy
    with pytest.raises(ValueError, match="CTranslate2 cannot sample this policy: Marian's padding must be the last"):
        make_sampler(policy, "ctranslate2")
    monkeypatch.setattr(type(policy.model.config), "model_type", "prophetnet")
    assert make_sampler(policy, "auto") is policy
    with pytest.raises(ValueError, match="it has no conversion of 'prophetnet' models, only of bart"):
        make_sampler(policy, "ctranslate2")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("vllm",), "there is no engine 'vllm'; choose one of auto, transformers, ctranslate2"),
        (("auto", "int4"), "there is no compute_type 'int4'; choose one of float32, int8"),
        (("transformers", "int8"), "the engine transformers samples in float32, not 'int8'"),
        (("ctranslate2", "float16"), "CTranslate2 computes no 'float16' on cpu; choose one of .*float32"),
    ],
)
def test_unknown_engines_are_refused(policy: Seq2SeqPolicy, arguments: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        make_sampler(policy, *arguments)
