from __future__ import annotations

import json
import pickle
import random
import shutil
from pathlib import Path
from typing import Any, cast

import numpy as np
import pytest
import tokenizers
import torch
import transformers
from numpy.typing import NDArray
from tokenizers import models, normalizers, pre_tokenizers, processors
from transformers import PreTrainedConfig, PreTrainedModel

from seq2seq_env.scorers import LearnedScorer, PairEncoder, checked_scores, load_scorer
from seq2seq_env.scorers.__main__ import Calibrate
from seq2seq_env.tasks.task import Task
from tests.pickling import sent
from tests.seq2seq_env.scorers.models.small_classifiers import SIZES, classifier

ONE_OUTPUT: dict[str, Any] = {"num_labels": 1}


def edit_config(folder: Path, **changes: Any) -> None:
    path = folder / "config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))


def test_the_score_is_the_sigmoid_of_the_output(
    folder: Path, bert: PreTrainedModel, pairs: tuple[list[str], list[str]]
) -> None:
    scores = checked_scores(load_scorer(folder), *pairs)
    tokenizer = transformers.AutoTokenizer.from_pretrained(folder)
    for i in (0, 25, 47):
        with torch.inference_mode():
            logit = bert(**tokenizer(pairs[0][i], pairs[1][i], return_tensors="pt")).logits.item()
        assert scores[i] == pytest.approx(1 / (1 + np.exp(-logit)), abs=1e-6)
    assert scores.dtype == np.float32
    assert scores.std() > 0.01


@pytest.mark.parametrize("tokens_per_batch", [1, 17, 100, 8192])
def test_a_score_does_not_depend_on_its_company(
    folder: Path, pairs: tuple[list[str], list[str]], tokens_per_batch: int
) -> None:
    sources, hypotheses = pairs
    scorer = LearnedScorer(folder, tokens_per_batch=tokens_per_batch)
    together = scorer.score(sources, hypotheses)
    alone = [scorer.score([s], [h])[0] for s, h in zip(sources, hypotheses, strict=True)]
    np.testing.assert_allclose(together, alone, rtol=0, atol=1e-6)
    order = random.Random(1).choices(range(len(sources)), k=80)  # repeats included
    mixed = scorer.score([sources[i] for i in order], [hypotheses[i] for i in order])
    np.testing.assert_allclose(mixed, together[order], rtol=0, atol=1e-6)


@pytest.mark.parametrize("packs", [True, False])
def test_a_forward_pass_keeps_to_the_budget_and_never_pads(
    folder: Path, pairs: tuple[list[str], list[str]], packs: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    scorer = LearnedScorer(folder, tokens_per_batch=30)
    if not packs:
        monkeypatch.setattr(scorer, "_network", scorer._network._replace(packed=None))
    shapes = []
    forward = scorer._forward

    def spy(chunk: Any) -> NDArray[np.float32]:
        shapes.append((len(chunk), {len(pair.tokens) for pair in chunk}))
        return forward(chunk)

    monkeypatch.setattr(scorer, "_forward", spy)
    scorer.score(*pairs)
    assert all(rows * max(lengths) <= 30 for rows, lengths in shapes)
    assert packs == any(len(lengths) > 1 for _, lengths in shapes)
    distinct = len(set(zip(*pairs, strict=True)))
    assert sum(rows for rows, _ in shapes) == distinct < len(pairs[0])


def test_nothing_and_an_empty_hypothesis_are_scored(folder: Path) -> None:
    scorer = load_scorer(folder)
    assert scorer.score([], []).shape == (0,)
    assert 0 < scorer.score(["haus"], [""])[0] < 1


def test_a_long_hypothesis_is_cut_at_its_end(folder: Path) -> None:
    scorer = load_scorer(folder)
    # 20 positions less </s> haus </s> ... </s> leave 16 for the hypothesis.
    fits, long, other = ["house " * 16], ["house " * 16 + "red dog"], ["red " + "house " * 15]
    np.testing.assert_array_equal(scorer.score(["haus"], fits), scorer.score(["haus"], long))
    assert scorer.score(["haus"], fits) != scorer.score(["haus"], other)
    with pytest.raises(ValueError, match="a source of 18 tokens leaves no room"):
        scorer.score(["haus " * 18], ["house"])


def test_weights_stored_in_half_precision_compute_in_float32(
    tiny_task: Task, bert: PreTrainedModel, folder: Path, pairs: tuple[list[str], list[str]], tmp_path: Path
) -> None:
    LearnedScorer.save(tmp_path, bert, PairEncoder.from_tokenizer(tiny_task.tokenizer, 20), dtype="float16")
    sizes = [(path / "model.safetensors").stat().st_size for path in (tmp_path, folder)]
    assert sizes[0] < 0.7 * sizes[1]
    scorer = LearnedScorer(tmp_path)
    np.testing.assert_allclose(scorer.score(*pairs), load_scorer(folder).score(*pairs), atol=5e-3)
    assert {p.dtype for p in scorer._network.model.parameters()} == {torch.float32}
    assert {p.dtype for p in bert.parameters()} == {torch.float32}


def test_an_identity_output_must_already_be_a_score(
    tiny_task: Task, bert: PreTrainedModel, folder: Path, pairs: tuple[list[str], list[str]], tmp_path: Path
) -> None:
    LearnedScorer.save(tmp_path, bert, PairEncoder.from_tokenizer(tiny_task.tokenizer, 20), activation="identity")
    logits = load_scorer(tmp_path).score(*pairs)
    np.testing.assert_allclose(1 / (1 + np.exp(-logits)), load_scorer(folder).score(*pairs), atol=1e-6)
    with pytest.raises(ValueError, match=r"LearnedScorer gave pair \d+ the score"):
        checked_scores(load_scorer(tmp_path), *pairs)


def test_a_pickle_holds_no_network_and_scores_the_same(folder: Path, pairs: tuple[list[str], list[str]]) -> None:
    scorer = load_scorer(folder)
    before = scorer.score(*pairs)
    assert len(pickle.dumps(scorer)) < 1000
    np.testing.assert_array_equal(sent(scorer).score(*pairs), before)


def test_the_fingerprint_follows_everything_that_determines_scores(folder: Path, tmp_path: Path) -> None:
    copy = shutil.copytree(folder, tmp_path / "copy")
    (copy / "README.md").write_text("notes")
    known = load_scorer(folder).fingerprint
    assert len(known) == 64
    assert load_scorer(copy).fingerprint == known
    for i, name in enumerate(["config.json", "model.safetensors", "tokenizer.json", "tokenizer_config.json"]):
        changed = shutil.copytree(folder, tmp_path / str(i))
        with (changed / name).open("ab") as file:
            file.write(b"\n")
        assert load_scorer(changed).fingerprint != known


def hub_tokenizer(words: list[str], path: Path) -> None:
    """What a BERT of the hub brings along: WordPiece, lower-casing, [CLS] and [SEP]."""
    vocabulary = {word: i for i, word in enumerate(["[PAD]", "[UNK]", "[CLS]", "[SEP]", *words])}
    backend = tokenizers.Tokenizer(models.WordPiece(vocabulary, unk_token="[UNK]"))
    backend.normalizer = normalizers.BertNormalizer(lowercase=True)
    backend.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    backend.post_processor = processors.BertProcessing(("[SEP]", 3), ("[CLS]", 2))
    backend.enable_padding(length=30)
    backend.enable_truncation(7)
    transformers.PreTrainedTokenizerFast(  # type: ignore[no-untyped-call]
        tokenizer_object=backend, pad_token="[PAD]", unk_token="[UNK]", cls_token="[CLS]", sep_token="[SEP]"
    ).save_pretrained(path)


@pytest.mark.parametrize(
    "config",
    [
        transformers.BertConfig(vocab_size=30, **SIZES),
        transformers.BertConfig(vocab_size=30, type_vocab_size=1, hidden_act="relu", **SIZES),
        transformers.DistilBertConfig(vocab_size=30, dim=16, n_layers=1, n_heads=2, hidden_dim=32, **ONE_OUTPUT),
        transformers.RobertaConfig(vocab_size=30, pad_token_id=0, type_vocab_size=1, **SIZES),
    ],
    ids=["bert", "bert of one segment", "distilbert", "roberta"],
)
def test_a_checkpoint_in_the_hubs_format_is_read_as_transformers_reads_it(
    config: PreTrainedConfig, tiny_task: Task, tmp_path: Path
) -> None:
    model = classifier(config)
    model.save_pretrained(tmp_path)
    hub_tokenizer(sorted({word for text in tiny_task.split("test").references for word in text.split()}), tmp_path)
    edit_config(tmp_path, score_activation="sigmoid")
    encoded = PairEncoder.load(tmp_path).encode(["Red house"], ["dog"])[0]
    assert [encoded.tokens[0], encoded.tokens[3], encoded.tokens[5]] == [2, 3, 3]
    assert encoded.segments == [0, 0, 0, 0, 1, 1]
    inputs = {"input_ids": torch.tensor([encoded.tokens]), "attention_mask": torch.ones(1, 6, dtype=torch.long)}
    if isinstance(config, transformers.BertConfig) and config.type_vocab_size == 2:
        inputs["token_type_ids"] = torch.tensor([encoded.segments])
    with torch.inference_mode():
        wanted = model(**inputs).logits.sigmoid().item()
    assert load_scorer(tmp_path).score(["Red house"], ["dog"])[0] == pytest.approx(wanted, abs=1e-6)


def test_bad_checkpoints_are_refused(folder: Path, tmp_path: Path) -> None:
    two = shutil.copytree(folder, tmp_path / "two")
    edit_config(two, id2label={"0": "bad", "1": "good"})
    with pytest.raises(ValueError, match="has 2 outputs; a scorer has num_labels=1"):
        load_scorer(two)
    odd = shutil.copytree(folder, tmp_path / "odd")
    edit_config(odd, score_activation="tanh")
    with pytest.raises(ValueError, match="no score_activation 'tanh'; choose one of sigmoid, identity"):
        load_scorer(odd)
    with pytest.raises(ValueError, match="tokens_per_batch is 0"):
        LearnedScorer(folder, tokens_per_batch=0)


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("model.safetensors", b"\x10", "cannot be loaded"),
        ("tokenizer.json", b"{", "is no tokenizer"),
        ("config.json", b"[]", "is corrupt|is no|lacks|has 2 outputs"),
        ("config.json", b"{", "is corrupt"),
    ],
)
def test_corrupt_checkpoints_are_refused_in_a_sentence(
    folder: Path, tmp_path: Path, name: str, content: bytes, message: str
) -> None:
    broken = shutil.copytree(folder, tmp_path / "broken")
    (broken / name).write_bytes(content)
    with pytest.raises(ValueError, match=message):
        load_scorer(broken).score(["haus"], ["house"])


def test_positions_that_begin_after_the_padding_are_counted_so(tiny_task: Task, tmp_path: Path) -> None:
    config = transformers.RobertaConfig(
        vocab_size=30, pad_token_id=1, max_position_embeddings=12, type_vocab_size=1, **SIZES
    )
    model = classifier(config)
    model.save_pretrained(tmp_path)
    hub_tokenizer(["house"], tmp_path)
    edit_config(tmp_path, score_activation="sigmoid")
    fits, long = (load_scorer(tmp_path).score(["house"], ["house " * n])[0] for n in (6, 40))
    assert fits == long


def test_a_checkpoint_without_a_trained_head_is_refused(tiny_task: Task, bert: PreTrainedModel, tmp_path: Path) -> None:
    LearnedScorer.save(tmp_path, bert, PairEncoder.from_tokenizer(tiny_task.tokenizer, 20))
    assert isinstance(bert.bert, PreTrainedModel)
    bert.bert.save_pretrained(tmp_path)
    edit_config(tmp_path, id2label={"0": "LABEL_0"})
    with pytest.raises(ValueError, match=r"lacks weights \(classifier.bias, classifier.weight\); train its head first"):
        load_scorer(tmp_path).score(["haus"], ["house"])


def test_a_model_that_does_not_fit_is_not_saved(tiny_task: Task, bert: PreTrainedModel, tmp_path: Path) -> None:
    encoder = PairEncoder.from_tokenizer(tiny_task.tokenizer, 20)
    small = classifier(transformers.BertConfig(vocab_size=5, **SIZES))
    with pytest.raises(ValueError, match="knows 5 tokens but the tokenizer has 19"):
        LearnedScorer.save(tmp_path, small, encoder)
    double = classifier(transformers.BertConfig(vocab_size=19, **{**SIZES, "num_labels": 2}))
    with pytest.raises(ValueError, match="the model has 2 outputs"):
        LearnedScorer.save(tmp_path, double, encoder)
    with pytest.raises(ValueError, match="no score_activation 'tanh'"):
        LearnedScorer.save(tmp_path, bert, encoder, activation=cast(Any, "tanh"))
    assert list(tmp_path.iterdir()) == []


def test_an_output_on_a_scale_of_its_own_is_a_score_once_it_is_normalised(
    tiny_task: Task, bert: PreTrainedModel, pairs: tuple[list[str], list[str]], tmp_path: Path
) -> None:
    raw, out = tmp_path / "raw", tmp_path / "scaled"
    LearnedScorer.save(raw, bert, PairEncoder.from_tokenizer(tiny_task.tokenizer, 20), activation="identity")
    rows = [{"source_text": source, "target_text": hypothesis} for source, hypothesis in zip(*pairs, strict=True)]
    (tmp_path / "pairs.jsonl").write_text("\n".join(map(json.dumps, rows)))
    Calibrate(str(raw), out, pairs=tmp_path / "pairs.jsonl", percentiles=(0, 100)).run()
    logits = load_scorer(raw).score(*pairs)
    assert (logits < 0).any()
    wanted = (logits - logits.min()) / (logits.max() - logits.min())
    np.testing.assert_allclose(checked_scores(load_scorer(out), *pairs), wanted, atol=1e-5)
    edit_config(raw, score_activation="sigmoid")
    with pytest.raises(ValueError, match=r"scorer.json in .*scaled': the scorer .*raw' has changed since"):
        load_scorer(out)
