from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from scipy import stats
from transformers import AutoModelForSeq2SeqLM, AutoTokenizer

from agents import PolicyConfig, Seq2SeqPolicy
from agents.policy import seq2seq_policy as policy_module
from buffers import Samples, Slice
from seq2seq_env import Constraint
from seq2seq_env.tasks.task import Task
from seq2seq_env.tokenization.tokenizer import Tokenizer

SOURCES = ["eins rot haus", "zwei", "drei blau hund", "auto", "zwei rot", "rot auto"]


def targets_of(samples: Samples) -> list[list[int]]:
    return [samples.tokens[a:b].tolist() for a, b in zip(samples.offsets, samples.offsets[1:], strict=False)]


def test_sampled_log_probabilities_are_those_of_a_forward_pass(trained: Seq2SeqPolicy) -> None:
    samples = trained.sample(SOURCES, 4, 0.7, seed=0)
    assert samples.source_index.tolist() == [i for i in range(6) for _ in range(4)]
    scored = trained.log_probs([SOURCES[i] for i in samples.source_index], targets_of(samples), temperature=0.7)
    np.testing.assert_allclose(samples.log_prob, np.concatenate(scored), atol=1e-4)
    assert all(row.dtype == np.float32 for row in scored)


def test_the_same_seed_repeats_and_another_does_not(trained: Seq2SeqPolicy) -> None:
    once, again = trained.sample(SOURCES, 4, 1.0, seed=5), trained.sample(SOURCES, 4, 1.0, seed=5)
    np.testing.assert_array_equal(once.tokens, again.tokens)
    np.testing.assert_array_equal(once.log_prob, again.log_prob)
    assert once.texts == again.texts
    assert trained.sample(SOURCES, 4, 1.0, seed=6).texts != once.texts


@pytest.mark.parametrize("rows", [1, 5, 16])
def test_a_trajectory_does_not_depend_on_its_batch(
    trained: Seq2SeqPolicy, monkeypatch: pytest.MonkeyPatch, rows: int
) -> None:
    together = trained.sample(SOURCES, 4, 1.0, seed=5)
    monkeypatch.setitem(policy_module.ROWS, "cpu", rows)
    apart = trained.sample(SOURCES, 4, 1.0, seed=5)
    np.testing.assert_array_equal(together.tokens, apart.tokens)
    np.testing.assert_allclose(together.log_prob, apart.log_prob, atol=1e-5)


def test_a_trajectory_does_not_depend_on_other_sources_or_candidates(trained: Seq2SeqPolicy) -> None:
    many = trained.sample(SOURCES, 4, 1.0, seed=5)
    fewer = trained.sample([SOURCES[0], "haus", SOURCES[2]], 2, 1.0, seed=5)
    assert fewer.texts[:2] == many.texts[:2]
    assert fewer.texts[4:] == many.texts[8:10]


def test_hypotheses_end_once_or_are_cut_at_the_limit(policy: Seq2SeqPolicy) -> None:
    samples = policy.sample(SOURCES, 30, 1.0, seed=1)  # untrained: ends by chance, at every length
    lengths = np.diff(samples.offsets)
    assert {True, False} == set(samples.terminated.tolist())
    for target, terminated, text in zip(targets_of(samples), samples.terminated, samples.texts, strict=True):
        assert 0 not in target[:-1]
        assert (target[-1] == 0) == terminated
        assert text == policy.tokenizer.decode([target])[0]
    assert set(lengths[~samples.terminated]) == {12}
    assert lengths.max() == 12


def test_padding_and_unknown_are_never_written(policy: Seq2SeqPolicy) -> None:
    with torch.no_grad():
        policy.model.get_buffer("final_logits_bias")[0, [1, policy.tokenizer.pad_id]] = 50.0
    tokens = policy.sample(SOURCES, 10, 1.0, seed=1).tokens
    assert not np.isin(tokens, [1, policy.tokenizer.pad_id]).any()
    assert "<unk>" not in " ".join(policy.translate(SOURCES) + policy.translate(SOURCES, num_beams=2))


def test_frequencies_are_the_softmax_at_the_temperature(policy: Seq2SeqPolicy) -> None:
    temperature, count = 0.7, 4_000
    samples = policy.sample(["eins rot haus"], count, temperature, seed=2)
    first = Counter(samples.tokens[samples.offsets[:-1]].tolist())
    scores = policy.next_token_scores(policy.tokenizer.encode(["eins rot haus"]), [[]], temperature)[0]
    expected = count * torch.softmax(scores, -1).numpy().astype(np.float64)
    likely = np.flatnonzero(expected >= 5)
    observed = np.array([first[int(token)] for token in likely], dtype=np.float64)
    rest = np.array([count - observed.sum()]), np.array([count - expected[likely].sum()])
    assert len(likely) > 5
    assert stats.chisquare(np.append(observed, rest[0]), np.append(expected[likely], rest[1] + 1e-9)).pvalue > 0.01


def test_greedy_translation_is_that_of_generate(trained: Seq2SeqPolicy, tiny_task: Task) -> None:
    sources = tiny_task.split("train").sources
    expected = []
    for source in sources:
        found: Any = trained.model.generate(  # type: ignore[operator]
            input_ids=torch.tensor(trained.tokenizer.encode([source])),
            do_sample=False,
            max_new_tokens=12,
            suppress_tokens=[1, trained.tokenizer.pad_id],
        )
        expected += trained.tokenizer.decode(found[:, 1:].tolist())
    assert trained.translate(sources) == expected
    assert len(set(expected)) > 10


def test_one_beam_is_greedy_and_more_find_no_less_likely_ones(trained: Seq2SeqPolicy) -> None:
    greedy, beams = trained.translate(SOURCES), trained.translate(SOURCES, num_beams=4)

    def total(texts: list[str]) -> float:
        rows = trained.log_probs(SOURCES, trained.tokenizer.encode(texts))
        return float(sum(row.mean() for row in rows))

    assert len(beams) == len(SOURCES)
    assert total(beams) >= total(greedy) - 1e-4


def test_training_learns_the_task(trained: Seq2SeqPolicy, tiny_task: Task) -> None:
    train = tiny_task.split("train")
    right = [a == b for a, b in zip(trained.translate(train.sources), train.references, strict=True)]
    assert np.mean(right) > 0.9


def test_an_unknown_token_of_a_reference_has_a_finite_log_probability(policy: Seq2SeqPolicy) -> None:
    temperature, target = 0.5, [3, 1, 0]
    [row] = policy.log_probs(["zwei"], [target], temperature)
    with torch.no_grad():
        logits = policy.model(
            input_ids=torch.tensor(policy.tokenizer.encode(["zwei"])),
            decoder_input_ids=torch.tensor([[policy.tokenizer.start_id, 3, 1]]),
        ).logits[0]
    known = [token for token in range(policy.tokenizer.vocab_size - 1) if token != 1]
    for position, token in enumerate(target):
        tokens = [*known, 1] if token == 1 else known
        expected = logits[position, token] / temperature - (logits[position, tokens] / temperature).logsumexp(0)
        assert row[position] == pytest.approx(expected.item(), abs=1e-5)


def test_log_probabilities_do_not_depend_on_the_batch(policy: Seq2SeqPolicy, monkeypatch: pytest.MonkeyPatch) -> None:
    targets = [[2, 3, 4, 0], [5, 0], [6, 7, 8, 9, 10, 0]]
    together = policy.log_probs(SOURCES[:3], targets)
    monkeypatch.setattr(policy_module, "LOGITS_AT_ONCE", 1)
    for a, b in zip(together, policy.log_probs(SOURCES[:3], targets), strict=True):
        np.testing.assert_allclose(a, b, atol=1e-5)


def test_nothing_to_do_is_done(policy: Seq2SeqPolicy) -> None:
    assert len(policy.sample([], 3, 1.0, seed=0)) == 0
    assert policy.translate([]) == []
    assert policy.log_probs([], []) == []


def test_using_a_policy_leaves_its_mode(policy: Seq2SeqPolicy) -> None:
    policy.model.train()
    policy.translate(["zwei"])
    assert policy.model.training
    assert policy.translate(SOURCES) == policy.translate(SOURCES)  # without dropout


def test_save_and_load_are_exact(trained: Seq2SeqPolicy, tmp_path: Path) -> None:
    trained.save(tmp_path / "policy")
    loaded = Seq2SeqPolicy.load(tmp_path / "policy")
    assert loaded.fingerprint == trained.fingerprint
    assert loaded.max_target_length == 12
    for name, parameter in trained.model.named_parameters():
        assert torch.equal(loaded.model.get_parameter(name), parameter)
    np.testing.assert_array_equal(
        loaded.sample(SOURCES, 2, 1.0, 0).log_prob, trained.sample(SOURCES, 2, 1.0, 0).log_prob
    )


def test_a_saved_policy_is_a_hugging_face_folder(trained: Seq2SeqPolicy, tmp_path: Path) -> None:
    trained.save(tmp_path)
    names = {path.name for path in tmp_path.iterdir()}
    assert names == {
        "config.json",
        "generation_config.json",
        "model.safetensors",
        "tokenizer.json",
        "tokenizer_config.json",
    }
    tokenizer: Any = AutoTokenizer.from_pretrained(tmp_path)
    assert (tokenizer.eos_token_id, tokenizer.unk_token_id, tokenizer.pad_token_id) == (0, 1, trained.tokenizer.pad_id)
    assert json.loads((tmp_path / "generation_config.json").read_text())["max_new_tokens"] == 12


def test_the_librarys_own_classes_translate_as_the_policy_does(policy: Seq2SeqPolicy, tmp_path: Path) -> None:
    policy.save(tmp_path)
    tokenizer: Any = AutoTokenizer.from_pretrained(tmp_path)
    model: Any = AutoModelForSeq2SeqLM.from_pretrained(tmp_path)
    sources = [*SOURCES, "eins </s> haus <pad>"]
    batch = tokenizer(sources, return_tensors="pt", padding=True)
    rows = [row[: sum(mask)] for row, mask in zip(batch["input_ids"].tolist(), batch["attention_mask"], strict=True)]
    assert rows == policy.tokenizer.encode(sources)
    assert tokenizer.batch_decode(model.generate(**batch), skip_special_tokens=True) == policy.translate(sources)
    assert len(set(policy.translate(sources))) > 1


def test_the_fingerprint_follows_the_weights(policy: Seq2SeqPolicy, small: PolicyConfig, tiny_task: Task) -> None:
    before = policy.fingerprint
    assert Seq2SeqPolicy.from_config(tiny_task.tokenizer, small, seed=3).fingerprint == before
    assert Seq2SeqPolicy.from_config(tiny_task.tokenizer, small, seed=4).fingerprint != before
    kept = policy.clone()
    with torch.no_grad():
        next(policy.model.parameters())[0, 0] += 1.0
    assert policy.fingerprint != before
    assert kept.fingerprint == before


def test_a_constraint_holds_for_sampling_translation_and_evaluation(policy: Seq2SeqPolicy) -> None:
    tokenizer = policy.tokenizer
    constraint = Constraint.from_text(tokenizer, ["red house car"], prefix="two dog")
    narrow = policy.constrained(constraint)
    assert narrow.model is policy.model
    prefix, allowed = list(constraint.prefix), constraint.vocabulary or frozenset()
    samples = narrow.sample(SOURCES, 20, 1.0, seed=1)
    targets = targets_of(samples)
    for target in targets:
        assert target[:2] == prefix
        assert set(target[2:]) <= {0, *allowed}
    for beams in (1, 3):
        assert all(text.startswith("two dog") for text in narrow.translate(SOURCES, num_beams=beams))
    sources = [SOURCES[i] for i in samples.source_index]
    for temperature, equal in ((1.0, True), (0.7, False)):
        scored = np.concatenate(narrow.log_probs(sources, targets, temperature))
        assert np.allclose(scored, samples.log_prob, atol=1e-5) == equal
    starts = samples.offsets[:-1]
    np.testing.assert_array_equal(samples.log_prob[[*starts, *(starts + 1)]], 0.0)
    scores = narrow.next_token_scores(tokenizer.encode(SOURCES[:3]), [[], prefix[:1], prefix])
    assert [torch.isfinite(row).nonzero()[:, 0].tolist() for row in scores] == [
        prefix[:1], prefix[1:], sorted({0, *allowed})
    ]  # fmt: skip
    # Renormalised: the policy's own distribution over what is allowed.
    wide = policy.next_token_scores(tokenizer.encode(SOURCES[:1]), [prefix])[0, sorted({0, *allowed})]
    torch.testing.assert_close(torch.softmax(scores[2], -1)[sorted({0, *allowed})].sum(), torch.tensor(1.0))
    narrow_row = narrow.next_token_scores(tokenizer.encode(SOURCES[:1]), [prefix])[0, sorted({0, *allowed})]
    torch.testing.assert_close(torch.log_softmax(narrow_row, -1), torch.log_softmax(wide, -1))


def test_a_constraint_holds_in_the_losses(policy: Seq2SeqPolicy, pairs: Slice) -> None:
    samples = policy.constrained(Constraint(frozenset({3, 12}), (2,))).sample(SOURCES, 5, 1.0, seed=1)
    narrow = policy.constrained(Constraint(frozenset({3, 12}), (2,)))
    texts = [narrow.tokenizer.decode([target])[0] for target in targets_of(samples)]
    sources = [SOURCES[i] for i in samples.source_index]
    data = Slice.from_pairs(sources, texts, narrow.tokenizer, 12, 12)
    [batch] = data.batches(10_000, seed=0)
    log_prob = narrow.token_log_probs(batch)
    assert bool((log_prob[:, 0] == 0).all())
    assert bool(torch.isfinite(log_prob).all())
    log_prob.sum().backward()  # type: ignore[no-untyped-call]
    gradients = [p.grad for p in policy.model.parameters() if p.grad is not None]
    assert gradients
    assert all(bool(torch.isfinite(gradient).all()) for gradient in gradients)
    [other] = pairs.batches(10_000, seed=0)
    with pytest.raises(ValueError, match="where the policy's constraint forbids it"):
        narrow.token_log_probs(other)
    with pytest.raises(ValueError, match="where the policy's constraint forbids it"):
        policy.constrained(Constraint(prefix=(2, 2, 2))).token_log_probs(other)


def test_a_constraint_is_saved_and_told_by_the_fingerprint(policy: Seq2SeqPolicy, tmp_path: Path) -> None:
    constraint = Constraint(frozenset({3, 4}), (5,))
    narrow = policy.constrained(constraint)
    assert len({policy.fingerprint, narrow.fingerprint, policy.constrained(Constraint(prefix=(5,))).fingerprint}) == 3
    narrow.save(tmp_path)
    loaded = Seq2SeqPolicy.load(tmp_path)
    assert (loaded.constraint, loaded.fingerprint) == (constraint, narrow.fingerprint)
    assert loaded.clone().constraint == constraint
    policy.save(tmp_path)
    assert Seq2SeqPolicy.load(tmp_path).fingerprint == policy.fingerprint
    with pytest.raises(ValueError, match="prefix holds token 18"):
        policy.constrained(Constraint(prefix=(18,)))


def test_building_a_policy_leaves_the_global_generator(tiny_task: Task, small: PolicyConfig) -> None:
    torch.manual_seed(0)
    expected = torch.rand(1)
    torch.manual_seed(0)
    Seq2SeqPolicy.from_config(tiny_task.tokenizer, small, seed=9)
    assert torch.equal(torch.rand(1), expected)


@pytest.mark.parametrize("name", ["config.json", "generation_config.json", "model.safetensors", "tokenizer.json"])
def test_a_folder_that_lacks_a_file_is_refused(policy: Seq2SeqPolicy, tmp_path: Path, name: str) -> None:
    policy.save(tmp_path)
    (tmp_path / name).unlink()
    with pytest.raises(FileNotFoundError, match=f"no {name} in"):
        Seq2SeqPolicy.load(tmp_path)


def test_damaged_weights_are_told(policy: Seq2SeqPolicy, tmp_path: Path) -> None:
    policy.save(tmp_path)
    weights = tmp_path / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:1000])
    with pytest.raises(ValueError, match=r"model\.safetensors in .* is damaged \(.*; save or download it again"):
        Seq2SeqPolicy.load(tmp_path)


def test_a_model_and_a_tokenizer_that_do_not_fit_are_refused(policy: Seq2SeqPolicy) -> None:
    with pytest.raises(ValueError, match="the model knows 19 tokens and pads with 18, the tokenizer 5 and 4"):
        Seq2SeqPolicy(policy.model, Tokenizer.from_words(["a", "b"]), 12)
    with pytest.raises(ValueError, match="max_target_length is 13; the model has positions for 1 to 12"):
        Seq2SeqPolicy(policy.model, policy.tokenizer, 13)


@pytest.mark.parametrize("temperature", [0.0, -1.0, float("nan"), float("inf")])
def test_a_temperature_without_distribution_is_refused(policy: Seq2SeqPolicy, temperature: float) -> None:
    for call in (
        lambda: policy.sample(["zwei"], 1, temperature, 0),
        lambda: policy.log_probs(["zwei"], [[0]], temperature),
        lambda: policy.next_token_scores([[2, 0]], [[]], temperature),
    ):
        with pytest.raises(ValueError, match=f"temperature is {temperature}; give a number above 0"):
            call()


def test_bad_input_is_named(policy: Seq2SeqPolicy) -> None:
    with pytest.raises(ValueError, match="num_candidates is 0; give at least 1"):
        policy.sample(["zwei"], 0, 1.0, 0)
    with pytest.raises(ValueError, match="num_beams is 0; give at least 1"):
        policy.translate(["zwei"], num_beams=0)
    with pytest.raises(ValueError, match=r"source 1 is empty \(' '\)"):
        policy.translate(["zwei", " "])
    with pytest.raises(ValueError, match="source 1 has 13 tokens, the policy reads 12 at most"):
        policy.sample(["zwei", "eins " * 12], 1, 1.0, 0)
    with pytest.raises(TypeError, match="sources is the text 'zwei'; give a list"):
        policy.translate("zwei")
    with pytest.raises(ValueError, match="there are 2 sources but 1 targets"):
        policy.log_probs(["zwei", "eins"], [[0]])
    with pytest.raises(ValueError, match="target 1 has 0 tokens"):
        policy.log_probs(["zwei", "eins"], [[0], []])
    with pytest.raises(ValueError, match="target 0 holds token 18, which is padding"):
        policy.log_probs(["zwei"], [[18, 0]])


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"num_heads": 3}, "d_model 128 is no multiple of num_heads 3"),
        ({"dropout": 1.0}, "dropout is 1.0"),
        ({"decoder_layers": 0}, "decoder_layers is 0; give at least 1"),
    ],
)
def test_sizes_out_of_range_are_refused(change: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        PolicyConfig(**change)


def test_every_size_reaches_the_model(tiny_task: Task) -> None:
    config = PolicyConfig(
        d_model=24,
        num_heads=3,
        encoder_layers=3,
        decoder_layers=1,
        ffn_dim=20,
        dropout=0.2,
        max_source_length=9,
        max_target_length=7,
    )
    policy = Seq2SeqPolicy.from_config(tiny_task.tokenizer, config)
    made = policy.model.config
    assert (made.d_model, made.encoder_attention_heads, made.decoder_attention_heads) == (24, 3, 3)
    assert (made.encoder_layers, made.decoder_layers, made.dropout) == (3, 1, 0.2)
    assert (made.encoder_ffn_dim, made.decoder_ffn_dim) == (20, 20)
    assert (policy.max_source_length, policy.max_target_length) == (9, 7)


def test_what_is_fixed_stays_fixed_when_loaded(policy: Seq2SeqPolicy, tmp_path: Path) -> None:
    policy.save(tmp_path)
    trained = [
        {name for name, parameter in each.model.named_parameters() if parameter.requires_grad}
        for each in (policy, Seq2SeqPolicy.load(tmp_path))
    ]
    assert trained[0] == trained[1]
    assert not any("embed_positions" in name for name in trained[0])
