"""MetricX on a small mT5, whose vocabulary has the real size because of the token that is read."""

from __future__ import annotations

import json
import pickle
import re
import shutil
import sys
from pathlib import Path
from typing import Any

import huggingface_hub
import numpy as np
import pytest
import tokenizers
import torch
import transformers
from safetensors.torch import load_file, save_file
from tokenizers import models, pre_tokenizers
from tokenizers.processors import TemplateProcessing

from seq2seq_env.scorers import MetricXScorer, checked_scores, load_scorer
from tests.pickling import sent

ERROR = 250_089
LOGITS = [-8.0, 4.0, 12.5, 24.0, 33.0, 4.0]
SOURCES = ["ein rot haus", "ein rot haus", "hund", "der hund ist rot", "haus", "ein rot haus"]
HYPOTHESES = ["a red house", "a dog", "", "the dog is red red red", "house", "a dog"]
TEMPLATES = {24: "source: {s} candidate: {h}", 23: "candidate: {h} source: {s}"}


def edit(path: Path, **changes: Any) -> None:
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))


def edit_weights(folder: Path, **changes: torch.Tensor) -> None:
    path = folder / "model.safetensors"
    # A copy, because the file must not change under what is read from it.
    weights = {name: value.clone() for name, value in load_file(path).items()}
    changed = {name.replace("__", "."): value for name, value in changes.items()}
    save_file(weights | changed, path, {"format": "pt"})


@pytest.fixture(scope="module")
def tokenizer(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Unigram pieces with a sign for spaces and end-of-sequence, as mT5's."""
    words = ["source:", "candidate:", *{word for text in SOURCES + HYPOTHESES for word in text.split()}]
    pieces = [("<pad>", 0.0), ("</s>", 0.0), ("<unk>", 0.0), *((f"▁{word}", -2.0) for word in sorted(words))]
    pieces += [(letter, -9.0) for letter in "▁abcdefghijklmnopqrstuvwxyz:"]
    backend = tokenizers.Tokenizer(models.Unigram(pieces, unk_id=2, byte_fallback=False))
    backend.pre_tokenizer = pre_tokenizers.Metaspace()
    backend.post_processor = TemplateProcessing(single="$A </s>", pair="$A </s> $B </s>", special_tokens=[("</s>", 1)])
    backend.enable_truncation(4)
    folder = tmp_path_factory.mktemp("mt5")
    backend.save(str(folder / "tokenizer.json"))
    return folder


def read(tokenizer: Path, version: int) -> list[torch.Tensor]:
    """int64 [1,L] of each pair: its text, tokenized, without end-of-sequence."""
    backend = tokenizers.Tokenizer.from_file(str(tokenizer / "tokenizer.json"))
    backend.no_truncation()
    texts = [TEMPLATES[version].format(s=s, h=h) for s, h in zip(SOURCES, HYPOTHESES, strict=True)]
    encoded = [backend.encode(text).ids for text in texts]
    assert {tokens[-1] for tokens in encoded} == {1}
    return [torch.tensor([tokens[:-1]]) for tokens in encoded]


@pytest.fixture(scope="module")
def folder(tokenizer: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A checkpoint as published: no tokenizer, an architecture of its own, outputs apart from the embeddings.

    Its outputs for the version 24 are LOGITS.
    """
    torch.manual_seed(0)
    config = transformers.MT5Config(d_model=8, d_kv=4, d_ff=16, num_layers=2, num_heads=2)
    model = transformers.MT5Model(config).eval()  # type: ignore[no-untyped-call]
    start = torch.zeros(1, 1, dtype=torch.long)
    with torch.inference_mode():
        states = [model(input_ids=tokens, decoder_input_ids=start)[0][0, 0] for tokens in read(tokenizer, 24)]
    head = torch.zeros(config.vocab_size, config.d_model)
    head[ERROR] = torch.linalg.lstsq(torch.stack(states), torch.tensor(LOGITS)[:, None], driver="gelsd").solution[:, 0]
    folder = tmp_path_factory.mktemp("scorers") / "metricx-24-hybrid-tiny"
    model.save_pretrained(folder)
    edit_weights(folder, lm_head__weight=head)
    edit(folder / "config.json", architectures=["MT5ForRegression"], tie_word_embeddings=False)
    return folder


@pytest.fixture
def scorer(folder: Path, tokenizer: Path) -> MetricXScorer:
    return MetricXScorer(folder, tokenizer=tokenizer)


@pytest.fixture
def copy(folder: Path, tmp_path: Path) -> Path:
    return shutil.copytree(folder, tmp_path / folder.name)


def test_small_errors_are_high_scores_and_clipped_to_the_range(scorer: MetricXScorer) -> None:
    scores = checked_scores(scorer, SOURCES, HYPOTHESES)
    np.testing.assert_allclose(scores, [1.0, 0.84, 0.5, 0.04, 0.0, 0.84], rtol=0, atol=1e-4)
    assert scores[1] == scores[5]
    assert scores.dtype == np.float32
    assert scorer.score([], []).shape == (0,)


@pytest.mark.parametrize("version", TEMPLATES)
def test_the_error_is_the_logit_that_transformers_whole_model_computes(
    folder: Path, tokenizer: Path, version: int
) -> None:
    model = transformers.MT5ForConditionalGeneration.from_pretrained(folder).eval()  # type: ignore[no-untyped-call]
    start = torch.zeros(1, 1, dtype=torch.long)
    with torch.inference_mode():
        logits = [model(tokens, decoder_input_ids=start).logits[0, 0, ERROR] for tokens in read(tokenizer, version)]
    scores = MetricXScorer(folder, tokenizer=tokenizer, version=version).score(SOURCES, HYPOTHESES)
    np.testing.assert_allclose(scores, 1 - np.clip(logits, 0, 25) / 25, rtol=0, atol=1e-5)
    assert len(set(scores.tolist())) > 3


@pytest.mark.parametrize("tokens_per_batch", [1, 20, 8192])
def test_a_score_does_not_depend_on_its_company(folder: Path, tokenizer: Path, tokens_per_batch: int) -> None:
    scorer = MetricXScorer(folder, tokenizer=tokenizer, tokens_per_batch=tokens_per_batch)
    sources, hypotheses = [source for source in SOURCES for _ in HYPOTHESES], HYPOTHESES * len(SOURCES)
    together = scorer.score(sources, hypotheses)
    alone = [scorer.score([s], [h])[0] for s, h in zip(sources, hypotheses, strict=True)]
    np.testing.assert_allclose(together, alone, rtol=0, atol=1e-5)


def test_bfloat16_is_near_and_another_scorer(scorer: MetricXScorer, folder: Path, tokenizer: Path) -> None:
    half = load_scorer(f"metricx: dtype=bfloat16 tokenizer={tokenizer} {folder}")
    assert isinstance(half, MetricXScorer)
    scores = half.score(SOURCES, HYPOTHESES)
    assert {p.dtype for p in half._network.model.parameters()} == {torch.bfloat16}
    np.testing.assert_allclose(scores, scorer.score(SOURCES, HYPOTHESES), rtol=0, atol=0.05)
    assert half.fingerprint != scorer.fingerprint


def test_what_is_longer_loses_its_end_as_long_as_some_of_it_is_read(scorer: MetricXScorer) -> None:
    # 1,535 tokens less "source:", "haus" and "candidate:" leave 1,532.
    fits, longer, other = "house " * 1_532, "house " * 1_532 + "dog", "dog " + "house " * 1_531
    scores = scorer.score(["haus"] * 3, [fits, longer, other])
    assert scores[0] == scores[1]
    assert scorer._tokens(["haus"], [longer]) == scorer._tokens(["haus"], [fits]) != scorer._tokens(["haus"], [other])
    assert len(scorer._tokens(["haus"], [longer])[0]) == 1_535
    with pytest.raises(ValueError, match=r"MetricX-24 reads 1,535 tokens, all of which 'source: haus .* takes"):
        scorer.score(["haus " * 1_600], ["house"])


def test_a_pickle_holds_no_network_and_scores_the_same(scorer: MetricXScorer) -> None:
    before, known = scorer.score(SOURCES, HYPOTHESES), scorer.fingerprint
    assert len(pickle.dumps(scorer)) < 2000
    again = sent(scorer)
    assert again.fingerprint == known
    np.testing.assert_array_equal(again.score(SOURCES, HYPOTHESES), before)


def test_the_fingerprint_follows_model_tokenizer_and_version(folder: Path, copy: Path, tokenizer: Path) -> None:
    def fingerprint(model: Path, other: Path = tokenizer, **options: Any) -> str:
        return MetricXScorer(model, tokenizer=other, **options).fingerprint

    known = fingerprint(folder)
    assert fingerprint(copy) == known != fingerprint(copy, version=23)
    own = shutil.copytree(tokenizer, copy.parent / "own")
    (own / "tokenizer.json").write_text((own / "tokenizer.json").read_text() + "\n")
    assert fingerprint(copy, own) != known
    edit_weights(copy, shared__weight=torch.ones(250_112, 8))
    assert fingerprint(copy) != known


def test_a_folder_with_its_own_tokenizer_needs_no_other(copy: Path, scorer: MetricXScorer, tokenizer: Path) -> None:
    shutil.copy(tokenizer / "tokenizer.json", copy)
    alone = load_scorer(f"metricx: {copy}")
    np.testing.assert_array_equal(alone.score(SOURCES, HYPOTHESES), scorer.score(SOURCES, HYPOTHESES))


def test_weights_that_the_hubs_converter_names_after_the_decoder_are_read(
    copy: Path, scorer: MetricXScorer, tokenizer: Path
) -> None:
    weights = {name: value.clone() for name, value in load_file(copy / "model.safetensors").items()}
    weights["decoder.embed_tokens.weight"] = weights.pop("shared.weight")
    save_file(weights, copy / "model.safetensors", {"format": "pt"})
    scores = MetricXScorer(copy, tokenizer=tokenizer).score(SOURCES, HYPOTHESES)
    np.testing.assert_array_equal(scores, scorer.score(SOURCES, HYPOTHESES))


def test_a_hub_name_is_downloaded_whole_or_says_how(
    folder: Path, tokenizer: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = []

    def download(name: str, *, repo_type: str, revision: str | None, allow_patterns: list[str]) -> str:
        assert repo_type == "model"
        asked.append((name, revision, allow_patterns))
        return str(tokenizer if name == "google/mt5-xl" else folder)

    with monkeypatch.context() as context:
        context.setattr(huggingface_hub, "snapshot_download", download)
        scorer = load_scorer("metricx: revision=refs/pr/1 google/metricx-23-qe-large-v2p0")
    assert asked[0] == ("google/metricx-23-qe-large-v2p0", "refs/pr/1", ["config.json", "*.safetensors*"])
    assert asked[1][0] == "google/mt5-xl"
    assert isinstance(scorer, MetricXScorer)
    assert scorer.version == 23
    assert scorer.score(["haus"], ["house"]).shape == (1,)
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", True)
    wanted = re.escape("run `hf download nobody/metricx-24-x --include 'config.json' --include '*.safetensors*'")
    with pytest.raises(ConnectionError, match=f"cannot be had from the hub .*{wanted} --revision a --local-dir COPY"):
        load_scorer("metricx: revision=a nobody/metricx-24-x")
    with pytest.raises(ConnectionError, match=r"has no tokenizer, and 'google/mt5-xl' .* --local-dir COPY"):
        load_scorer(f"metricx: {folder}")


@pytest.mark.parametrize(
    ("name", "options", "message"),
    [
        ("metricx-23-xl-v2p0", {}, "'metricx-23-xl-v2p0' needs references; take a metricx-23-qe"),
        ("some/folder", {}, "does not tell the version of MetricX; say version=23 or version=24"),
        ("metricx-24", {"version": 22}, "no MetricX version 22; choose one of 23, 24"),
        ("metricx-24", {"dtype": "int8"}, "no dtype 'int8'; choose one of float32, bfloat16"),
        ("metricx-24", {"tokens_per_batch": 0}, "tokens_per_batch is 0"),
    ],
)
def test_bad_options_are_refused(name: str, options: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        MetricXScorer(name, **options)


def test_what_is_missing_is_named(copy: Path, tokenizer: Path, tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"there is no folder './metricx-24'; name a model's folder, or its"):
        MetricXScorer("./metricx-24")
    with pytest.raises(ValueError, match="is a folder, which has no revision 'main'"):
        MetricXScorer(copy, tokenizer=tokenizer, revision="main")
    with pytest.raises(FileNotFoundError, match=r"has no tokenizer \(tokenizer.json or spiece.model\); name a folder"):
        MetricXScorer(copy, tokenizer=tmp_path)
    (tmp_path / "metricx-24").mkdir()
    with pytest.raises(FileNotFoundError, match=re.escape("is no MetricX checkpoint: it has no config.json, *.safe")):
        MetricXScorer(tmp_path / "metricx-24", tokenizer=tokenizer)
    (copy / "model.safetensors").rename(copy / "pytorch_model.bin")
    with pytest.raises(FileNotFoundError, match=r"as a pickle only, which is never read; name a revision"):
        MetricXScorer(copy, tokenizer=tokenizer)


def test_damage_is_refused_in_a_sentence(copy: Path, tokenizer: Path, tmp_path: Path) -> None:
    def refused(message: str, tokenizer: Path = tokenizer) -> None:
        with pytest.raises(ValueError, match=message):
            MetricXScorer(copy, tokenizer=tokenizer).score(["haus"], ["house"])

    weights = {name: value.clone() for name, value in load_file(copy / "model.safetensors").items()}
    head = weights.pop("lm_head.weight")
    save_file(weights, copy / "model.safetensors", {"format": "pt"})
    refused("is no MetricX checkpoint, or a corrupt one .*its files have no lm_head.weight")
    edit_weights(copy, lm_head__weight=torch.zeros(100, 8))
    refused("has 100 rows, and none for token 250,089")
    save_file({"lm_head.weight": head}, copy / "model.safetensors", {"format": "pt"})
    refused("it lacks .*encoder.final_layer_norm.weight")
    (copy / "model.safetensors").write_bytes(b"\x10")
    refused("is no MetricX checkpoint, or a corrupt one .*; download it again")
    (tmp_path / "tokenizer.json").write_text("{")
    refused("tokenizer.json' is no tokenizer", tmp_path)


def test_a_tokenizer_of_another_model_is_refused(copy: Path, tokenizer: Path) -> None:
    edit_weights(copy, shared__weight=torch.ones(20, 8))
    edit(copy / "config.json", vocab_size=20)
    with pytest.raises(ValueError, match=r"has \d+ tokens, the model in .* knows 20; take mT5's tokenizer"):
        MetricXScorer(copy, tokenizer=tokenizer).score(["haus"], ["house"])


def test_a_weight_that_is_no_number_is_no_score(copy: Path, tokenizer: Path) -> None:
    edit_weights(copy, lm_head__weight=torch.full((250_112, 8), float("nan")))
    with pytest.raises(ValueError, match="MetricXScorer gave pair 0 the score nan, not a number in"):
        checked_scores(MetricXScorer(copy, tokenizer=tokenizer), ["haus"], ["house"])


def test_pieces_need_a_package_that_is_named(copy: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (copy / "spiece.model").write_bytes(b"")
    monkeypatch.setitem(sys.modules, "sentencepiece", None)
    with pytest.raises(ImportError, match=r"spiece.model' needs sentencepiece, .*\.\[sentencepiece\]"):
        MetricXScorer(copy).score(["haus"], ["house"])
