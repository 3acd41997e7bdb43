from __future__ import annotations

from collections import Counter
from typing import Any

import numpy as np
import pytest
import torch
from scipy import stats

from agents import Seq2SeqPolicy
from agents.policy import generation, hidden_states, teacher_forcing
from agents.policy import seq2seq_policy as policy_module
from buffers import Samples, Slice
from seq2seq_env import Constraint
from seq2seq_env.tasks.task import Task
from seq2seq_env.tokenization.tokenizer import Tokenizer

SOURCES = ["eins rot haus", "zwei", "drei blau hund", "auto", "zwei rot", "rot auto"]


def targets_of(samples: Samples) -> list[list[int]]:
    return [samples.tokens[a:b].tolist() for a, b in zip(samples.offsets, samples.offsets[1:], strict=False)]


def test_sampled_log_probabilities_are_those_of_a_forward_pass(trained: Seq2SeqPolicy) -> None:
    samples = trained.sample(trained.encode(SOURCES), 4, 0.7, seed=0)
    assert samples.source_index.tolist() == [i for i in range(6) for _ in range(4)]
    sources = trained.encode([SOURCES[i] for i in samples.source_index])
    scored = trained.log_probs(sources, targets_of(samples), temperature=0.7)
    np.testing.assert_allclose(samples.log_prob, np.concatenate(scored), atol=1e-4)
    assert all(row.dtype == np.float32 for row in scored)


def test_the_same_seed_repeats_and_another_does_not(trained: Seq2SeqPolicy) -> None:
    sources = trained.encode(SOURCES)
    once, again = trained.sample(sources, 4, 1.0, seed=5), trained.sample(sources, 4, 1.0, seed=5)
    np.testing.assert_array_equal(once.tokens, again.tokens)
    np.testing.assert_array_equal(once.log_prob, again.log_prob)
    assert once.texts == again.texts
    assert trained.sample(trained.encode(SOURCES), 4, 1.0, seed=6).texts != once.texts


@pytest.mark.parametrize("rows", [1, 5, 16])
def test_a_trajectory_does_not_depend_on_its_batch(
    trained: Seq2SeqPolicy, monkeypatch: pytest.MonkeyPatch, rows: int
) -> None:
    together = trained.sample(trained.encode(SOURCES), 4, 1.0, seed=5)
    monkeypatch.setitem(generation.ROWS, "cpu", rows)
    apart = trained.sample(trained.encode(SOURCES), 4, 1.0, seed=5)
    np.testing.assert_array_equal(together.tokens, apart.tokens)
    np.testing.assert_allclose(together.log_prob, apart.log_prob, atol=1e-5)


def test_a_trajectory_does_not_depend_on_other_sources_or_candidates(trained: Seq2SeqPolicy) -> None:
    many = trained.sample(trained.encode(SOURCES), 4, 1.0, seed=5)
    fewer = trained.sample(trained.encode([SOURCES[0], "haus", SOURCES[2]]), 2, 1.0, seed=5)
    assert fewer.texts[:2] == many.texts[:2]
    assert fewer.texts[4:] == many.texts[8:10]


def test_hypotheses_end_once_or_are_cut_at_the_limit(policy: Seq2SeqPolicy) -> None:
    samples = policy.sample(policy.encode(SOURCES), 30, 1.0, seed=1)  # untrained: ends by chance, at every length
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
    tokens = policy.sample(policy.encode(SOURCES), 10, 1.0, seed=1).tokens
    assert not np.isin(tokens, [1, policy.tokenizer.pad_id]).any()
    assert "<unk>" not in " ".join(policy.translate(SOURCES) + policy.translate(SOURCES, num_beams=2))


def test_frequencies_are_the_softmax_at_the_temperature(policy: Seq2SeqPolicy) -> None:
    temperature, count = 0.7, 4_000
    samples = policy.sample(policy.encode(["eins rot haus"]), count, temperature, seed=2)
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
        rows = trained.log_probs(trained.encode(SOURCES), trained.tokenizer.encode(texts))
        return float(sum(row.mean() for row in rows))

    assert len(beams) == len(SOURCES)
    assert total(beams) >= total(greedy) - 1e-4


def test_training_learns_the_task(trained: Seq2SeqPolicy, tiny_task: Task) -> None:
    train = tiny_task.split("train")
    right = [a == b for a, b in zip(trained.translate(train.sources), train.references, strict=True)]
    assert np.mean(right) > 0.9


def test_an_unknown_token_of_a_reference_has_a_finite_log_probability(policy: Seq2SeqPolicy) -> None:
    temperature, target = 0.5, [3, 1, 0]
    [row] = policy.log_probs(policy.encode(["zwei"]), [target], temperature)
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
    together = policy.log_probs(policy.encode(SOURCES[:3]), targets)
    monkeypatch.setattr(policy_module, "LOGITS_AT_ONCE", 1)
    for a, b in zip(together, policy.log_probs(policy.encode(SOURCES[:3]), targets), strict=True):
        np.testing.assert_allclose(a, b, atol=1e-5)


def test_nothing_to_do_is_done(policy: Seq2SeqPolicy) -> None:
    assert len(policy.sample(policy.encode([]), 3, 1.0, seed=0)) == 0
    assert policy.translate([]) == []
    assert policy.log_probs([], []) == []


def test_using_a_policy_leaves_its_mode(policy: Seq2SeqPolicy) -> None:
    policy.model.train()
    policy.translate(["zwei"])
    assert policy.model.training
    assert policy.translate(SOURCES) == policy.translate(SOURCES)  # without dropout


def test_a_constraint_holds_for_sampling_translation_and_evaluation(policy: Seq2SeqPolicy) -> None:
    tokenizer = policy.tokenizer
    constraint = Constraint.from_text(tokenizer, ["red house car"], prefix="two dog")
    narrow = policy.constrained(constraint)
    assert narrow.model is policy.model
    prefix, allowed = list(constraint.prefix), constraint.vocabulary or frozenset()
    samples = narrow.sample(narrow.encode(SOURCES), 20, 1.0, seed=1)
    targets = targets_of(samples)
    for target in targets:
        assert target[:2] == prefix
        assert set(target[2:]) <= {0, *allowed}
    for beams in (1, 3):
        assert all(text.startswith("two dog") for text in narrow.translate(SOURCES, num_beams=beams))
    sources = [SOURCES[i] for i in samples.source_index]
    for temperature, equal in ((1.0, True), (0.7, False)):
        scored = np.concatenate(narrow.log_probs(narrow.encode(sources), targets, temperature))
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


def test_each_source_may_begin_with_a_prefix_of_its_own(policy: Seq2SeqPolicy) -> None:
    sources, prefixes = policy.encode(SOURCES[:3]), [[12, 13], [], [14]]
    samples = policy.sample(sources, 4, 0.8, seed=1, prefixes=prefixes)
    targets = targets_of(samples)
    scored = policy.log_probs([sources[i] for i in samples.source_index], targets, 0.8)
    for row, source in enumerate(samples.source_index):
        start, kept = samples.offsets[row], len(prefixes[source])
        assert targets[row][:kept] == prefixes[source]
        assert (samples.log_prob[start : start + kept] == 0).all()
        np.testing.assert_allclose(samples.log_prob[start + kept : samples.offsets[row + 1]], scored[row][kept:],
                                   atol=1e-5)  # fmt: skip
    free = policy.sample(sources, 4, 0.8, seed=1)
    assert targets_of(free)[4:8] == targets[4:8]
    for wrong, message in (
        ([[]], "there are 3 sources but 1 prefixes"),
        ([[12] * policy.max_target_length, [], []], "prefix 0 has 12 tokens; give fewer than 12"),
        ([[], [], [policy.tokenizer.eos_id]], "prefix 2 holds token 0, which no translation has within"),
    ):
        with pytest.raises(ValueError, match=message):
            policy.sample(sources, 1, 0.8, seed=1, prefixes=wrong)
    with pytest.raises(ValueError, match=r"prefix 1 begins otherwise than the policy's constraint; begin it with \[12"):
        policy.constrained(Constraint(prefix=(12,))).sample(sources, 1, 0.8, 1, [[12, 13], [13], [12]])


@pytest.mark.parametrize("distribution_first", [False, True])
def test_both_kinds_of_log_probability_agree(
    policy: Seq2SeqPolicy, pairs: Slice, distribution_first: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    forwards: list[int] = []
    original = hidden_states.hidden_states

    def counted(*arguments: Any) -> torch.Tensor:
        forwards.append(1)
        return original(*arguments)

    monkeypatch.setattr(teacher_forcing, "hidden_states", counted)
    [batch] = pairs.batches(10_000, seed=0)
    evaluation, mask = policy.evaluate(batch, 0.8), batch.target_mask
    asked = ("log_distribution", "log_prob") if distribution_first else ("log_prob", "log_distribution")
    found = {name: getattr(evaluation, name) for name in asked}
    torch.testing.assert_close(found["log_distribution"].exp().sum(-1), torch.ones(int(mask.sum())))
    chosen = found["log_distribution"].gather(1, batch.target[mask][:, None])[:, 0]
    torch.testing.assert_close(found["log_prob"][mask], chosen)
    assert not found["log_prob"][~mask].any()
    # 0.8 * 0.5, as one temperature is a factor on the other's logits.
    torch.testing.assert_close(
        evaluation.log_prob_at(torch.full((len(batch),), 0.5)), policy.evaluate(batch, 0.4).log_prob.detach()
    )
    assert len(forwards) == 2


def test_a_tempered_log_probability_comes_with_the_plain_one(policy: Seq2SeqPolicy, pairs: Slice) -> None:
    [batch] = pairs.batches(10_000, seed=0)
    half = torch.full((len(batch),), 0.5)
    evaluation, whole = policy.evaluate(batch), policy.evaluate(batch)
    tempered = evaluation.log_prob_at(half)
    assert not tempered.requires_grad
    assert evaluation.log_prob.requires_grad
    expected = whole.log_distribution_at(half).gather(1, batch.target[batch.target_mask][:, None])[:, 0]
    torch.testing.assert_close(tempered[batch.target_mask], expected)
    torch.testing.assert_close(evaluation.log_prob, whole.log_prob)
    assert torch.equal(evaluation.log_prob_at(half), tempered)


def test_a_constraint_holds_in_the_losses(policy: Seq2SeqPolicy, pairs: Slice) -> None:
    narrow = policy.constrained(Constraint(frozenset({3, 12}), (2,)))
    samples = narrow.sample(narrow.encode(SOURCES), 5, 1.0, seed=1)
    texts = [narrow.tokenizer.decode([target])[0] for target in targets_of(samples)]
    sources = [SOURCES[i] for i in samples.source_index]
    data = Slice.from_pairs(sources, texts, narrow.tokenizer, 12, 12)
    [batch] = data.batches(10_000, seed=0)
    log_prob = narrow.evaluate(batch).log_prob
    assert bool((log_prob[:, 0] == 0).all())
    assert bool(torch.isfinite(log_prob).all())
    log_prob.sum().backward()  # type: ignore[no-untyped-call]
    gradients = [p.grad for p in policy.model.parameters() if p.grad is not None]
    assert gradients
    assert all(bool(torch.isfinite(gradient).all()) for gradient in gradients)
    [other] = pairs.batches(10_000, seed=0)
    with pytest.raises(ValueError, match="where the policy's constraint forbids it"):
        _ = narrow.evaluate(other).log_prob
    with pytest.raises(ValueError, match="where the policy's constraint forbids it"):
        _ = policy.constrained(Constraint(prefix=(2, 2, 2))).evaluate(other).log_prob


def test_a_model_and_a_tokenizer_that_do_not_fit_are_refused(policy: Seq2SeqPolicy) -> None:
    with pytest.raises(ValueError, match="the model knows 19 tokens and pads with 18, the tokenizer 5 and 4"):
        Seq2SeqPolicy(policy.model, Tokenizer.from_words(["a", "b"]), 12)
    with pytest.raises(ValueError, match="max_target_length is 13; the model has positions for 1 to 12"):
        Seq2SeqPolicy(policy.model, policy.tokenizer, 13)
